package com.samegate.client;

import com.samegate.v1.AddImageRequest;
import com.samegate.v1.AddImageResponse;
import com.samegate.v1.AddImagesOptions;
import com.samegate.v1.AddImagesRequest;
import com.samegate.v1.AddImagesResult;
import com.samegate.v1.BulkSearchImagesOptions;
import com.samegate.v1.BulkSearchImagesRequest;
import com.samegate.v1.BulkSearchImagesResult;
import com.samegate.v1.CompareImagesRequest;
import com.samegate.v1.CompareImagesResponse;
import com.samegate.v1.ComparedImage;
import com.samegate.v1.ContSignList;
import com.samegate.v1.DeleteImagesRequest;
import com.samegate.v1.DeleteImagesResponse;
import com.samegate.v1.FindDuplicatesRequest;
import com.samegate.v1.GetImageRequest;
import com.samegate.v1.GetLibraryRequest;
import com.samegate.v1.GetLibraryResponse;
import com.samegate.v1.GetStateRequest;
import com.samegate.v1.GetStateResponse;
import com.samegate.v1.Image;
import com.samegate.v1.LibraryInfo;
import com.samegate.v1.ListImagesRequest;
import com.samegate.v1.ListImagesResponse;
import com.samegate.v1.ListLibrariesRequest;
import com.samegate.v1.ListTagsRequest;
import com.samegate.v1.ListTagsResponse;
import com.samegate.v1.OnDuplicate;
import com.samegate.v1.SameImageServiceGrpc;
import com.samegate.v1.SearchImagesRequest;
import com.samegate.v1.SearchImagesResponse;
import com.samegate.v1.UpdateImageRequest;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * A client of one gateway, or of all its replicas. Thread-safe; close it.
 *
 * <p>Methods take the required fields of a request, and a function that may set the others. Every method throws
 * {@link SamegateException} for what the gateway, the connection or a file does wrong, also with the code
 * CANCELLED when the thread is interrupted; {@link IllegalStateException} when the client is closed; and what
 * the function for the key throws.
 */
public final class SamegateClient implements AutoCloseable {
    /** Images in flight of a bulk load or a bulk search, unless set otherwise. */
    private static final int DEFAULT_WINDOW = 16;

    private static final int MAX_WINDOW = 256;

    private final Channel channel;
    private final Calls calls;
    private final String library;

    SamegateClient(ManagedChannel connection, Supplier<String> apiKey, String library, Duration timeout) {
        this.channel = ClientInterceptors.intercept(connection, new Authorization(connection, apiKey));
        this.calls = new Calls(connection, channel, timeout);
        this.library = library;
    }

    /**
     * Begins a client.
     *
     * @param target HOST:PORT, or {@code dns:///NAME:PORT} for all addresses of a name
     * @return settings with their defaults
     */
    public static SamegateClientBuilder builder(String target) {
        return new SamegateClientBuilder(target);
    }

    /** Closes the connection; calls that run fail, also those that wait for a retry. */
    @Override
    public void close() {
        calls.close();
    }

    /**
     * Asks the health service.
     *
     * @return false also for a gateway that is not there or does not respond
     */
    public boolean isServing() {
        HealthCheckRequest request =
                HealthCheckRequest.newBuilder().setService(SameImageServiceGrpc.SERVICE_NAME).build();
        try {
            HealthCheckResponse response = call(HealthGrpc.getCheckMethod(), request);
            return response.getStatus() == HealthCheckResponse.ServingStatus.SERVING;
        } catch (SamegateException error) {
            // With health checks the channel itself leaves out a gateway that is not serving.
            if (error.code() == Status.Code.UNAVAILABLE || error.code() == Status.Code.DEADLINE_EXCEEDED) {
                return false;
            }
            throw error;
        }
    }

    /**
     * Adds one image. The same bytes are rejected with {@code IMAGE_ALREADY_EXISTS}.
     *
     * @param image the image; not a sign
     * @return the sign of the stored image
     */
    public AddImageResponse add(ImageSource image) {
        return add(image, request -> {});
    }

    /**
     * Adds one image. By default the same bytes are rejected with {@code IMAGE_ALREADY_EXISTS}.
     *
     * @param image the image; not a sign
     * @param settings sets further fields, such as the brief and the tags
     * @return the sign of the stored image
     */
    public AddImageResponse add(ImageSource image, Consumer<AddImageRequest.Builder> settings) {
        AddImageRequest.Builder request = AddImageRequest.newBuilder().setLibrary(library);
        Sources.set(image, request::setContent, request::setUrl, Sources.NO_SIGN);
        settings.accept(request);
        return call(SameImageServiceGrpc.getAddImageMethod(), request.build());
    }

    /**
     * Adds any number of images over a stream.
     *
     * @param items the images; of a {@link Stream} pass {@code stream::iterator}
     * @return the outcome of each
     */
    public Outcomes<Item, AddImagesResult> addAll(Iterable<Item> items) {
        return addAll(items, options -> {});
    }

    /**
     * Adds any number of images over a stream.
     *
     * <p>Items are taken from the iterable as the gateway gets on, on a thread of its own: up to
     * {@code max_in_flight} images are in memory, 16 by default. After a broken connection the others are sent
     * again, so an item whose bytes are stored already succeeds, with {@code existed}, whatever
     * {@code on_duplicate} is set to.
     *
     * @param items the images; of a {@link Stream} pass {@code stream::iterator}
     * @param settings sets further fields
     * @return the outcome of each
     */
    public Outcomes<Item, AddImagesResult> addAll(
            Iterable<Item> items, Consumer<AddImagesOptions.Builder> settings) {
        AddImagesOptions.Builder options =
                AddImagesOptions.newBuilder().setLibrary(library).setMaxInFlight(DEFAULT_WINDOW);
        settings.accept(options);
        options.setOnDuplicate(OnDuplicate.ON_DUPLICATE_ACCEPT);
        AddImagesRequest first = AddImagesRequest.newBuilder().setOptions(options).build();
        return new BulkRun<>(channel, BulkMethod.ADD, first, items, window(options.getMaxInFlight()));
    }

    /**
     * Finds the stored images that are wholly or partly the same.
     *
     * @param image the query image
     * @return the matches, highest score first
     */
    public SearchImagesResponse search(ImageSource image) {
        return search(image, request -> {});
    }

    /**
     * Finds the stored images that are wholly or partly the same.
     *
     * @param image the query image
     * @param settings sets further fields, such as the limit and the tags
     * @return the matches, highest score first
     */
    public SearchImagesResponse search(ImageSource image, Consumer<SearchImagesRequest.Builder> settings) {
        SearchImagesRequest.Builder request = SearchImagesRequest.newBuilder().setLibrary(library);
        Sources.set(image, request::setContent, request::setUrl, request::setContSign);
        settings.accept(request);
        return call(SameImageServiceGrpc.getSearchImagesMethod(), request.build());
    }

    /**
     * Searches with any number of images over a stream.
     *
     * @param images the query images
     * @return the outcome of each
     */
    public Outcomes<ImageSource, BulkSearchImagesResult> searchAll(Iterable<ImageSource> images) {
        return searchAll(images, options -> {});
    }

    /**
     * Searches with any number of images over a stream. They are taken as the items of {@link #addAll} are.
     *
     * @param images the query images
     * @param settings sets further fields
     * @return the outcome of each
     */
    public Outcomes<ImageSource, BulkSearchImagesResult> searchAll(
            Iterable<ImageSource> images, Consumer<BulkSearchImagesOptions.Builder> settings) {
        BulkSearchImagesOptions.Builder options =
                BulkSearchImagesOptions.newBuilder().setLibrary(library).setMaxInFlight(DEFAULT_WINDOW);
        settings.accept(options);
        BulkSearchImagesRequest first = BulkSearchImagesRequest.newBuilder().setOptions(options).build();
        return new BulkRun<>(channel, BulkMethod.SEARCH, first, images, window(options.getMaxInFlight()));
    }

    /**
     * Compares two images; nothing is stored.
     *
     * @param first the image to search with
     * @param second the image to find
     * @return the score of the second image as a match of the first one
     */
    public CompareImagesResponse compare(ImageSource first, ImageSource second) {
        CompareImagesRequest request =
                CompareImagesRequest.newBuilder()
                        .setLibrary(library)
                        .setFirst(compared(first))
                        .setSecond(compared(second))
                        .build();
        return call(SameImageServiceGrpc.getCompareImagesMethod(), request);
    }

    /**
     * Changes the brief or the tags, or both, of a stored image.
     *
     * @param contSign the sign of the image
     * @param changes sets what changes
     */
    public void update(String contSign, Consumer<UpdateImageRequest.Builder> changes) {
        UpdateImageRequest.Builder request =
                UpdateImageRequest.newBuilder().setLibrary(library).setContSign(contSign);
        changes.accept(request);
        call(SameImageServiceGrpc.getUpdateImageMethod(), request.build());
    }

    /**
     * Deletes images.
     *
     * @param contSigns up to 10,000 signs
     * @return the outcome of each sign, in its {@code results}
     */
    public DeleteImagesResponse delete(Iterable<String> contSigns) {
        ContSignList signs = ContSignList.newBuilder().addAllValues(contSigns).build();
        DeleteImagesRequest request =
                DeleteImagesRequest.newBuilder().setLibrary(library).setContSigns(signs).build();
        return call(SameImageServiceGrpc.getDeleteImagesMethod(), request);
    }

    /**
     * Returns the record of a stored image, with its thumbnail.
     *
     * @param contSign the sign of the image
     * @return the record
     */
    public Image get(String contSign) {
        return get(contSign, request -> {});
    }

    /**
     * Returns the record of a stored image.
     *
     * @param contSign its sign
     * @param settings sets further fields, such as {@code setPreview(true)}
     * @return the record, with its thumbnail, and its preview where it is asked for and stored
     */
    public Image get(String contSign, Consumer<GetImageRequest.Builder> settings) {
        GetImageRequest.Builder request =
                GetImageRequest.newBuilder().setLibrary(library).setContSign(contSign);
        settings.accept(request);
        return call(SameImageServiceGrpc.getGetImageMethod(), request.build()).getImage();
    }

    /**
     * Lists the stored images, oldest first. The first page is fetched now, further ones as the stream is read.
     *
     * @return the records, without thumbnails
     */
    public Stream<Image> images() {
        return images(request -> {});
    }

    /**
     * Lists the stored images. The first page is fetched now, further ones as the stream is read.
     *
     * @param settings sets further fields, such as the filter and the order
     * @return the records
     */
    public Stream<Image> images(Consumer<ListImagesRequest.Builder> settings) {
        ListImagesRequest.Builder request =
                ListImagesRequest.newBuilder().setLibrary(library).setPageSize(1000);
        settings.accept(request);
        return Stream.iterate(page(request), Objects::nonNull, last -> pageAfter(last, request))
                .flatMap(page -> page.getImagesList().stream());
    }

    /**
     * Returns the tags of the library.
     *
     * @return each tag with the number of its images
     */
    public ListTagsResponse tags() {
        return call(
                SameImageServiceGrpc.getListTagsMethod(),
                ListTagsRequest.newBuilder().setLibrary(library).build());
    }

    /**
     * Returns the size, the capacity and the limits of the library.
     *
     * @return the library
     */
    public GetLibraryResponse info() {
        return call(
                SameImageServiceGrpc.getGetLibraryMethod(),
                GetLibraryRequest.newBuilder().setLibrary(library).build());
    }

    /**
     * Returns the libraries that the caller may use, with what each can do.
     *
     * @return the default one first
     */
    public List<LibraryInfo> libraries() {
        return call(
                        SameImageServiceGrpc.getListLibrariesMethod(),
                        ListLibrariesRequest.getDefaultInstance())
                .getLibrariesList();
    }

    /**
     * Returns the caller's libraries, quotas and last calls, and the version of the gateway.
     *
     * @return the state
     */
    public GetStateResponse state() {
        return call(SameImageServiceGrpc.getGetStateMethod(), GetStateRequest.getDefaultInstance());
    }

    /**
     * Finds the groups of same images in the library.
     *
     * @return the groups
     */
    public Duplicates findDuplicates() {
        return findDuplicates(request -> {});
    }

    /**
     * Finds the groups of same images in the library.
     *
     * @param settings sets further fields, such as the minimum score and the cursor
     * @return the groups
     */
    public Duplicates findDuplicates(Consumer<FindDuplicatesRequest.Builder> settings) {
        FindDuplicatesRequest.Builder request = FindDuplicatesRequest.newBuilder().setLibrary(library);
        settings.accept(request);
        return new Duplicates(channel, request);
    }

    private <Q, P> P call(MethodDescriptor<Q, P> method, Q request) {
        return calls.call(method, request);
    }

    private ListImagesResponse page(ListImagesRequest.Builder request) {
        return call(SameImageServiceGrpc.getListImagesMethod(), request.build());
    }

    private ListImagesResponse pageAfter(ListImagesResponse last, ListImagesRequest.Builder request) {
        String token = last.getNextPageToken();
        return token.isEmpty() ? null : page(request.setPageToken(token));
    }

    private static ComparedImage.Builder compared(ImageSource image) {
        ComparedImage.Builder compared = ComparedImage.newBuilder();
        Sources.set(image, compared::setContent, compared::setUrl, compared::setContSign);
        return compared;
    }

    private static int window(int maxInFlight) {
        if (maxInFlight < 0 || maxInFlight > MAX_WINDOW) {
            throw new IllegalArgumentException("max_in_flight is 1 to " + MAX_WINDOW + ", not " + maxInFlight);
        }
        return maxInFlight == 0 ? DEFAULT_WINDOW : maxInFlight;
    }
}
