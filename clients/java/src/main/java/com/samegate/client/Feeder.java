package com.samegate.client;

import java.util.Iterator;
import java.util.concurrent.Semaphore;

/**
 * Takes the items of a run from the caller's iterable, on a thread of its own: so the iterable may wait, also
 * for outcomes. It takes an item when there is room for it.
 */
final class Feeder<T> {
    /** What happens to items; called on the feeder's thread. */
    interface Sink<T> {
        void take(String key, T item);

        /** `error` is that of the iterable, or null at its normal end. */
        void end(Throwable error);
    }

    private final Iterable<? extends T> items;
    private final Semaphore room;
    private final Sink<T> sink;
    private final Thread thread = new Thread(this::feed, "samegate-feeder");
    private volatile boolean isStopped;

    Feeder(Iterable<? extends T> items, int window, Sink<T> sink) {
        this.items = items;
        this.room = new Semaphore(window);
        this.sink = sink;
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** Makes room for one more item, when another one has its outcome. */
    void release() {
        room.release();
    }

    /** Takes no further item; an iterable that waits is interrupted. */
    void stop() {
        isStopped = true;
        thread.interrupt();
    }

    private void feed() {
        Throwable failure = null;
        try {
            Iterator<? extends T> source = items.iterator();
            room.acquire();
            for (long number = 0; !isStopped && source.hasNext(); number++) {
                sink.take(Long.toString(number), source.next());
                room.acquire();
            }
        } catch (Throwable error) { // The caller's, which the run throws when all items before it are done.
            failure = error;
        }
        sink.end(failure);
    }
}
