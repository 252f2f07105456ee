package com.samegate.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.util.function.Supplier;

/** Sends the present key with each call and stream; rejects those of a closed client. */
final class Authorization implements ClientInterceptor {
    private static final Metadata.Key<String> HEADER =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final ManagedChannel connection;
    private final Supplier<String> apiKey;

    Authorization(ManagedChannel connection, Supplier<String> apiKey) {
        this.connection = connection;
        this.apiKey = apiKey;
    }

    @Override
    public <Q, P> ClientCall<Q, P> interceptCall(
            MethodDescriptor<Q, P> method, CallOptions options, Channel next) {
        if (connection.isShutdown()) {
            throw new IllegalStateException("the client is closed");
        }
        String key = apiKey.get();
        if (key == null || key.isEmpty()) {
            return next.newCall(method, options);
        }
        // gRPC would leave the header out, and write it to the log.
        if (!key.chars().allMatch(each -> each >= 0x20 && each < 0x7f)) {
            throw new IllegalArgumentException("the API key has characters that a header may not have");
        }
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
            @Override
            public void start(Listener<P> listener, Metadata headers) {
                headers.put(HEADER, "Bearer " + key);
                super.start(listener, headers);
            }
        };
    }
}
