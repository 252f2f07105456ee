package com.samegate.client;

import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.MethodDescriptor;
import java.util.List;
import java.util.Map;

/** gRPC's settings of the service: retries, load balancing and health checks. */
final class ServiceConfig {
    /** Times that a call is sent. */
    static final int MAX_ATTEMPTS = 4;

    /**
     * gRPC follows a pushback whatever the code is, also after UNAVAILABLE, which may come when the gateway has
     * done its work. So it retries these methods only; the client itself retries additions and deletions.
     */
    private static final List<MethodDescriptor<?, ?>> IDEMPOTENT =
            List.of(
                    SameImageServiceGrpc.getSearchImagesMethod(),
                    SameImageServiceGrpc.getUpdateImageMethod(),
                    SameImageServiceGrpc.getGetLibraryMethod(),
                    SameImageServiceGrpc.getListImagesMethod(),
                    SameImageServiceGrpc.getGetImageMethod(),
                    SameImageServiceGrpc.getListTagsMethod(),
                    SameImageServiceGrpc.getListLibrariesMethod(),
                    SameImageServiceGrpc.getCompareImagesMethod(),
                    SameImageServiceGrpc.getGetStateMethod());

    private static final Map<String, ?> RETRIES =
            Map.of(
                    "maxAttempts", (double) MAX_ATTEMPTS,
                    "initialBackoff", "0.2s",
                    "maxBackoff", "5s",
                    "backoffMultiplier", 2.0,
                    "retryableStatusCodes", List.of("UNAVAILABLE", "RESOURCE_EXHAUSTED"));

    /** Calls go to all replicas of a name that are healthy, one after the other. */
    static final Map<String, ?> VALUE =
            Map.of(
                    "loadBalancingConfig",
                    List.of(Map.of("round_robin", Map.of())),
                    "healthCheckConfig",
                    Map.of("serviceName", SameImageServiceGrpc.SERVICE_NAME),
                    "methodConfig",
                    List.of(Map.of("name", names(), "retryPolicy", RETRIES)));

    private ServiceConfig() {}

    private static List<Map<String, String>> names() {
        return IDEMPOTENT.stream()
                .map(each -> Map.of("service", each.getServiceName(), "method", each.getBareMethodName()))
                .toList();
    }
}
