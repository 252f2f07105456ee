package com.samegate.client;

import com.samegate.v1.AddImagesItem;
import com.samegate.v1.AddImagesRequest;
import com.samegate.v1.AddImagesResponse;
import com.samegate.v1.AddImagesResult;
import com.samegate.v1.BulkSearchImagesItem;
import com.samegate.v1.BulkSearchImagesRequest;
import com.samegate.v1.BulkSearchImagesResponse;
import com.samegate.v1.BulkSearchImagesResult;
import com.samegate.v1.Match;
import com.samegate.v1.SameImageServiceGrpc;
import com.samegate.v1.Status;
import io.grpc.MethodDescriptor;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * What a bulk load and a bulk search have in common, for items T, requests Q, responses P and results R.
 *
 * @param request makes the message of an item with its key
 * @param result returns the result in a response, or null
 */
record BulkMethod<T, Q, P, R>(
        MethodDescriptor<Q, P> descriptor,
        BiFunction<String, T, Q> request,
        Predicate<P> isDrain,
        Function<P, R> result,
        Function<R, String> key,
        Function<R, Status> status,
        Function<R, List<Match>> matches) {
    static final BulkMethod<Item, AddImagesRequest, AddImagesResponse, AddImagesResult> ADD =
            new BulkMethod<>(
                    SameImageServiceGrpc.getAddImagesMethod(),
                    BulkMethod::addRequest,
                    AddImagesResponse::hasDrain,
                    response -> response.hasResult() ? response.getResult() : null,
                    AddImagesResult::getKey,
                    AddImagesResult::getStatus,
                    AddImagesResult::getMatchesList);

    static final BulkMethod<
                    ImageSource, BulkSearchImagesRequest, BulkSearchImagesResponse, BulkSearchImagesResult>
            SEARCH =
                    new BulkMethod<>(
                            SameImageServiceGrpc.getBulkSearchImagesMethod(),
                            BulkMethod::searchRequest,
                            BulkSearchImagesResponse::hasDrain,
                            response -> response.hasResult() ? response.getResult() : null,
                            BulkSearchImagesResult::getKey,
                            BulkSearchImagesResult::getStatus,
                            BulkSearchImagesResult::getMatchesList);

    private static AddImagesRequest addRequest(String key, Item item) {
        AddImagesItem.Builder message = AddImagesItem.newBuilder();
        message.setKey(key).setBrief(item.brief()).addAllTags(item.tags());
        Sources.set(item.image(), message::setContent, message::setUrl, Sources.NO_SIGN);
        return AddImagesRequest.newBuilder().setItem(message).build();
    }

    private static BulkSearchImagesRequest searchRequest(String key, ImageSource image) {
        BulkSearchImagesItem.Builder message = BulkSearchImagesItem.newBuilder().setKey(key);
        Sources.set(image, message::setContent, message::setUrl, message::setContSign);
        return BulkSearchImagesRequest.newBuilder().setItem(message).build();
    }
}
