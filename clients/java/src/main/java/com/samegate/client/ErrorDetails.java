package com.samegate.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.samegate.v1.Match;
import com.samegate.v1.SameImages;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** What the details of a status say; `retryAfter` is null where no time is known. */
record ErrorDetails(
        String reason,
        Map<String, String> metadata,
        List<Violation> violations,
        Duration retryAfter,
        List<Match> matches)
        implements Serializable {
    static final ErrorDetails NONE = new ErrorDetails("", Map.of(), List.of(), null, List.of());

    /** Milliseconds to wait, or a negative number if no retry helps (gRFC A6). */
    private static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

    /** Returns whether the gateway says that no retry helps, also for reasons that this version does not know. */
    static boolean forbidsRetries(Metadata trailers) {
        String pushback = trailers == null ? null : trailers.get(PUSHBACK);
        return pushback != null && pushback.startsWith("-");
    }

    /** Unpacks the details of a status, which are in the trailers. */
    static ErrorDetails of(Status status, Metadata trailers) {
        ErrorDetails details = NONE;
        try {
            for (Any packed : StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList()) {
                details = details.with(packed);
            }
        } catch (IllegalArgumentException | InvalidProtocolBufferException error) {
            // A proxy's status that contradicts its details, or details of another format: the code holds.
            return details;
        }
        return details;
    }

    ErrorDetails withReason(String reason) {
        return new ErrorDetails(reason, metadata, violations, retryAfter, matches);
    }

    private ErrorDetails with(Any packed) throws InvalidProtocolBufferException {
        if (packed.is(ErrorInfo.class)) {
            ErrorInfo info = packed.unpack(ErrorInfo.class);
            return new ErrorDetails(info.getReason(), info.getMetadataMap(), violations, retryAfter, matches);
        }
        if (packed.is(BadRequest.class)) {
            List<Violation> fields =
                    packed.unpack(BadRequest.class).getFieldViolationsList().stream()
                            .map(each -> new Violation(each.getField(), each.getDescription()))
                            .toList();
            return new ErrorDetails(reason, metadata, fields, retryAfter, matches);
        }
        if (packed.is(RetryInfo.class)) {
            com.google.protobuf.Duration delay = packed.unpack(RetryInfo.class).getRetryDelay();
            Duration wait = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
            return new ErrorDetails(reason, metadata, violations, wait, matches);
        }
        if (packed.is(SameImages.class)) {
            List<Match> found = packed.unpack(SameImages.class).getMatchesList();
            return new ErrorDetails(reason, metadata, violations, retryAfter, found);
        }
        return this;
    }
}
