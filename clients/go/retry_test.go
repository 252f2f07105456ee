package samegate_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"samegate"
)

// failure is a status as the gateway sends it; without a wait, a retry does not help.
func failure(t testing.TB, code codes.Code, reason string, wait time.Duration) error {
	t.Helper()
	made := status.New(code, "as the test says")
	made, err := made.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "samegate"})
	must(t, err)
	if wait > 0 {
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
	served := &server{failures: []error{failure(t, codes.ResourceExhausted, "OF_A_LATER_VERSION", 0)}}

	info, err := serve(t, served).Info(context.Background())

	equal(t, rejected(t, info, err).Reason, "OF_A_LATER_VERSION")
	equal(t, served.all(), "GetLibrary")
}

func TestACancelledContextEndsTheWait(t *testing.T) {
	busy := failure(t, codes.ResourceExhausted, "OVERLOADED", samegate.DefaultTimeout/2)
	served := &server{failures: []error{busy}}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		waitUntil(t, "the call is rejected", func() bool { return served.all() != "" })
		cancel()
	}()

	info, err := serve(t, served).Info(ctx)

	equal(t, rejected(t, info, err).IsTransient(), false)
	equal(t, errors.Is(err, context.Canceled), true)
}
