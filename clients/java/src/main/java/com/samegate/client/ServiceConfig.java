package com.samegate.client;

import com.samegate.v1.SameImageServiceGrpc;
import java.util.List;
import java.util.Map;

/** gRPC's settings of the service: load balancing and health checks. The client itself retries. */
final class ServiceConfig {
    /** Calls go to all replicas of a name that are healthy, one after the other. */
    static final Map<String, ?> VALUE =
            Map.of(
                    "loadBalancingConfig",
                    List.of(Map.of("round_robin", Map.of())),
                    "healthCheckConfig",
                    Map.of("serviceName", SameImageServiceGrpc.SERVICE_NAME));

    private ServiceConfig() {}
}
