package samegate_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"samegate"
	pb "samegate/v1"
)

// noRetry is a negative wait: the status has no RetryInfo.
const noRetry = -1

// failure is a status as the gateway sends it; without a wait, a retry does not help.
func failure(t testing.TB, code codes.Code, reason string, wait time.Duration) error {
	t.Helper()
	made := status.New(code, "as the test says")
	made, err := made.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "samegate"})
	must(t, err)
	if wait != noRetry {
		made, err = made.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
		must(t, err)
	}
	return made.Err()
}

func TestReadsAreSentAgainAfterUnavailableAndAdditionsAreNot(t *testing.T) {
	ctx, served := context.Background(), &server{failures: []error{
		failure(t, codes.Unavailable, "VENDOR_UNAVAILABLE", time.Millisecond),
		status.Error(codes.Unavailable, "a proxy"),
		nil,
		failure(t, codes.Unavailable, "VENDOR_UNAVAILABLE", time.Millisecond),
	}}
	client := serve(t, served)

	_, err := client.Info(ctx)
	must(t, err)
	added, err := client.Add(ctx, pngOf(1), samegate.AddOptions{})
	equal(t, rejected(t, added, err).Code, codes.Unavailable)
	equal(t, served.all(), "GetLibrary GetLibrary GetLibrary AddImage")
}

func TestARejectedCallIsSentFourTimesInAll(t *testing.T) {
	busy := failure(t, codes.ResourceExhausted, "OVERLOADED", time.Millisecond)
	served := &server{failures: slices.Repeat([]error{busy}, 5)}

	added, err := serve(t, served).Add(context.Background(), pngOf(1), samegate.AddOptions{})

	equal(t, rejected(t, added, err).Reason, "OVERLOADED")
	equal(t, served.all(), "AddImage AddImage AddImage AddImage")
}

func TestAWaitThatEndsAfterTheDeadlineIsNotBegun(t *testing.T) {
	served := &server{failures: []error{failure(t, codes.ResourceExhausted, "QUOTA_RATE_EXCEEDED", time.Minute)}}
	begin := time.Now()

	info, err := serve(t, served).Info(context.Background())

	late := rejected(t, info, err)
	equal(t, late.Reason, "QUOTA_RATE_EXCEEDED")
	equal(t, late.RetryAfter, time.Minute)
	equal(t, time.Since(begin) < samegate.DefaultTimeout, true)
	equal(t, served.all(), "GetLibrary")
}

func TestAnErrorWithoutAWaitIsNotRetried(t *testing.T) {
	served := &server{failures: []error{failure(t, codes.ResourceExhausted, "OF_A_LATER_VERSION", noRetry)}}

	info, err := serve(t, served).Info(context.Background())

	equal(t, rejected(t, info, err).Reason, "OF_A_LATER_VERSION")
	equal(t, served.all(), "GetLibrary")
}

func TestACancelledContextAndAClosedClientEndTheWait(t *testing.T) {
	wait := samegate.DefaultTimeout / 2
	for _, closes := range []bool{false, true} {
		served := &server{failures: []error{failure(t, codes.ResourceExhausted, "OVERLOADED", wait)}}
		client := serve(t, served)
		ctx, cancel := context.WithCancel(context.Background())
		begin := time.Now()
		go func() {
			defer cancel()
			waitUntil(t, "the call waits", func() bool { return hasGoroutine("samegate.(*Client).pause") })
			if closes {
				client.Close()
				<-ctx.Done()
			}
		}()

		added, err := client.Add(ctx, pngOf(1), samegate.AddOptions{})
		cancel()

		equal(t, rejected(t, added, err).Code, codes.Canceled)
		equal(t, errors.Is(err, context.Canceled), !closes)
		equal(t, served.all(), "AddImage")
		equal(t, time.Since(begin) < wait, true)
	}
}

func TestARetryThatMeetsTheDeadlineReportsTheRejection(t *testing.T) {
	busy := failure(t, codes.ResourceExhausted, "OVERLOADED", time.Second)
	late := status.Error(codes.DeadlineExceeded, "as of this side")
	served := &server{failures: []error{busy, late, busy, late}}
	client := serve(t, served)

	info, err := client.Info(context.Background())
	equal(t, rejected(t, info, err).Reason, "OVERLOADED")

	// The last attempt of an addition may have been carried out.
	added, err := client.Add(context.Background(), pngOf(1), samegate.AddOptions{})
	equal(t, rejected(t, added, err).Code, codes.DeadlineExceeded)
	equal(t, served.all(), "GetLibrary GetLibrary AddImage AddImage")
}

func TestWhatNoGatewayHasRejectedIsSentAgainOnlyIfItIsIdempotent(t *testing.T) {
	tooLarge := status.Error(codes.ResourceExhausted, "as gRPC says of a large response")
	served := &server{failures: []error{tooLarge, nil, tooLarge}}
	client := serve(t, served)

	_, err := client.Info(context.Background())
	must(t, err)
	added, err := client.Add(context.Background(), pngOf(1), samegate.AddOptions{})
	equal(t, rejected(t, added, err).Code, codes.ResourceExhausted)
	equal(t, served.all(), "GetLibrary GetLibrary AddImage")
}

func TestAWaitOfZeroMeansThatARetryHelps(t *testing.T) {
	served := &server{failures: []error{failure(t, codes.ResourceExhausted, "OVERLOADED", 0)}}

	_, err := serve(t, served).Add(context.Background(), pngOf(1), samegate.AddOptions{})

	must(t, err)
	equal(t, served.all(), "AddImage AddImage")
}

func TestANegativePushbackMeansThatNoRetryHelps(t *testing.T) {
	full := failure(t, codes.ResourceExhausted, "OF_A_LATER_VERSION", time.Millisecond)
	served := &server{failures: []error{full}, trailer: metadata.Pairs("grpc-retry-pushback-ms", "-1")}
	served.addImages = func(stream pb.SameImageService_AddImagesServer) error {
		stream.SetTrailer(served.trailer)
		return full
	}
	client := serve(t, served)

	info, err := client.Info(context.Background())
	equal(t, rejected(t, info, err).IsTransient(), false)
	equal(t, served.all(), "GetLibrary")

	source := samegate.Each(slices.Values(items(1)))
	_, err = collect(client.AddAll(context.Background(), source, samegate.AddAllOptions{}))
	equal(t, rejected(t, 0, err).IsTransient(), false)
}
