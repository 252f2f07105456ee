package com.samegate.client;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * Bounds the time between two tries to connect. gRPC-Java waits up to 2 min, has no setting for it, and fails
 * calls meanwhile, also when the gateway is back.
 */
final class Reconnection {
    static final Duration LIMIT = Duration.ofSeconds(5);

    private final ManagedChannel channel;
    private final Executor later;

    private Reconnection(ManagedChannel channel, Duration limit) {
        this.channel = channel;
        later = CompletableFuture.delayedExecutor(limit.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Watches a channel until its end. */
    static void watch(ManagedChannel channel, Duration limit) {
        new Reconnection(channel, limit).watch();
    }

    private void watch() {
        ConnectivityState state = channel.getState(false);
        if (state == ConnectivityState.TRANSIENT_FAILURE) {
            later.execute(this::connect);
        } else if (state != ConnectivityState.SHUTDOWN) {
            channel.notifyWhenStateChanged(state, this::watch);
        }
    }

    private void connect() {
        if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
            channel.resetConnectBackoff();
        }
        watch();
    }
}
