package com.samegate.client;

import java.util.Iterator;

/**
 * The outcomes of a bulk load or a bulk search, one for each item, in the order of completion.
 *
 * <p>The run starts with {@link #iterator}, and can be iterated once, by one thread at a time. Close it, best
 * in a {@code try} statement: a run that is left in the middle keeps a stream and a thread. A run that
 * has ended, normally or by an exception, is closed already.
 *
 * <p>The iterator throws {@link SamegateException} for what ends the whole run, also with the code
 * CANCELLED when its thread is interrupted or the run is closed by another thread. It throws an exception
 * of the caller's own iterable after the outcomes of all items before it.
 *
 * @param <T> type of the items
 * @param <R> type of the results, a message of the contract
 */
public interface Outcomes<T, R> extends Iterable<Outcome<T, R>>, AutoCloseable {
    /**
     * Starts the run.
     *
     * @return its outcomes
     * @throws IllegalStateException when it was started before
     */
    @Override
    Iterator<Outcome<T, R>> iterator();

    /** Ends the run. Items in flight may be stored, and one more may have been taken from the iterable. */
    @Override
    void close();
}
