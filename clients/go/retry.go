package samegate

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	pb "samegate/v1"
)

// A retry policy of gRPC would begin a wait that ends after the deadline, and its DEADLINE_EXCEEDED would
// hide why the gateway has rejected the call. So the client itself retries.

const (
	// Times that a call is sent.
	callAttempts = 4
	// The first wait, unless the gateway asks for a longer one.
	callBackoff = 200 * time.Millisecond
)

// Methods that are sent again also after UNAVAILABLE, which may come after the gateway has done its
// work. RESOURCE_EXHAUSTED of a gateway never does, so every method is sent again after it.
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
	var trailer metadata.MD
	options = append(options, grpc.Trailer(&trailer))
	var rejected *Error
	for attempt := 1; ; attempt++ {
		trailer = nil
		err := invoke(ctx, method, request, response, connection, options...)
		err = callError(ctx, err, trailer)
		failure, _ := err.(*Error)
		if failure == nil {
			return err
		}
		if rejected != nil && failure.Code == codes.DeadlineExceeded && idempotent[method] {
			// Too little time was left. Of other methods the caller has to know that this attempt may
			// have been carried out.
			return rejected
		}
		wait := max(failure.RetryAfter, backoffAfter(callBackoff, attempt))
		if attempt == callAttempts || !failure.isRetried(method) || wait >= time.Until(deadline) {
			return failure
		}
		rejected = failure
		if err := c.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// pause waits before a retry; its error is that of a context or a client that has ended.
func (c *Client) pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	case <-c.closed:
		return &Error{Code: codes.Canceled, Message: "the client was closed while a call waited for a retry"}
	}
}

// isRetried returns whether a call of a method that failed is sent again.
func (e *Error) isRetried(method string) bool {
	// A gateway says how long to wait if a retry helps.
	if !e.IsTransient() || e.Reason != "" && !e.hasRetryInfo {
		return false
	}
	switch e.Code {
	case codes.ResourceExhausted:
		// Without a reason no gateway has sent it: gRPC itself makes one of a response above its limit.
		return e.Reason != "" || idempotent[method]
	case codes.Unavailable:
		return idempotent[method]
	default:
		return false
	}
}
