/**
 * A client of samegate: finds the images of a library that are wholly or partly the same as another
 * image.
 *
 * <p>{@link com.samegate.client.SamegateClient} has a method for each call of the contract. Responses are
 * the messages of the contract, in {@code com.samegate.v1}.
 */
package com.samegate.client;
