package com.samegate.client;

import com.samegate.v1.SameImageServiceGrpc;
import java.util.List;
import java.util.Map;

/** gRPC's settings of the service: load balancing and health checks. The client itself retries. */
final class ServiceConfig {
    /** Calls go to all addresses of a name, one after the other. */
    static final Map<String, ?> VALUE = Map.of("loadBalancingConfig", List.of(Map.of("round_robin", Map.of())));

    /** Calls go to those whose gateway is serving. */
    static final Map<String, ?> HEALTH_CHECKED =
            Map.of(
                    "loadBalancingConfig",
                    VALUE.get("loadBalancingConfig"),
                    "healthCheckConfig",
                    Map.of("serviceName", SameImageServiceGrpc.SERVICE_NAME));

    private ServiceConfig() {}
}
