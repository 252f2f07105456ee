package com.samegate.client;

/**
 * What became of one item of a bulk load or a bulk search.
 *
 * @param <T> type of the items
 * @param <R> type of the results, a message of the contract
 * @param item the item as it was passed
 * @param result what the gateway says of it; null if it was not sent
 * @param error null if the item succeeded
 */
public record Outcome<T, R>(T item, R result, SamegateException error) {}
