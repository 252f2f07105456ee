package com.samegate.client;

import static com.samegate.client.CallsTest.bytes;
import static com.samegate.client.CallsTest.rejected;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.samegate.v1.AddImageRequest;
import com.samegate.v1.AddImageResponse;
import com.samegate.v1.SameImageServiceGrpc;
import com.samegate.v1.SearchImagesRequest;
import com.samegate.v1.SearchImagesResponse;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Retries, deadlines and the life of connections. */
class ConnectionsTest {
    /** A wait of an error that no retry helps: it has no RetryInfo. */
    private static final int NO_RETRY = -1;

    @Test
    void callsWaitForTheQuotaAsTheGatewaySays() throws Exception {
        try (Gateway gateway = Gateway.start("", "quota = { requests_per_second = 2, burst = 1 }");
                SamegateClient client = gateway.client()) {
            long begin = System.nanoTime();
            for (int call = 0; call < 4; call++) {
                client.info();
            }
            assertTrue(System.nanoTime() - begin > Duration.ofMillis(1400).toNanos());
        }
    }

    @Test
    void aDailyQuotaIsNotRetried() throws Exception {
        try (Gateway gateway = Gateway.start("", "quota = { requests_per_day = 1 }");
                SamegateClient client = gateway.client()) {
            client.info();
            SamegateException error = rejected(client::info);
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, error.code());
            assertFalse(error.isTransient(), error.getMessage());
        }
    }

    @Test
    void aSlowGatewayMeetsTheDeadline() throws Exception {
        try (Gateway gateway = Gateway.start();
                SamegateClient client =
                        SamegateClient.builder(gateway.address)
                                .apiKey("writer")
                                .timeout(Duration.ofSeconds(2))
                                .build()) {
            Gateway.await(client::isServing);
            gateway.signal("STOP");
            SamegateException error = rejected(client::info);
            gateway.signal("CONT");
            assertEquals(Status.Code.DEADLINE_EXCEEDED, error.code());
            assertTrue(error.isTransient());
        }
    }

    @Test
    void aGatewayThatDoesNotRespondIsNotServing() throws Exception {
        try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                SamegateClient client =
                        SamegateClient.builder("127.0.0.1:" + silent.getLocalPort())
                                .timeout(Duration.ofMillis(200))
                                .build()) {
            assertFalse(client.isServing());
        }
    }

    /** Tries of gRPC alone would take minutes. */
    @Test
    void theTimeBetweenTwoTriesToConnectIsBounded() throws Exception {
        try (ServerSocket closing = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            ManagedChannel channel =
                    Grpc.newChannelBuilder(
                                    "127.0.0.1:" + closing.getLocalPort(), InsecureChannelCredentials.create())
                            .defaultServiceConfig(ServiceConfig.VALUE)
                            .build();
            Reconnection.watch(channel, Duration.ofMillis(20));
            channel.getState(true);
            closing.setSoTimeout((int) Duration.ofSeconds(Gateway.LIMIT_S).toMillis());
            for (int tries = 0; tries < 12; tries++) {
                closing.accept().close();
            }
            channel.shutdownNow();
        }
    }

    @Test
    void aDrainingGatewayIsNotServingAndTheNextOneIsFound() throws Exception {
        try (Gateway gateway = Gateway.start();
                SamegateClient client = gateway.client()) {
            assertTrue(client.isServing());
            gateway.drain();
            assertFalse(client.isServing());
            gateway.run();
            Gateway.await(client::isServing);
            client.info();
        }
    }

    @Test
    void aGatewayThatDrainsIsCalledUntilItClosesUnlessItsHealthIsChecked() throws Exception {
        try (Gateway gateway = Gateway.start("[limits]\nlame_duck = \"60s\"", "");
                SamegateClient client = gateway.client();
                SamegateClient checking =
                        SamegateClient.builder(gateway.address).apiKey("writer").healthChecks(true).build()) {
            client.info();
            checking.info();
            gateway.signal("TERM");
            // The health service and the channel learn of it apart from each other.
            Gateway.await(() -> isUnavailable(checking));
            assertFalse(checking.isServing());
            client.info();
        }
    }

    @Test
    void connectionsThatEndByAgeLoseNoCall() throws Exception {
        try (Gateway gateway = Gateway.start("[limits]\nmax_connection_age = \"1s\"", "");
                SamegateClient client = gateway.client()) {
            long end = System.nanoTime() + Duration.ofSeconds(4).toNanos();
            List<Integer> calls =
                    inParallel(
                            4,
                            () -> {
                                int count = 0;
                                for (; System.nanoTime() < end; count++) {
                                    client.info();
                                }
                                return count;
                            });
            assertTrue(calls.stream().allMatch(count -> count > 0), calls.toString());
        }
    }

    @Test
    void largeImagesAreSentAgainAlsoManyAtOnce() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 300);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            ImageSource image = Pictures.ofLength(10 << 20, 1);
            long begin = System.nanoTime();
            inParallel(6, () -> client.search(image));
            inParallel(6, () -> client.add(image));
            assertEquals(12, service.searches.get());
            assertEquals(12, service.additions.get());
            assertTrue(System.nanoTime() - begin > Duration.ofMillis(600).toNanos());
        }
    }

    @Test
    void anErrorWithoutAWaitIsNotRetried() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, NO_RETRY);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, rejected(() -> client.add(bytes(1))).code());
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, rejected(() -> client.search(bytes(1))).code());
            assertEquals(1, service.additions.get());
            assertEquals(1, service.searches.get());
        }
    }

    @Test
    void afterUnavailableASearchIsRetriedAndAnAdditionIsNot() throws Exception {
        Rejecting service = new Rejecting(Status.UNAVAILABLE, 1);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            assertEquals(Status.Code.UNAVAILABLE, rejected(() -> client.add(bytes(1))).code());
            assertEquals(Status.Code.UNAVAILABLE, rejected(() -> client.search(bytes(1))).code());
            assertEquals(1, service.additions.get());
            assertEquals(4, service.searches.get());
        }
    }

    @Test
    void aWaitThatIsLongerThanTheDeadlineIsNotBegun() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 60_000);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            long begin = System.nanoTime();
            for (Executable call : List.<Executable>of(() -> client.add(bytes(1)), () -> client.search(bytes(1)))) {
                SamegateException error = rejected(call);
                assertEquals("OVERLOADED", error.reason());
                assertEquals(Optional.of(Duration.ofMinutes(1)), error.retryAfter());
            }
            assertTrue(System.nanoTime() - begin < Duration.ofSeconds(30).toNanos());
        }
    }

    @Test
    void anInterruptAndACancelledContextEndTheWaitForARetry() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 20_000);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            Thread caller = Thread.currentThread();
            Context.CancellableContext context = Context.current().withCancellation();
            List<Runnable> ends = List.of(caller::interrupt, () -> context.cancel(null));
            for (Runnable end : ends) {
                int before = service.additions.get();
                Thread ending =
                        new Thread(
                                () -> {
                                    // The call itself has ended: the caller waits in this package.
                                    Gateway.await(
                                            () ->
                                                    service.additions.get() > before
                                                            && Arrays.toString(caller.getStackTrace())
                                                                    .contains("Pause.nanos"));
                                    end.run();
                                });
                ending.start();
                SamegateException error = context.call(() -> rejected(() -> client.add(bytes(1))));
                Thread.interrupted();
                ending.join();
                assertEquals(Status.Code.CANCELLED, error.code());
                assertFalse(error.isTransient());
                assertEquals(before + 1, service.additions.get());
            }
        }
    }

    @Test
    void aClientThatClosesEndsTheWaitForARetry() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 20_000);
        try (Service server = new Service(service)) {
            SamegateClient client = server.client();
            Thread caller = Thread.currentThread();
            Thread ending =
                    new Thread(
                            () -> {
                                Gateway.await(
                                        () -> Arrays.toString(caller.getStackTrace()).contains("Pause.nanos"));
                                client.close();
                            });
            ending.start();
            long begin = System.nanoTime();
            SamegateException error = rejected(() -> client.search(bytes(1)));
            ending.join();
            assertEquals(Status.Code.CANCELLED, error.code());
            assertFalse(error.isTransient());
            assertEquals(1, service.searches.get());
            assertTrue(System.nanoTime() - begin < Duration.ofSeconds(20).toNanos());
        }
    }

    @Test
    void aWaitThatIsLongerThanTheDeadlineOfTheContextIsNotBegun() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 20_000);
        ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
        try (Service server = new Service(service);
                SamegateClient client = server.client();
                Context.CancellableContext context =
                        Context.current().withDeadlineAfter(15, TimeUnit.SECONDS, timer)) {
            SamegateException error = context.call(() -> rejected(() -> client.search(bytes(1))));
            assertEquals("OVERLOADED", error.reason());
            assertEquals(Optional.of(Duration.ofSeconds(20)), error.retryAfter());
            assertEquals(1, service.searches.get());
        } finally {
            timer.shutdownNow();
        }
    }

    @Test
    void aRetryThatMeetsTheDeadlineReportsTheRejectionBeforeIt() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 1);
        service.next = Status.DEADLINE_EXCEEDED.asRuntimeException();
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            assertEquals("OVERLOADED", rejected(() -> client.search(bytes(1))).reason());
            // The last attempt of an addition may have been carried out.
            assertEquals(Status.Code.DEADLINE_EXCEEDED, rejected(() -> client.add(bytes(1))).code());
            assertEquals(2, service.searches.get());
            assertEquals(2, service.additions.get());
        }
    }

    @Test
    void whatNoGatewayHasRejectedIsRetriedOnlyIfItIsIdempotent() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED.asRuntimeException());
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            rejected(() -> client.search(bytes(1)));
            rejected(() -> client.add(bytes(1)));
            assertEquals(4, service.searches.get());
            assertEquals(1, service.additions.get());
        }
    }

    @Test
    void aWaitOfZeroMeansThatARetryHelpsAndANegativePushbackThatNoneDoes() throws Exception {
        Rejecting service = new Rejecting(Status.RESOURCE_EXHAUSTED, 0);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            assertTrue(rejected(() -> client.add(bytes(1))).isTransient());
            assertEquals(4, service.additions.get());
            Metadata.Key<String> pushback =
                    Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);
            service.error.getTrailers().put(pushback, "-1");
            assertFalse(rejected(() -> client.search(bytes(1))).isTransient());
            assertEquals(1, service.searches.get());
        }
    }

    private static boolean isUnavailable(SamegateClient client) {
        try {
            client.info();
            return false;
        } catch (SamegateException error) {
            return error.code() == Status.Code.UNAVAILABLE;
        }
    }

    private static <T> List<T> inParallel(int count, Callable<T> work) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(count);
        try {
            List<T> results = new ArrayList<>();
            for (Future<T> each : threads.invokeAll(Collections.nCopies(count, work))) {
                results.add(each.get());
            }
            return results;
        } finally {
            threads.shutdownNow();
        }
    }

    /** Rejects the first six additions, when it has read them, and the first six searches. */
    private static final class Rejecting extends SameImageServiceGrpc.SameImageServiceImplBase {
        final AtomicInteger additions = new AtomicInteger();
        final AtomicInteger searches = new AtomicInteger();
        final StatusRuntimeException error;

        /** What every second call fails with, unless it is null. */
        StatusRuntimeException next;

        /** As the gateway does: with a wait if a retry helps. */
        Rejecting(Status status, int waitMs) {
            this(ofGateway(status, waitMs));
        }

        Rejecting(StatusRuntimeException error) {
            this.error = error;
        }

        private static StatusRuntimeException ofGateway(Status status, int waitMs) {
            com.google.rpc.Status.Builder details =
                    com.google.rpc.Status.newBuilder()
                            .setCode(status.getCode().value())
                            .addDetails(Any.pack(ErrorInfo.newBuilder().setReason("OVERLOADED").build()));
            if (waitMs != NO_RETRY) {
                RetryInfo.Builder retry = RetryInfo.newBuilder();
                retry.getRetryDelayBuilder().setSeconds(waitMs / 1000).setNanos(waitMs % 1000 * 1_000_000);
                details.addDetails(Any.pack(retry.build()));
            }
            return StatusProto.toStatusRuntimeException(details.build());
        }

        @Override
        public void addImage(AddImageRequest request, StreamObserver<AddImageResponse> response) {
            respond(additions, response, AddImageResponse.getDefaultInstance());
        }

        @Override
        public void searchImages(SearchImagesRequest request, StreamObserver<SearchImagesResponse> response) {
            respond(searches, response, SearchImagesResponse.getDefaultInstance());
        }

        private <T> void respond(AtomicInteger calls, StreamObserver<T> response, T message) {
            int call = calls.incrementAndGet();
            if (call <= 6) {
                response.onError(next == null || call % 2 == 1 ? error : next);
                return;
            }
            response.onNext(message);
            response.onCompleted();
        }
    }
}
