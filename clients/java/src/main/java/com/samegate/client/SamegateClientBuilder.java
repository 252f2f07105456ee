package com.samegate.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Settings of a {@link SamegateClient}. */
public final class SamegateClientBuilder {
    private static final Duration KEEPALIVE = Duration.ofMinutes(1);

    /**
     * Bytes of a request that gRPC sends again by itself when no gateway has read it, such as one over a connection
     * that closes: by default 1 MiB, less than many photos.
     */
    private static final long RETRY_BUFFER_BYTES = 64L << 20;

    /**
     * The same of all calls together: by default 16 MiB. These are no copies of requests, so the limit costs
     * no memory.
     */
    private static final long RETRY_BUFFERS_BYTES = 1L << 30;

    private final String target;
    private Supplier<String> apiKey = () -> "";
    private String library = "";
    private Duration timeout = Duration.ofSeconds(30);
    private ChannelCredentials credentials = InsecureChannelCredentials.create();
    private boolean healthChecks;
    private Consumer<ManagedChannelBuilder<?>> channel = made -> {};

    SamegateClientBuilder(String target) {
        this.target = target;
    }

    /**
     * Sets the key or token of every call. Default: none.
     *
     * @param key a key or a JWT; null or empty for none
     * @return this
     */
    public SamegateClientBuilder apiKey(String key) {
        return apiKey(() -> key);
    }

    /**
     * Sets a function that returns the present key; it is called for every call, on the caller's thread.
     *
     * @param key the function
     * @return this
     */
    public SamegateClientBuilder apiKey(Supplier<String> key) {
        apiKey = Objects.requireNonNull(key, "key");
        return this;
    }

    /**
     * Sets the library of every call. Default: the tenant's first one.
     *
     * @param name the name of the library
     * @return this
     */
    public SamegateClientBuilder library(String name) {
        library = Objects.requireNonNull(name, "name");
        return this;
    }

    /**
     * Sets the deadline of each call with its retries. Streams have none. Default: 30 s.
     *
     * @param limit more than zero
     * @return this
     */
    public SamegateClientBuilder timeout(Duration limit) {
        if (limit.isNegative() || limit.isZero()) {
            throw new IllegalArgumentException("the timeout must be more than zero, not " + limit);
        }
        timeout = limit;
        return this;
    }

    /**
     * Sets how the gateway and the client identify each other. Default: without TLS, so that the key travels in
     * plain text.
     *
     * @param tls such as {@code TlsChannelCredentials.create()}, with the authorities of the JVM
     * @return this
     */
    public SamegateClientBuilder credentials(ChannelCredentials tls) {
        credentials = Objects.requireNonNull(tls, "tls");
        return this;
    }

    /**
     * Sets whether an address whose gateway is not serving gets no call. Not for a proxy, where the health of one
     * gateway would count for all. Default: false.
     *
     * @param isOn whether each connection watches the health of its gateway
     * @return this
     */
    public SamegateClientBuilder healthChecks(boolean isOn) {
        healthChecks = isOn;
        return this;
    }

    /**
     * Sets further options of the channel, after those of this package.
     *
     * @param options sets them
     * @return this
     */
    public SamegateClientBuilder channel(Consumer<ManagedChannelBuilder<?>> options) {
        channel = Objects.requireNonNull(options, "options");
        return this;
    }

    /**
     * Makes the client. It connects with its first call.
     *
     * @return the client
     */
    public SamegateClient build() {
        ManagedChannelBuilder<?> made = Grpc.newChannelBuilder(target, credentials);
        made.defaultServiceConfig(healthChecks ? ServiceConfig.HEALTH_CHECKED : ServiceConfig.VALUE)
                .keepAliveTime(KEEPALIVE.toSeconds(), TimeUnit.SECONDS)
                .perRpcBufferLimit(RETRY_BUFFER_BYTES)
                .retryBufferSize(RETRY_BUFFERS_BYTES);
        channel.accept(made);
        ManagedChannel connection = made.build();
        Reconnection.watch(connection, Reconnection.LIMIT);
        return new SamegateClient(connection, apiKey, library, timeout);
    }
}
