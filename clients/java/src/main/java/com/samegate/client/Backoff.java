package com.samegate.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** When calls, streams and items are sent again. */
final class Backoff {
    /** Consecutive streams without a result after which a run fails: 53 to 105 s of waiting. */
    static final int STREAM_ATTEMPTS = 12;

    private static final Duration INITIAL = Duration.ofMillis(500);
    private static final Duration INITIAL_OF_CALL = Duration.ofMillis(200);
    private static final Duration MAX = Duration.ofSeconds(15);

    private Backoff() {}

    /** Returns the exponential backoff with jitter after some failures in a row, in nanoseconds. */
    static long nanos(int failures) {
        return nanos(INITIAL, failures);
    }

    /** As above, but at least what the gateway asks for. */
    static long nanos(int failures, SamegateException error) {
        return Math.max(asked(error), nanos(failures));
    }

    /** Returns the backoff of a call, but at least what the gateway asks for. */
    static long ofCall(int failures, SamegateException error) {
        return Math.max(asked(error), nanos(INITIAL_OF_CALL, failures));
    }

    private static long asked(SamegateException error) {
        return error == null ? 0 : TimeUnit.NANOSECONDS.convert(error.retryAfter().orElse(Duration.ZERO));
    }

    private static long nanos(Duration initial, int failures) {
        double longest = Math.min(initial.toNanos() * Math.pow(2, failures - 1), MAX.toNanos());
        return (long) (longest * ThreadLocalRandom.current().nextDouble(0.5, 1));
    }
}
