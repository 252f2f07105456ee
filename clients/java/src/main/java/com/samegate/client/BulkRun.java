package com.samegate.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * One bulk load or bulk search over as many streams as it needs: bounded, and resumed after a broken
 * connection.
 *
 * <p>An item without a result is sent again over the next stream, after a drain, a broken connection or a
 * transient failure of the item. So the items of additions must be safe to repeat: the client lets the
 * gateway accept the same bytes again.
 *
 * <p>The thread that iterates does all the work, so that its state needs no lock: it sends, and handles the
 * events that the feeder and gRPC's threads add to a queue. The queue is bounded, because each item in the
 * window has one event of each kind.
 */
final class BulkRun<T, Q, P, R> implements Outcomes<T, R>, Iterator<Outcome<T, R>>, Feeder.Sink<T> {
    /** Times that an item is sent if it fails for a transient reason. */
    private static final int ITEM_ATTEMPTS = 3;

    private final Channel channel;
    private final BulkMethod<T, Q, P, R> method;
    private final Q options;
    private final int window;
    private final Feeder<T> feeder;

    /** Each changes the state, and returns the outcome of an item if there is one. */
    private final BlockingQueue<Supplier<Outcome<T, R>>> events = new LinkedBlockingQueue<>();

    private final Map<String, Pending> pending = new LinkedHashMap<>();
    private final Deque<String> toSend = new ArrayDeque<>();
    private final Queue<Delayed> delayed = new PriorityQueue<>();
    private final Context.CancellationListener wake = ended -> events.add(() -> null);
    private long openAt = System.nanoTime();
    private int failures;
    private boolean isExhausted;
    private Throwable sourceError;
    private Outcome<T, R> next;
    private boolean isStarted;
    private boolean isOver;
    // These two are for `close`, which may come from another thread.
    private volatile Stream stream;
    private volatile boolean isClosed;

    BulkRun(
            Channel channel, BulkMethod<T, Q, P, R> method, Q options, Iterable<? extends T> items, int window) {
        this.channel = channel;
        this.method = method;
        this.options = options;
        this.window = window;
        this.feeder = new Feeder<>(items, window, this);
    }

    @Override
    public Iterator<Outcome<T, R>> iterator() {
        if (isStarted || isClosed) {
            throw new IllegalStateException("the run was started or closed before");
        }
        isStarted = true;
        feeder.start();
        return this;
    }

    @Override
    public void close() {
        isClosed = true;
        feeder.stop();
        Stream open = stream;
        if (open != null) {
            open.call.cancel("the caller closed the run", null);
        }
        events.add(() -> null);
    }

    @Override
    public boolean hasNext() {
        if (next == null && !isOver) {
            try {
                next = advance();
                isOver = next == null;
            } catch (RuntimeException | Error error) {
                isOver = true;
                // A call that another thread has cancelled rejects messages.
                if (isClosed && error instanceof IllegalStateException) {
                    throw cancelled(error);
                }
                throw error;
            } finally {
                if (isOver) {
                    close();
                }
            }
        }
        return next != null;
    }

    @Override
    public Outcome<T, R> next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        Outcome<T, R> outcome = next;
        next = null;
        return outcome;
    }

    @Override
    public void take(String key, T item) {
        Q message;
        try {
            message = method.request().apply(key, item);
        } catch (RuntimeException error) { // Of an item that is none: it must not end the run.
            SamegateException failure =
                    error instanceof SamegateException known
                            ? known
                            : SamegateException.local("INVALID_ITEM", String.valueOf(error.getMessage()), error);
            events.add(() -> outcome(item, null, failure));
            return;
        }
        events.add(
                () -> {
                    pending.put(key, new Pending(item, message));
                    toSend.add(key);
                    return null;
                });
    }

    @Override
    public void end(Throwable error) {
        events.add(
                () -> {
                    isExhausted = true;
                    sourceError = error;
                    return null;
                });
    }

    /** Returns the next outcome; null at the end. */
    private Outcome<T, R> advance() {
        while (!isClosed) {
            Pause.checkContext();
            long now = System.nanoTime();
            Stream open = stream;
            if (open != null) {
                open.send(now);
            } else if (!pending.isEmpty() && now - openAt >= 0) {
                open();
            } else if (pending.isEmpty() && isExhausted) {
                throwSourceError();
                return null;
            }
            Supplier<Outcome<T, R>> event = await();
            Outcome<T, R> outcome = event == null ? null : event.get();
            if (outcome != null) {
                return outcome;
            }
        }
        throw cancelled(null);
    }

    private static SamegateException cancelled(Throwable cause) {
        return SamegateException.cancelled("the run is closed", cause);
    }

    /** Waits for the next event; returns null when the time has come to send or to open a stream. */
    private Supplier<Outcome<T, R>> await() {
        boolean isTimed = stream == null ? !pending.isEmpty() : stream.hasDelayed();
        Context context = Context.current();
        context.addListener(wake, Runnable::run);
        try {
            if (!isTimed) {
                return events.take();
            }
            long until = stream == null ? openAt : delayed.element().due;
            return events.poll(Math.max(until - System.nanoTime(), 0), TimeUnit.NANOSECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw SamegateException.interrupted(error);
        } finally {
            context.removeListener(wake);
        }
    }

    private void open() {
        Stream opened = new Stream(channel.newCall(method.descriptor(), CallOptions.DEFAULT));
        opened.call.start(opened, new Metadata());
        opened.call.request(window);
        opened.call.sendMessage(options);
        delayed.clear();
        toSend.clear();
        toSend.addAll(pending.keySet());
        stream = opened;
        opened.onReady();
    }

    private void throwSourceError() {
        if (sourceError instanceof RuntimeException error) {
            throw error;
        }
        if (sourceError instanceof Error error) {
            throw error;
        }
        if (sourceError != null) { // A checked exception, which an iterator cannot throw in Java.
            throw new IllegalStateException(sourceError);
        }
    }

    /** Makes room for another item. */
    private Outcome<T, R> outcome(T item, R result, SamegateException error) {
        feeder.release();
        return new Outcome<>(item, result, error);
    }

    /** Returns the outcome of an item; null if it is sent again. */
    private Outcome<T, R> settled(R result) {
        String key = method.key().apply(result);
        Pending item = pending.get(key);
        if (item == null) {
            return null;
        }
        SamegateException error = null;
        if (method.status().apply(result).getCode() != 0) {
            error = SamegateException.ofItem(method.status().apply(result), method.matches().apply(result));
            if (error.reason().equals("SHUTTING_DOWN")) {
                return null;
            }
            item.attempts++;
            if (error.isTransient() && item.attempts < ITEM_ATTEMPTS) {
                delayed.add(new Delayed(System.nanoTime() + Backoff.nanos(item.attempts), key));
                return null;
            }
        }
        pending.remove(key);
        return outcome(item.item, result, error);
    }

    /** Decides whether the run goes on after the end of a stream. */
    private Outcome<T, R> ended(int results, Status status, Metadata trailers) {
        stream = null;
        SamegateException error = status.isOk() ? null : SamegateException.of(status, trailers, null);
        boolean isFailure = results == 0 && (error != null || !pending.isEmpty());
        failures = isFailure ? failures + 1 : 0;
        if (isExhausted && pending.isEmpty()) {
            return null;
        }
        if (error != null && !error.isTransient()) {
            throw error;
        }
        if (failures >= Backoff.STREAM_ATTEMPTS) {
            throw error != null
                    ? error
                    : SamegateException.local("", "the gateway ended the stream without a result", null);
        }
        openAt = System.nanoTime() + (failures == 0 ? 0 : Backoff.nanos(failures, error));
        return null;
    }

    private final class Pending {
        final T item;
        final Q message;
        int attempts;

        Pending(T item, Q message) {
            this.item = item;
            this.message = message;
        }
    }

    /** An item that failed for a transient reason, and when it is sent again; the others go on. */
    private record Delayed(long due, String key) implements Comparable<Delayed> {
        @Override
        public int compareTo(Delayed other) {
            return Long.signum(due - other.due); // Differences, because `nanoTime` may overflow.
        }
    }

    /** One stream; its events are of no interest when it is not the present one. */
    private final class Stream extends ClientCall.Listener<P> {
        final ClientCall<Q, P> call;
        private int results;
        private boolean isHalfClosed;

        Stream(ClientCall<Q, P> call) {
            this.call = call;
        }

        /** Sends what may be sent now. gRPC says with `onReady` when it takes more. */
        void send(long now) {
            while (!delayed.isEmpty() && now - delayed.element().due >= 0) {
                toSend.add(delayed.remove().key);
            }
            while (!isHalfClosed && !toSend.isEmpty() && call.isReady()) {
                call.sendMessage(pending.get(toSend.remove()).message);
            }
            if (isExhausted && pending.isEmpty()) {
                halfClose();
            }
        }

        /** Returns whether an item that failed waits to be sent again over this stream. */
        boolean hasDelayed() {
            return !isHalfClosed && !delayed.isEmpty();
        }

        private void halfClose() {
            if (!isHalfClosed) {
                isHalfClosed = true;
                call.halfClose();
            }
        }

        private Outcome<T, R> received(P response) {
            call.request(1);
            if (method.isDrain().test(response)) {
                halfClose();
            }
            R result = method.result().apply(response);
            if (result == null) {
                return null;
            }
            results++;
            return settled(result);
        }

        @Override
        public void onMessage(P response) {
            add(() -> received(response));
        }

        @Override
        public void onReady() {
            add(() -> null);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            add(() -> ended(results, status, trailers));
        }

        private void add(Supplier<Outcome<T, R>> event) {
            events.add(() -> stream == this ? event.get() : null);
        }
    }
}
