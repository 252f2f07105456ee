package com.samegate.client;

import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.MethodDescriptor;
import java.util.List;
import java.util.Map;

/** gRPC's settings of the service: retries, load balancing and health checks. */
final class ServiceConfig {
    /** UNAVAILABLE may come after the gateway has done its work: only these are called again then. */
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

    private static final List<MethodDescriptor<?, ?>> NOT_IDEMPOTENT =
            List.of(SameImageServiceGrpc.getAddImageMethod(), SameImageServiceGrpc.getDeleteImagesMethod());

    /** Calls go to all replicas of a name that are healthy, one after the other. */
    static final Map<String, ?> VALUE =
            Map.of(
                    "loadBalancingConfig",
                    List.of(Map.of("round_robin", Map.of())),
                    "healthCheckConfig",
                    Map.of("serviceName", SameImageServiceGrpc.SERVICE_NAME),
                    "methodConfig",
                    List.of(
                            retries(IDEMPOTENT, List.of("UNAVAILABLE", "RESOURCE_EXHAUSTED")),
                            retries(NOT_IDEMPOTENT, List.of("RESOURCE_EXHAUSTED"))));

    private ServiceConfig() {}

    /** gRPC waits as long as the gateway asks for, with `grpc-retry-pushback-ms`. */
    private static Map<String, ?> retries(List<MethodDescriptor<?, ?>> methods, List<String> codes) {
        return Map.of(
                "name",
                methods.stream()
                        .map(each -> Map.of("service", each.getServiceName(), "method", each.getBareMethodName()))
                        .toList(),
                "retryPolicy",
                Map.of(
                        "maxAttempts", 4.0,
                        "initialBackoff", "0.2s",
                        "maxBackoff", "5s",
                        "backoffMultiplier", 2.0,
                        "retryableStatusCodes", codes));
    }
}
