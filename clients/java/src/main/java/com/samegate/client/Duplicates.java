package com.samegate.client;

import com.samegate.v1.DuplicateGroup;
import com.samegate.v1.FindDuplicatesProgress;
import com.samegate.v1.FindDuplicatesRequest;
import com.samegate.v1.FindDuplicatesResponse;
import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.Semaphore;

/**
 * The groups of same images in a library; goes on from its cursor after an interruption.
 *
 * <p>Groups that share an image are one group: a large library sends a group in several parts. Groups after the
 * cursor come again after an interruption, and the progress counts anew. Each iteration goes on from the cursor,
 * and ends the one before. For one thread at a time; close it, best in a {@code try} statement: an iteration that
 * is left in the middle keeps a stream.
 * The iterator throws {@link SamegateException}.
 */
public final class Duplicates implements Iterable<DuplicateGroup>, AutoCloseable {
    private final Channel channel;
    private final FindDuplicatesRequest.Builder request;
    private final Semaphore end = new Semaphore(0);
    private volatile boolean isClosed;
    private volatile ClientCall<FindDuplicatesRequest, FindDuplicatesResponse> call;
    private Groups current;
    private long compared;
    private long total;

    Duplicates(Channel channel, FindDuplicatesRequest.Builder request) {
        this.channel = channel;
        this.request = request;
    }

    /**
     * Returns the position up to which all groups were returned, also for a later run.
     *
     * @return empty before the first position is known
     */
    public String cursor() {
        return request.getCursor();
    }

    /**
     * Returns how many images were compared with all others.
     *
     * @return as the gateway last said
     */
    public long compared() {
        return compared;
    }

    /**
     * Returns how many images are to be compared.
     *
     * @return as the gateway last said
     */
    public long total() {
        return total;
    }

    /** Ends the iteration, which throws SamegateException with the code CANCELLED if it runs. */
    @Override
    public void close() {
        isClosed = true;
        cancel();
        end.release();
    }

    @Override
    public Iterator<DuplicateGroup> iterator() {
        cancel(); // The gateway allows one join.
        current = new Groups();
        return current;
    }

    private void cancel() {
        ClientCall<?, ?> open = call;
        if (open != null) {
            open.cancel("the iteration has ended", null);
        }
    }

    private void progressed(FindDuplicatesProgress progress) {
        compared = progress.getCompared();
        total = progress.getTotal();
        if (!progress.getCursor().isEmpty()) {
            request.setCursor(progress.getCursor());
        }
    }

    private final class Groups implements Iterator<DuplicateGroup> {
        private Iterator<FindDuplicatesResponse> responses;
        private String before;
        private int failures;
        private DuplicateGroup next;
        private boolean isOver;

        @Override
        public boolean hasNext() {
            if (next == null && !isOver) {
                if (current != this) {
                    throw new IllegalStateException("another iteration has begun");
                }
                isOver = true; // Unless a group comes, also after an exception.
                try {
                    next = advance();
                    isOver = next == null;
                } finally {
                    if (isOver) {
                        cancel();
                    }
                }
            }
            return next != null;
        }

        @Override
        public DuplicateGroup next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            DuplicateGroup group = next;
            next = null;
            return group;
        }

        /** Returns the next group; null at the end. */
        private DuplicateGroup advance() {
            while (true) {
                if (responses == null) {
                    open();
                }
                try {
                    while (responses.hasNext()) {
                        FindDuplicatesResponse response = responses.next();
                        if (response.hasGroup()) {
                            return response.getGroup();
                        }
                        progressed(response.getProgress());
                    }
                    return null;
                } catch (StatusRuntimeException error) {
                    responses = null;
                    recover(SamegateException.of(error));
                }
            }
        }

        private void open() {
            before = cursor();
            call = channel.newCall(SameImageServiceGrpc.getFindDuplicatesMethod(), CallOptions.DEFAULT);
            checkOpen(null); // `close` may not have seen the call.
            try {
                responses = ClientCalls.blockingServerStreamingCall(call, request.build());
            } catch (IllegalStateException error) { // `close` has cancelled the call.
                checkOpen(error);
                throw error;
            }
        }

        private void checkOpen(Throwable cause) {
            if (isClosed) {
                throw SamegateException.cancelled("the iteration is closed", cause);
            }
        }

        /** Waits until another stream is worth a try; throws if none is. */
        private void recover(SamegateException error) {
            checkOpen(error);
            failures = cursor().equals(before) ? failures + 1 : 1;
            if (failures >= Backoff.STREAM_ATTEMPTS || !error.isTransient()) {
                throw error;
            }
            Pause.nanos(Backoff.nanos(failures, error), end);
            checkOpen(error);
        }
    }
}
