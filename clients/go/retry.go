package samegate

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "samegate/v1"
)

// A retry policy of gRPC would begin a wait that ends after the deadline, and its DEADLINE_EXCEEDED would
// hide why the gateway has rejected the call. So the client itself retries.

const (
	// Times that a call is sent.
	callAttempts = 4
	// Where the gateway does not say how long to wait: no gateway has responded.
	callBackoff = 200 * time.Millisecond
)

// Methods that are sent again also after UNAVAILABLE, which may come after the gateway has done its
// work. RESOURCE_EXHAUSTED never does, so every method is sent again after it.
var idempotent = map[string]bool{
	pb.SameImageService_SearchImages_FullMethodName:  true,
	pb.SameImageService_UpdateImage_FullMethodName:   true,
	pb.SameImageService_GetLibrary_FullMethodName:    true,
	pb.SameImageService_ListImages_FullMethodName:    true,
	pb.SameImageService_GetImage_FullMethodName:      true,
	pb.SameImageService_ListTags_FullMethodName:      true,
	pb.SameImageService_ListLibraries_FullMethodName: true,
	pb.SameImageService_CompareImages_FullMethodName: true,
	pb.SameImageService_GetState_FullMethodName:      true,
}

// call is what every unary call does beside its own.
func (c *Client) call(
	ctx context.Context, method string, request, response any,
	connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if err := checkMessage(request.(proto.Message)); err != nil {
		return err
	}
	deadline, hasDeadline := ctx.Deadline()
	if !hasDeadline {
		deadline = time.Now().Add(c.options.Timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	ctx, err := c.withKey(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := callError(ctx, invoke(ctx, method, request, response, connection, options...))
		failure, _ := err.(*Error)
		if failure == nil || attempt == callAttempts || !failure.isRetried(method) {
			return err
		}
		wait := cmp.Or(failure.RetryAfter, backoffAfter(callBackoff, attempt))
		if wait >= time.Until(deadline) {
			return err
		}
		if !sleep(ctx, wait) {
			return contextError(ctx)
		}
	}
}

// isRetried returns whether a call of a method that failed is sent again.
func (e *Error) isRetried(method string) bool {
	if e.Code != codes.ResourceExhausted && !(e.Code == codes.Unavailable && idempotent[method]) {
		return false
	}
	// The gateway says how long to wait if a retry helps.
	return e.IsTransient() && (e.Reason == "" || e.RetryAfter > 0)
}
