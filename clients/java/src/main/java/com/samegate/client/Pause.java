package com.samegate.client;

import io.grpc.Context;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** A wait before a retry, which the caller can end. */
final class Pause {
    private Pause() {}

    /** Waits, at most until there is a permit; throws when the thread or its Context is cancelled. */
    static void nanos(long nanos, Semaphore end) {
        Context context = Context.current();
        Context.CancellationListener listener = ended -> end.release();
        context.addListener(listener, Runnable::run);
        try {
            end.tryAcquire(nanos, TimeUnit.NANOSECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw SamegateException.interrupted(error);
        } finally {
            context.removeListener(listener);
        }
        checkContext();
    }

    /** Throws when the Context of the thread is cancelled: in a service, that of the call that is being served. */
    static void checkContext() {
        Context context = Context.current();
        if (context.isCancelled()) {
            throw SamegateException.cancelled("the Context was cancelled", context.cancellationCause());
        }
    }
}
