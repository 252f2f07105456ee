package com.samegate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.samegate.v1.DeleteImagesResult;
import com.samegate.v1.Image;
import com.samegate.v1.LibraryInfo;
import com.samegate.v1.Match;
import com.samegate.v1.OnMatch;
import com.samegate.v1.TagList;
import io.grpc.Context;
import io.grpc.Status;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Single calls and their errors, against one gateway with a library that the tests share. */
class CallsTest {
    private static Gateway gateway;
    private static SamegateClient client;

    @BeforeAll
    static void start() throws Exception {
        gateway = Gateway.start();
        client = gateway.client();
    }

    @AfterAll
    static void stop() throws Exception {
        client.close();
        gateway.close();
    }

    @Test
    void anImageIsAddedFoundChangedAndDeleted() throws Exception {
        assertTrue(client.isServing());
        long before = client.info().getImageCount();
        String sign = client.add(bytes(1), request -> request.setBrief("one").addTags(7)).getContSign();
        client.add(bytes(2), request -> request.setBrief("two"));
        Path file = Files.write(gateway.folder.resolve("one.bmp"), Pictures.bmp(1));

        List<Match> matches = client.search(ImageSource.file(file)).getMatchesList();
        assertEquals(List.of(sign), matches.stream().map(Match::getContSign).toList());
        assertTrue(client.compare(bytes(1), ImageSource.sign(sign)).getScore() > 0.9);
        assertEquals(1, client.tags().getTagsCount());
        client.update(sign, request -> request.setBrief("new").setTags(TagList.getDefaultInstance()));
        assertEquals("new", client.get(sign).getBrief());
        assertEquals(0, client.tags().getTagsCount());
        Set<String> listed =
                client.images(request -> request.setPageSize(1)).map(Image::getBrief).collect(Collectors.toSet());
        assertTrue(listed.containsAll(Set.of("new", "two")), listed.toString());
        assertEquals(List.of("default"), client.libraries().stream().map(LibraryInfo::getLibrary).toList());
        assertEquals("shop", client.state().getTenant());
        List<DeleteImagesResult> deleted = client.delete(List.of(sign, "1,1")).getResultsList();
        assertEquals(List.of(0, 5), deleted.stream().map(each -> each.getStatus().getCode()).toList());
        assertEquals(before + 1, client.info().getImageCount());
    }

    @Test
    void aRecordHasItsThumbnailAndOnRequestItsPreview() throws Exception {
        String sign = client.add(bytes(4)).getContSign();

        Image plain = client.get(sign);
        assertEquals(256, width(plain.getThumbnailJpeg()));
        assertTrue(plain.getPreviewJpeg().isEmpty());
        assertEquals(480, width(client.get(sign, request -> request.setPreview(true)).getPreviewJpeg()));
    }

    private static int width(ByteString file) throws Exception {
        return ImageIO.read(file.newInput()).getWidth();
    }

    @Test
    void anErrorNamesReasonFieldsAndTheStoredImage() {
        String sign = client.add(bytes(11)).getContSign();

        SamegateException same = rejected(() -> client.add(bytes(11)));
        assertEquals(Status.Code.ALREADY_EXISTS, same.code());
        assertEquals("IMAGE_ALREADY_EXISTS", same.reason());
        assertEquals(sign, same.contSign());
        assertFalse(same.isTransient());
        assertTrue(same.getMessage().endsWith(" [IMAGE_ALREADY_EXISTS]"), same.getMessage());

        ImageSource copy = ImageSource.bytes(Pictures.bmp(11));
        SamegateException match =
                rejected(() -> client.add(copy, request -> request.setOnMatch(OnMatch.ON_MATCH_REJECT)));
        assertEquals("SAME_IMAGE_EXISTS", match.reason());
        assertEquals(List.of(sign), match.matches().stream().map(Match::getContSign).toList());

        SamegateException invalid =
                rejected(
                        () ->
                                client.add(
                                        bytes(12),
                                        request -> request.setBrief("b".repeat(257)).addAllTags(List.of(1, 2, 3))));
        assertEquals(
                Set.of("brief", "tags"),
                invalid.violations().stream().map(Violation::field).collect(Collectors.toSet()));
        assertEquals(invalid.description() + " [" + invalid.reason() + "]", invalid.getMessage());
        assertEquals(2, invalid.getMessage().split("`brief`", -1).length, invalid.getMessage());

        assertEquals(
                Status.Code.INVALID_ARGUMENT, rejected(() -> client.search(ImageSource.url("ftp://x/y"))).code());
        assertEquals("IMAGE_NOT_FOUND", rejected(() -> client.get("1,1")).reason());
    }

    @Test
    void aFileThatCannotBeReadIsAnErrorOfThisSide() {
        SamegateException missing =
                rejected(() -> client.search(ImageSource.file(gateway.folder.resolve("none.jpg"))));
        assertNull(missing.code());
        assertEquals("FILE_UNREADABLE", missing.reason());
        assertFalse(missing.isTransient());
    }

    @Test
    void aFileTooLargeForAMessageIsAnErrorOfThisSide() throws Exception {
        Path sparse = gateway.folder.resolve("large.jpg");
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(1L << 31);
        }
        SamegateException large = rejected(() -> client.search(ImageSource.file(sparse)));
        assertEquals("FILE_UNREADABLE", large.reason());
        assertTrue(large.getMessage().contains("2 GiB or more"), large.getMessage());
    }

    @Test
    void aLibraryThatDoesNotExistIsNotFound() {
        try (SamegateClient other =
                SamegateClient.builder(gateway.address).apiKey("writer").library("none").build()) {
            assertEquals("LIBRARY_NOT_FOUND", rejected(other::info).reason());
        }
    }

    @Test
    void aKeyDecidesWhatIsAllowedAndAFunctionReturnsThePresentOne() {
        try (SamegateClient other = gateway.client("other")) {
            assertEquals("CREDENTIALS_INVALID", rejected(other::info).reason());
        }
        AtomicInteger calls = new AtomicInteger();
        try (SamegateClient reader =
                SamegateClient.builder(gateway.address)
                        .apiKey(() -> calls.incrementAndGet() == 1 ? "writer" : "reader")
                        .build()) {
            reader.add(bytes(21));
            assertEquals("READ_ONLY_KEY", rejected(() -> reader.add(bytes(22))).reason());
            assertEquals(2, calls.get());
        }
    }

    @Test
    void anInvalidArgumentIsTheCallersErrorAndTheKeyIsInNone() {
        try (SamegateClient broken = gateway.client("secret\n")) {
            Exception error = assertThrows(IllegalArgumentException.class, broken::info);
            assertFalse(error.getMessage().contains("secret"), error.getMessage());
        }
        assertThrows(IllegalArgumentException.class, () -> client.add(ImageSource.sign("1,1")));
        assertThrows(
                IllegalArgumentException.class, () -> client.addAll(List.of(), request -> request.setMaxInFlight(257)));
        assertEquals("Bytes[size=3]", ImageSource.bytes(new byte[3]).toString());
    }

    @Test
    void aClosedClientSaysSo() {
        SamegateClient closed = gateway.client();
        closed.info();
        closed.close();
        assertThrows(IllegalStateException.class, closed::info);
        assertThrows(IllegalStateException.class, () -> closed.addAll(Pictures.list(1)).iterator().hasNext());
    }

    @Test
    void anInterruptedThreadGetsOneErrorAndStaysInterrupted() {
        Thread.currentThread().interrupt();
        SamegateException error = rejected(client::info);
        assertTrue(Thread.interrupted());
        assertEquals(Status.Code.CANCELLED, error.code());
        assertFalse(error.isTransient());
    }

    @Test
    void aCallInACancelledContextIsNotTransient() throws Exception {
        Context.CancellableContext context = Context.current().withCancellation();
        context.cancel(null);
        SamegateException error = context.call(() -> rejected(client::info));
        assertEquals(Status.Code.CANCELLED, error.code());
        assertFalse(error.isTransient());
    }

    @Test
    void duplicatesAreFoundAndTheCursorSelectsWhatIsNew() {
        Set<String> signs =
                Set.of(
                        client.add(bytes(31)).getContSign(),
                        client.add(ImageSource.bytes(Pictures.bmp(31))).getContSign());
        String cursor;
        try (Duplicates duplicates = client.findDuplicates(request -> request.setMinScore(0.5))) {
            Set<Set<String>> groups = new HashSet<>();
            duplicates.forEach(
                    group ->
                            groups.add(
                                    group.getImagesList().stream()
                                            .map(Image::getContSign)
                                            .collect(Collectors.toSet())));
            assertTrue(groups.contains(signs), groups.toString());
            assertEquals(duplicates.total(), duplicates.compared());
            cursor = duplicates.cursor();
        }
        try (Duplicates later = client.findDuplicates(request -> request.setCursor(cursor))) {
            assertFalse(later.iterator().hasNext());
        }
        try (Duplicates invalid = client.findDuplicates(request -> request.setCursor("x"))) {
            SamegateException error = rejected(() -> invalid.iterator().hasNext());
            assertEquals("cursor", error.violations().get(0).field());
        }
    }

    @Test
    void aGatewayThatIsNotThereIsOneError() {
        String nowhere = "127.0.0.1:" + Gateway.freePort();
        try (SamegateClient alone = SamegateClient.builder(nowhere).timeout(Duration.ofSeconds(10)).build()) {
            SamegateException error = rejected(alone::info);
            assertTrue(error.isTransient(), error.getMessage());
            assertTrue(error.getMessage().contains("Connection refused"), error.getMessage());
            assertFalse(alone.isServing());
        }
    }

    static ImageSource bytes(int seed) {
        return ImageSource.bytes(Pictures.png(seed));
    }

    static SamegateException rejected(Executable call) {
        return assertThrows(SamegateException.class, call);
    }
}
