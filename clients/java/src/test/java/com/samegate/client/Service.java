package com.samegate.client;

import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.BindableService;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.protobuf.services.HealthStatusManager;

/** A server in this process, for what a gateway cannot be made to do. */
final class Service implements AutoCloseable {
    private final Server server;

    Service(BindableService service) throws Exception {
        HealthStatusManager health = new HealthStatusManager();
        health.setStatus(
                SameImageServiceGrpc.SERVICE_NAME, HealthCheckResponse.ServingStatus.SERVING);
        server =
                Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
                        .addService(service)
                        .addService(health.getHealthService())
                        .maxInboundMessageSize(16 << 20)
                        .build()
                        .start();
    }

    SamegateClient client() {
        return SamegateClient.builder("127.0.0.1:" + server.getPort()).build();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }
}
