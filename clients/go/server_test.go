package samegate_test

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"samegate"
	pb "samegate/v1"
)

// server responds as a gateway does that cannot do everything at once; it records what it receives.
type server struct {
	pb.UnimplementedSameImageServiceServer
	addImages func(pb.SameImageService_AddImagesServer) error
	// What calls fail with, one after the other; they succeed then.
	failures []error
	// Sent with the response of each call.
	trailer metadata.MD

	mutex    sync.Mutex
	received []string
}

// serve starts a server and makes a client of it.
func serve(t testing.TB, served *server) *samegate.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	process, healthy := grpc.NewServer(), health.NewServer()
	healthy.SetServingStatus(pb.SameImageService_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(process, healthy)
	pb.RegisterSameImageServiceServer(process, served)
	go process.Serve(listener)
	t.Cleanup(process.Stop)
	return clientOf(t, listener.Addr().String())
}

func (s *server) record(what string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.received = append(s.received, what)
}

// all returns what was recorded.
func (s *server) all() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.Join(s.received, " ")
}

// call records a call and fails as the test says.
func (s *server) call(ctx context.Context, name string) error {
	grpc.SetTrailer(ctx, s.trailer)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.received = append(s.received, name)
	if len(s.failures) == 0 {
		return nil
	}
	failure := s.failures[0]
	s.failures = s.failures[1:]
	return failure
}

func (s *server) AddImage(ctx context.Context, _ *pb.AddImageRequest) (*pb.AddImageResponse, error) {
	return &pb.AddImageResponse{}, s.call(ctx, "AddImage")
}

func (s *server) GetLibrary(ctx context.Context, _ *pb.GetLibraryRequest) (*pb.GetLibraryResponse, error) {
	return &pb.GetLibraryResponse{}, s.call(ctx, "GetLibrary")
}

func (s *server) AddImages(stream pb.SameImageService_AddImagesServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	return s.addImages(stream)
}

func (s *server) FindDuplicates(
	request *pb.FindDuplicatesRequest, stream pb.SameImageService_FindDuplicatesServer,
) error {
	s.record(cmp.Or(request.Cursor, "begin"))
	group := &pb.FindDuplicatesResponse_Group{Group: &pb.DuplicateGroup{}}
	if err := stream.Send(&pb.FindDuplicatesResponse{Event: group}); err != nil || request.Cursor != "" {
		return err
	}
	progress := &pb.FindDuplicatesResponse_Progress{Progress: &pb.FindDuplicatesProgress{Cursor: "half"}}
	if err := stream.Send(&pb.FindDuplicatesResponse{Event: progress}); err != nil {
		return err
	}
	return status.Error(codes.Unavailable, "broken")
}

// next records an item and returns its key; empty at the end of the stream.
func (s *server) next(stream pb.SameImageService_AddImagesServer) string {
	request, err := stream.Recv()
	if err != nil {
		return ""
	}
	key := request.GetItem().GetKey()
	s.record(key)
	return key
}

func respond(stream pb.SameImageService_AddImagesServer, key string, failure *pb.Status) error {
	result := &pb.AddImagesResult{Key: key, Status: failure}
	return stream.Send(&pb.AddImagesResponse{Event: &pb.AddImagesResponse_Result{Result: result}})
}

func TestAnItemThatKeepsFailingIsSentThreeTimesAndHoldsNothingUp(t *testing.T) {
	served := &server{}
	served.addImages = func(stream pb.SameImageService_AddImagesServer) error {
		for key := served.next(stream); key != ""; key = served.next(stream) {
			var failure *pb.Status
			if key == "0" {
				failure = &pb.Status{Code: int32(codes.Unavailable), Reason: "VENDOR_UNAVAILABLE"}
			}
			if err := respond(stream, key, failure); err != nil {
				return err
			}
		}
		return nil
	}
	source := samegate.Each(slices.Values(items(100)))

	outcomes, err := collect(serve(t, served).AddAll(ctx, source, samegate.AddAllOptions{MaxInFlight: 4}))

	must(t, err)
	equal(t, len(outcomes), 100)
	failed := slices.IndexFunc(outcomes, func(outcome samegate.AddOutcome) bool { return outcome.Err != nil })
	equal(t, rejected(t, 0, outcomes[failed].Err).Reason, "VENDOR_UNAVAILABLE")
	// Half a second or more passes before the third time.
	equal(t, failed > 10, true)
	equal(t, len(strings.Fields(served.all())), 102)
}

func TestItemsAreSentAgainInTheirOrder(t *testing.T) {
	served, isBroken := &server{}, atomic.Bool{}
	served.addImages = func(stream pb.SameImageService_AddImagesServer) error {
		keys := []string{}
		for range 12 {
			keys = append(keys, served.next(stream))
		}
		if isBroken.CompareAndSwap(false, true) {
			return status.Error(codes.Unavailable, "broken")
		}
		for _, key := range keys {
			if err := respond(stream, key, nil); err != nil {
				return err
			}
		}
		return nil
	}
	source := samegate.Each(slices.Values(items(12)))

	outcomes, err := collect(serve(t, served).AddAll(ctx, source, samegate.AddAllOptions{}))

	must(t, err)
	equal(t, len(outcomes), 12)
	equal(t, served.all(), "0 1 2 3 4 5 6 7 8 9 10 11 0 1 2 3 4 5 6 7 8 9 10 11")
}

func TestDuplicatesGoOnFromTheirCursor(t *testing.T) {
	served := &server{}

	groups, err := collect(serve(t, served).FindDuplicates(samegate.DuplicatesOptions{}).Groups(context.Background()))

	must(t, err)
	equal(t, len(groups), 2)
	equal(t, served.all(), "begin half")
}
