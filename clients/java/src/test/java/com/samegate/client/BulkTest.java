package com.samegate.client;

import static com.samegate.client.CallsTest.bytes;
import static com.samegate.client.CallsTest.rejected;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.samegate.v1.AddImagesItem;
import com.samegate.v1.AddImagesRequest;
import com.samegate.v1.AddImagesResponse;
import com.samegate.v1.AddImagesResult;
import com.samegate.v1.BulkSearchImagesResult;
import com.samegate.v1.Image;
import com.samegate.v1.Match;
import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Bulk loads and bulk searches, against a gateway that stops, dies and rejects. */
class BulkTest {
    private static final int LOAD = 50;

    private Gateway gateway;
    private SamegateClient client;

    @BeforeEach
    void start() throws Exception {
        gateway = Gateway.start("[limits]\nlame_duck = \"0s\"", "");
        client = gateway.client();
    }

    /** Whatever a test does, no stream and no thread is left. */
    @AfterEach
    void stop() throws Exception {
        Gateway.await(() -> gateway.admin("/metrics").contains("\nsamegate_calls_in_flight 0\n"));
        Gateway.await(
                () ->
                        Thread.getAllStackTraces().keySet().stream()
                                .noneMatch(thread -> thread.getName().equals("samegate-feeder")));
        client.close();
        gateway.close();
    }

    @Test
    void everyItemHasOneOutcome() {
        List<Item> bad =
                Arrays.asList(
                        new Item(ImageSource.bytes(new byte[] {1}), ""),
                        new Item(ImageSource.file(gateway.folder.resolve("none.jpg")), ""),
                        new Item(bytes(3), "x".repeat(257)),
                        new Item(Pictures.ofLength(9 << 20, 4), ""),
                        new Item(ImageSource.sign("1,1"), ""),
                        null);
        List<Item> items = new ArrayList<>(Pictures.list(5));
        items.addAll(bad);

        Map<Item, String> reasons = new HashMap<>();
        for (Outcome<Item, AddImagesResult> outcome : client.addAll(items)) {
            reasons.put(outcome.item(), outcome.error() == null ? "" : outcome.error().reason());
        }

        assertEquals(
                List.of(
                        "IMAGE_FORMAT",
                        "FILE_UNREADABLE",
                        "PARAMETER_TOO_LONG",
                        "MESSAGE_TOO_LARGE",
                        "INVALID_ITEM",
                        "INVALID_ITEM"),
                bad.stream().map(reasons::get).toList());
        assertEquals(11, reasons.size());
        assertEquals(5, client.info().getImageCount());
    }

    @Test
    void anErrorOfTheCallersIterableComesAfterTheOutcomes() {
        IllegalStateException mine = new IllegalStateException("mine");
        Stream<Item> failing =
                Stream.concat(Pictures.items(3), Stream.generate(() -> { throw mine; }));
        List<Outcome<Item, AddImagesResult>> outcomes = new ArrayList<>();
        Outcomes<Item, AddImagesResult> run = client.addAll(failing::iterator);
        assertSame(mine, assertThrows(IllegalStateException.class, () -> run.forEach(outcomes::add)));
        assertEquals(3, outcomes.size());
        assertEquals(3, client.info().getImageCount());
    }

    @Test
    void theIterableMayWaitForOutcomes() {
        LinkedBlockingQueue<Boolean> seen = new LinkedBlockingQueue<>();
        List<Item> items = Pictures.list(4);
        Iterator<Item> source = items.iterator();
        Iterable<Item> oneByOne =
                () ->
                        new Iterator<>() {
                            private boolean isFirst = true;

                            @Override
                            public boolean hasNext() {
                                return source.hasNext();
                            }

                            @Override
                            public Item next() {
                                try {
                                    assertTrue(isFirst || seen.poll(Gateway.LIMIT_S, TimeUnit.SECONDS));
                                } catch (InterruptedException error) {
                                    throw new AssertionError(error);
                                }
                                isFirst = false;
                                return source.next();
                            }
                        };
        List<Item> done = new ArrayList<>();
        for (Outcome<Item, AddImagesResult> outcome : client.addAll(oneByOne)) {
            done.add(outcome.item());
            seen.add(true);
        }
        assertEquals(items, done);
    }

    @Test
    void filesThatCannotBeReadAreNotKeptInMemory() {
        AtomicInteger taken = new AtomicInteger();
        Stream<Item> unreadable =
                IntStream.range(0, 500)
                        .peek(number -> taken.incrementAndGet())
                        .mapToObj(number -> new Item(ImageSource.file(gateway.folder.resolve(number + ".jpg")), ""));
        Iterator<Outcome<Item, AddImagesResult>> outcomes = client.addAll(unreadable::iterator).iterator();
        outcomes.next();
        assertTrue(taken.get() < 40, taken.toString());
        int rest = 0;
        for (; outcomes.hasNext(); outcomes.next()) {
            rest++;
        }
        assertEquals(499, rest);
    }

    @Test
    void aBulkLoadSurvivesAGatewayThatIsKilled() throws Exception {
        interruptedLoad(gateway::kill);
    }

    @Test
    void aBulkLoadSurvivesAGatewayThatDrains() throws Exception {
        interruptedLoad(gateway::drain);
    }

    @Test
    void anItemThatFailsForATransientReasonIsSentUpToThreeTimes() throws Exception {
        Overloaded service = new Overloaded();
        try (Service server = new Service(service);
                SamegateClient overloaded = server.client()) {
            Map<String, SamegateException> errors = new HashMap<>();
            overloaded.addAll(Pictures.list(3)).forEach(each -> errors.put(each.item().brief(), each.error()));
            assertNull(errors.get("n/0"));
            assertNull(errors.get("n/1"));
            assertEquals("OVERLOADED", errors.get("n/2").reason());
            assertEquals(Map.of("n/0", 1, "n/1", 2, "n/2", 3), service.attempts);
            assertEquals(1, service.streams);
        }
    }

    @Test
    void anItemThatFailsDoesNotHoldUpTheOthers() throws Exception {
        try (Service server = new Service(new Overloaded());
                SamegateClient overloaded = server.client()) {
            List<String> done = new ArrayList<>();
            overloaded
                    .addAll(Pictures.list(12), options -> options.setMaxInFlight(2))
                    .forEach(each -> done.add(each.item().brief()));
            assertEquals(12, done.size());
            // If its waits were those of all, four or five would be done before it.
            assertTrue(done.indexOf("n/2") > 6, done.toString());
        }
    }

    @Test
    void aCallerThatClosesTheRunEndsIt() {
        try (Outcomes<Item, AddImagesResult> run =
                client.addAll(Pictures.items(2000)::iterator, options -> options.setMaxInFlight(4))) {
            run.iterator().next();
        }
        assertTrue(client.info().getImageCount() < 1000);
    }

    @Test
    void anotherThreadMayCloseTheRunWhileTheIterableWaits() throws Exception {
        CountDownLatch waits = new CountDownLatch(1);
        Outcomes<Item, AddImagesResult> run = client.addAll(endless(waits)::iterator);
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread reader = new Thread(() -> thrown.set(rejected(() -> run.forEach(outcome -> {}))));
        reader.start();
        waits.await();
        run.close();
        reader.join();
        assertEquals(Status.Code.CANCELLED, ((SamegateException) thrown.get()).code());
        assertFalse(((SamegateException) thrown.get()).isTransient());
    }

    @Test
    void aCancelledContextEndsARunWhoseIterableWaits() throws Exception {
        CountDownLatch waits = new CountDownLatch(1);
        Stream<Item> none = endless(waits).skip(3);
        Context.CancellableContext context = Context.current().withCancellation();
        Thread cancelling =
                new Thread(
                        () -> {
                            Gateway.await(() -> waits.getCount() == 0);
                            context.cancel(null);
                        });
        cancelling.start();
        SamegateException error =
                context.call(() -> rejected(() -> client.addAll(none::iterator).forEach(outcome -> {})));
        cancelling.join();
        assertEquals(Status.Code.CANCELLED, error.code());
        assertFalse(error.isTransient());
    }

    @Test
    void anInterruptedThreadEndsTheRun() throws Exception {
        CountDownLatch waits = new CountDownLatch(1);
        Thread caller = Thread.currentThread();
        Thread interrupter =
                new Thread(
                        () -> {
                            Gateway.await(() -> waits.getCount() == 0);
                            caller.interrupt();
                        });
        interrupter.start();
        SamegateException error =
                rejected(() -> client.addAll(endless(waits)::iterator).forEach(outcome -> {}));
        assertTrue(Thread.interrupted());
        interrupter.join();
        assertEquals(Status.Code.CANCELLED, error.code());
        assertFalse(error.isTransient());
    }

    @Test
    void aCancelledContextEndsTheRun() {
        Context.CancellableContext context = Context.current().withCancellation();
        Outcomes<Item, AddImagesResult> run = client.addAll(Pictures.items(2000)::iterator);
        Consumer<Outcome<Item, AddImagesResult>> cancel = outcome -> context.cancel(null);
        SamegateException error = rejected(() -> context.run(() -> run.forEach(cancel)));
        assertEquals(Status.Code.CANCELLED, error.code());
        assertTrue(client.info().getImageCount() < 1000);
    }

    @Test
    void anErrorOfTheStreamEndsTheRun() {
        try (SamegateClient reader = gateway.client("reader")) {
            Outcomes<Item, AddImagesResult> run = reader.addAll(Pictures.list(3));
            Iterator<Outcome<Item, AddImagesResult>> outcomes = run.iterator();
            assertEquals("READ_ONLY_KEY", rejected(outcomes::hasNext).reason());
            assertFalse(outcomes.hasNext());
            assertThrows(IllegalStateException.class, run::iterator);
        }
    }

    @Test
    void aRunOfNoItemsOpensNoStream() {
        assertFalse(client.addAll(List.of()).iterator().hasNext());
    }

    @Test
    void aBulkSearchFindsTheMatchesOfEachQuery() {
        List<String> signs =
                IntStream.range(0, 3).mapToObj(seed -> client.add(bytes(seed)).getContSign()).toList();
        List<ImageSource> queries =
                List.of(
                        ImageSource.bytes(Pictures.bmp(0)),
                        ImageSource.bytes(Pictures.bmp(2)),
                        ImageSource.bytes(Pictures.bmp(9)),
                        ImageSource.sign(signs.get(1)));
        Map<ImageSource, List<String>> found = new HashMap<>();
        for (Outcome<ImageSource, BulkSearchImagesResult> outcome : client.searchAll(queries)) {
            found.put(
                    outcome.item(),
                    outcome.result().getMatchesList().stream().map(Match::getContSign).toList());
        }
        assertEquals(
                List.of(List.of(signs.get(0)), List.of(signs.get(2)), List.of(), List.of()),
                queries.stream().map(found::get).toList());
    }

    @Test
    void everyLargeImageOfALoadArrives() {
        List<Item> items =
                IntStream.range(0, 12).mapToObj(seed -> new Item(Pictures.ofLength(6 << 20, seed), "")).toList();
        List<SamegateException> errors = new ArrayList<>();
        client.addAll(items).forEach(outcome -> errors.add(outcome.error()));
        assertEquals(12, errors.size());
        assertTrue(errors.stream().allMatch(error -> error == null), errors.toString());
    }

    private interface Interruption {
        void end() throws Exception;
    }

    private void interruptedLoad(Interruption interruption) throws Exception {
        List<String> acknowledged = new ArrayList<>();
        try (Outcomes<Item, AddImagesResult> run =
                client.addAll(Pictures.items(LOAD)::iterator, options -> options.setMaxInFlight(4))) {
            for (Outcome<Item, AddImagesResult> outcome : run) {
                assertNull(outcome.error());
                acknowledged.add(outcome.item().brief());
                if (acknowledged.size() == 20) {
                    interruption.end();
                    gateway.run();
                }
            }
        }
        Set<String> all = Pictures.items(LOAD).map(Item::brief).collect(Collectors.toSet());
        assertEquals(LOAD, acknowledged.size());
        assertEquals(all, new HashSet<>(acknowledged));
        List<String> stored = client.images().map(Image::getBrief).toList();
        assertEquals(LOAD, stored.size());
        assertEquals(all, new HashSet<>(stored));
    }

    /** Three items, and then a wait that only an interrupt ends. */
    private static Stream<Item> endless(CountDownLatch waits) {
        return Stream.concat(
                Pictures.items(3),
                Stream.generate(
                        () -> {
                            waits.countDown();
                            try {
                                new CountDownLatch(1).await();
                            } catch (InterruptedException error) {
                                throw new IllegalStateException(error);
                            }
                            return null;
                        }));
    }

    /** Has no time for `n/1` once, and for `n/2` ever. */
    private static final class Overloaded extends SameImageServiceGrpc.SameImageServiceImplBase {
        final Map<String, Integer> attempts = new HashMap<>();
        int streams;

        @Override
        public StreamObserver<AddImagesRequest> addImages(StreamObserver<AddImagesResponse> responses) {
            streams++;
            return new StreamObserver<>() {
                @Override
                public void onNext(AddImagesRequest request) {
                    if (request.hasItem()) {
                        responses.onNext(AddImagesResponse.newBuilder().setResult(result(request.getItem())).build());
                    }
                }

                @Override
                public void onError(Throwable error) {}

                @Override
                public void onCompleted() {
                    responses.onCompleted();
                }
            };
        }

        private AddImagesResult.Builder result(AddImagesItem item) {
            int attempt = attempts.merge(item.getBrief(), 1, Integer::sum);
            AddImagesResult.Builder result = AddImagesResult.newBuilder().setKey(item.getKey());
            if (item.getBrief().equals("n/2") || item.getBrief().equals("n/1") && attempt == 1) {
                result.getStatusBuilder()
                        .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
                        .setReason("OVERLOADED");
            }
            return result;
        }
    }
}
