package com.samegate.client;

import static com.samegate.client.CallsTest.rejected;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.samegate.v1.DuplicateGroup;
import com.samegate.v1.FindDuplicatesRequest;
import com.samegate.v1.FindDuplicatesResponse;
import com.samegate.v1.SameImageServiceGrpc;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Joins that are interrupted, at a server that breaks its streams. */
class DuplicatesTest {
    @Test
    void anInterruptedJoinGoesOnFromItsCursor() throws Exception {
        Breaking service = new Breaking(Status.UNAVAILABLE);
        try (Service server = new Service(service);
                SamegateClient client = server.client();
                Duplicates duplicates = client.findDuplicates(request -> request.setMinScore(0.5))) {
            List<DuplicateGroup> groups = new ArrayList<>();
            duplicates.forEach(groups::add);
            assertEquals(3, groups.size());
            assertEquals(List.of("", "1", "2"), service.cursors);
            assertEquals("3", duplicates.cursor());
            assertEquals(3, duplicates.compared());
        }
    }

    @Test
    void anErrorThatLastsEndsTheJoin() throws Exception {
        Breaking service = new Breaking(Status.NOT_FOUND);
        try (Service server = new Service(service);
                SamegateClient client = server.client();
                Duplicates duplicates = client.findDuplicates()) {
            Iterator<DuplicateGroup> groups = duplicates.iterator();
            groups.next();
            assertEquals(Status.Code.NOT_FOUND, rejected(groups::hasNext).code());
            assertEquals("1", duplicates.cursor());
        }
    }

    @Test
    void aJoinThatIsLeftInTheMiddleEndsItsStream() throws Exception {
        Breaking service = new Breaking(null);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            try (Duplicates duplicates = client.findDuplicates()) {
                duplicates.iterator().next();
            }
            assertTrue(service.cancelled.await(Gateway.LIMIT_S, TimeUnit.SECONDS));
        }
    }

    @Test
    void anotherIterationEndsTheStreamOfTheFirst() throws Exception {
        Breaking service = new Breaking(null);
        try (Service server = new Service(service);
                SamegateClient client = server.client();
                Duplicates duplicates = client.findDuplicates()) {
            Iterator<DuplicateGroup> first = duplicates.iterator();
            first.next();
            duplicates.iterator().next();
            assertTrue(service.cancelled.await(Gateway.LIMIT_S, TimeUnit.SECONDS));
            assertThrows(IllegalStateException.class, first::hasNext);
        }
    }

    @Test
    void anotherThreadMayCloseAJoinThatWaits() throws Exception {
        Breaking service = new Breaking(null);
        try (Service server = new Service(service);
                SamegateClient client = server.client()) {
            Duplicates duplicates = client.findDuplicates();
            Iterator<DuplicateGroup> groups = duplicates.iterator();
            groups.next();
            Thread closing = new Thread(duplicates::close);
            closing.start();
            SamegateException error = rejected(groups::hasNext);
            closing.join();
            assertEquals(Status.Code.CANCELLED, error.code());
            assertFalse(error.isTransient());
        }
    }

    /** Sends one group and a cursor over each stream, of which the third one ends well. */
    private static final class Breaking extends SameImageServiceGrpc.SameImageServiceImplBase {
        final List<String> cursors = Collections.synchronizedList(new ArrayList<>());
        final CountDownLatch cancelled = new CountDownLatch(1);
        private final Status status;

        Breaking(Status status) {
            this.status = status;
        }

        @Override
        public void findDuplicates(
                FindDuplicatesRequest request, StreamObserver<FindDuplicatesResponse> responses) {
            ((ServerCallStreamObserver<FindDuplicatesResponse>) responses).setOnCancelHandler(cancelled::countDown);
            cursors.add(request.getCursor());
            int count = cursors.size();
            FindDuplicatesResponse.Builder response = FindDuplicatesResponse.newBuilder();
            responses.onNext(response.setGroup(DuplicateGroup.getDefaultInstance()).build());
            response.getProgressBuilder().setCompared(count).setTotal(3).setCursor(Integer.toString(count));
            responses.onNext(response.build());
            if (count == 3) {
                responses.onCompleted();
            } else if (status != null) {
                responses.onError(status.asRuntimeException());
            }
        }
    }
}
