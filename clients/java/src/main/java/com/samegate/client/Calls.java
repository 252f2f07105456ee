package com.samegate.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** The unary calls of a client: their deadlines and retries. */
final class Calls implements AutoCloseable {
    /** Times that a call is sent. */
    private static final int MAX_ATTEMPTS = 4;

    /**
     * Methods that are sent again also after UNAVAILABLE, which may come after the gateway has done its work.
     * RESOURCE_EXHAUSTED of a gateway never does, so every method is sent again after it.
     */
    private static final Set<String> IDEMPOTENT =
            Set.of(
                    "SearchImages",
                    "UpdateImage",
                    "GetLibrary",
                    "ListImages",
                    "GetImage",
                    "ListTags",
                    "ListLibraries",
                    "CompareImages",
                    "GetState");

    private final ManagedChannel connection;
    private final Channel channel;
    private final Duration timeout;

    /** Waits for a retry, which a permit ends. */
    private final Set<Semaphore> waits = ConcurrentHashMap.newKeySet();

    /** The channel is the connection with the key of the client. */
    Calls(ManagedChannel connection, Channel channel, Duration timeout) {
        this.connection = connection;
        this.channel = channel;
        this.timeout = timeout;
    }

    /** Closes the connection, and ends the waits. */
    @Override
    public void close() {
        connection.shutdownNow();
        waits.forEach(Semaphore::release);
    }

    /**
     * Calls a method, and again where a retry helps, as long as the timeout and the Context allow. A retry policy of
     * gRPC would begin a wait that ends after the deadline, and its DEADLINE_EXCEEDED would hide why the gateway has
     * rejected the call; it also follows a pushback whatever the code is.
     */
    <Q, P> P call(MethodDescriptor<Q, P> method, Q request) {
        Deadline deadline = deadline();
        CallOptions options = CallOptions.DEFAULT.withDeadline(deadline);
        boolean isIdempotent = IDEMPOTENT.contains(method.getBareMethodName());
        SamegateException rejected = null;
        for (int attempt = 1; ; attempt++) {
            try {
                return ClientCalls.blockingUnaryCall(channel, method, options, request);
            } catch (StatusRuntimeException thrown) {
                SamegateException error = SamegateException.of(thrown);
                if (rejected != null && isIdempotent && error.code() == Status.Code.DEADLINE_EXCEEDED) {
                    // Too little time was left for a retry. Of other methods the caller has to know that this
                    // attempt may have been carried out.
                    throw rejected;
                }
                long wait = Backoff.ofCall(attempt, error);
                if (attempt == MAX_ATTEMPTS
                        || !error.isRetried(isIdempotent)
                        || wait >= deadline.timeRemaining(TimeUnit.NANOSECONDS)) {
                    throw error;
                }
                rejected = error;
                pause(wait);
            }
        }
    }

    /** Waits before a retry; throws when the caller ends the wait. */
    private void pause(long nanos) {
        Semaphore end = new Semaphore(0);
        waits.add(end);
        try {
            // A client that is closed from here on ends the wait.
            if (!connection.isShutdown()) {
                Pause.nanos(nanos, end);
            }
        } finally {
            waits.remove(end);
        }
        if (connection.isShutdown()) {
            throw SamegateException.cancelled("the client was closed while a call waited for a retry", null);
        }
    }

    /** Returns the sooner one of the timeout and the deadline of the Context. */
    private Deadline deadline() {
        Deadline own = Deadline.after(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
        Deadline callers = Context.current().getDeadline();
        return callers == null ? own : own.minimum(callers);
    }
}
