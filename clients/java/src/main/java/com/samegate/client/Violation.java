package com.samegate.client;

/**
 * An invalid field of a request.
 *
 * @param field its name in the contract
 * @param description what is wrong with it, as a text for people
 */
public record Violation(String field, String description) {}
