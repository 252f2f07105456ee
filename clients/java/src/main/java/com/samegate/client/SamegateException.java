package com.samegate.client;

import com.samegate.v1.Match;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A call or an item that failed. The message has everything that a person needs, and no secret. */
public final class SamegateException extends RuntimeException {
    /** Codes for a temporary condition, and those of a broken connection. */
    private static final Set<Status.Code> TRANSIENT =
            Set.of(
                    Status.Code.UNAVAILABLE,
                    Status.Code.RESOURCE_EXHAUSTED,
                    Status.Code.ABORTED,
                    Status.Code.CANCELLED,
                    Status.Code.DEADLINE_EXCEEDED,
                    Status.Code.UNKNOWN);

    /** Reasons for which waiting does not help, whatever the code. */
    private static final Set<String> LASTING =
            Set.of(
                    "DAILY_QUOTA_EXCEEDED",
                    "DISK_FULL",
                    "LIBRARY_FULL",
                    "MESSAGE_TOO_LARGE",
                    "QUOTA_DAY_EXCEEDED",
                    "STORAGE_FAILED",
                    "TOTAL_QUOTA_EXCEEDED",
                    "VENDOR_PROTOCOL");

    private final Status.Code code;
    private final String description;
    private final ErrorDetails details;

    /** Whether another call would end the same way: the caller ended this one, or the gateway says so. */
    private final boolean isLasting;

    private SamegateException(
            Status.Code code, String description, ErrorDetails details, Throwable cause, boolean isLasting) {
        super(text(code, description, details), cause);
        this.code = code;
        this.isLasting = isLasting;
        this.description = description;
        this.details = details;
    }

    /** Makes the error of a call. */
    static SamegateException of(StatusRuntimeException error) {
        return of(error.getStatus(), error.getTrailers(), error);
    }

    /** Makes the error of a call or a stream from its status; the trailers have the details. */
    static SamegateException of(Status status, Metadata trailers, Throwable cause) {
        Throwable known = cause == null ? status.getCause() : cause;
        Status.Code code = status.getCode();
        boolean isEnd = code == Status.Code.CANCELLED || code == Status.Code.DEADLINE_EXCEEDED;
        boolean isCallers =
                isEnd && (status.getCause() instanceof InterruptedException || Context.current().isCancelled());
        boolean isLasting = isCallers || ErrorDetails.forbidsRetries(trailers);
        return new SamegateException(code, describe(status), ErrorDetails.of(status, trailers), known, isLasting);
    }

    /** Makes the error of what the caller ended. */
    static SamegateException cancelled(String description, Throwable cause) {
        return new SamegateException(Status.Code.CANCELLED, description, ErrorDetails.NONE, cause, true);
    }

    /** Makes the error of a wait that an interrupt ended. */
    static SamegateException interrupted(InterruptedException cause) {
        return cancelled("the thread was interrupted", cause);
    }

    /** Adds the cause that this side knows: gRPC's text of a connection that failed is only `io exception`. */
    private static String describe(Status status) {
        String description = status.getDescription() == null ? status.getCode().name() : status.getDescription();
        String cause = "";
        for (Throwable each = status.getCause(); each != null; each = each.getCause()) {
            cause = each.getMessage() == null ? cause : each.getMessage();
        }
        return description.contains(cause) ? description : description + ": " + cause;
    }

    /** Makes the error of one item of a stream. */
    static SamegateException ofItem(com.samegate.v1.Status status, List<Match> matches) {
        ErrorDetails details =
                new ErrorDetails(status.getReason(), status.getMetadataMap(), List.of(), null, matches);
        Status.Code code = Status.fromCodeValue(status.getCode()).getCode();
        return new SamegateException(code, status.getMessage(), details, null, false);
    }

    /** Makes an error of this side. */
    static SamegateException local(String reason, String description, Throwable cause) {
        return new SamegateException(null, description, ErrorDetails.NONE.withReason(reason), cause, false);
    }

    /**
     * Returns the gRPC status code.
     *
     * @return null for a failure on this side, such as a file that cannot be read
     */
    public Status.Code code() {
        return code;
    }

    /**
     * Returns the stable name of the cause, such as {@code IMAGE_NOT_FOUND}.
     *
     * @return empty if no gateway answered; {@code FILE_UNREADABLE} and {@code INVALID_ITEM} are the client's own
     */
    public String reason() {
        return details.reason();
    }

    /**
     * Returns what happened, as a text for people.
     *
     * @return the message without the reason
     */
    public String description() {
        return description;
    }

    /**
     * Returns each invalid field of the request.
     *
     * @return empty if none is known
     */
    public List<Violation> violations() {
        return details.violations();
    }

    /**
     * Returns {@code vendor_code}, {@code vendor_log_id} and {@code cont_sign}, each where it is known.
     *
     * @return the metadata of google.rpc.ErrorInfo
     */
    public Map<String, String> metadata() {
        return details.metadata();
    }

    /**
     * Returns the sign of the stored image that the error is about.
     *
     * @return empty if there is none
     */
    public String contSign() {
        return metadata().getOrDefault("cont_sign", "");
    }

    /**
     * Returns the stored images for which an image was not added.
     *
     * @return the best match first
     */
    public List<Match> matches() {
        return details.matches();
    }

    /**
     * Returns the time to wait before a retry.
     *
     * @return empty where a retry does not help or no time is known
     */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(details.retryAfter());
    }

    /**
     * Returns whether the same request can succeed later.
     *
     * @return true for a temporary condition or a broken connection; false when the caller ended the call, by an
     *     interrupt, by its Context, or by closing the run or the client
     */
    public boolean isTransient() {
        if (isLasting) {
            return false;
        }
        if (code == Status.Code.INTERNAL) {
            // Without a reason it is not the gateway's: a proxy or a connection that broke.
            return reason().isEmpty();
        }
        return code != null && TRANSIENT.contains(code) && !LASTING.contains(reason());
    }

    /** Returns whether a call that failed is sent again. */
    boolean isRetried(boolean isIdempotent) {
        // A gateway says how long to wait if a retry helps.
        if (!isTransient() || (!reason().isEmpty() && details.retryAfter() == null)) {
            return false;
        }
        if (code == Status.Code.RESOURCE_EXHAUSTED) {
            // Without a reason no gateway has sent it: gRPC itself makes one of a response above its limit.
            return isIdempotent || !reason().isEmpty();
        }
        return code == Status.Code.UNAVAILABLE && isIdempotent;
    }

    private static String text(Status.Code code, String description, ErrorDetails details) {
        String name = details.reason().isEmpty() && code != null ? code.name() : details.reason();
        return description + (name.isEmpty() ? "" : " [" + name + "]");
    }
}
