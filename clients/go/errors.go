package samegate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "samegate/v1"
)

// Reasons of this client.
const (
	fileUnreadable = "FILE_UNREADABLE"
	invalidItem    = "INVALID_ITEM"
	invalidKey     = "INVALID_KEY"
)

// Reasons for which waiting does not help, whatever the code.
var lasting = map[string]bool{
	"DAILY_QUOTA_EXCEEDED": true,
	"DISK_FULL":            true,
	fileUnreadable:         true,
	"LIBRARY_FULL":         true,
	"MESSAGE_TOO_LARGE":    true,
	"QUOTA_DAY_EXCEEDED":   true,
	"STORAGE_FAILED":       true,
	"TOTAL_QUOTA_EXCEEDED": true,
	"VENDOR_PROTOCOL":      true,
}

// Error is a call or an item that failed. It wraps the error of a file, and that of a context whose
// end was the cause.
type Error struct {
	// Code is the gRPC status code; Unknown for a file that cannot be read.
	Code codes.Code
	// Reason is the stable name of the cause, such as IMAGE_NOT_FOUND; empty if no gateway answered.
	Reason string
	// Message is a text for people.
	Message string
	// Violations are the invalid fields of the request.
	Violations []Violation
	// Metadata has vendor_code, vendor_log_id and cont_sign, each where it is known.
	Metadata map[string]string
	// Matches are the stored images for which an image was not added.
	Matches []*pb.Match
	// RetryAfter is 0 where a retry does not help, and where no time is known.
	RetryAfter time.Duration

	cause error
	// Whether the gateway says how long to wait, which may be 0.
	hasRetryInfo bool
	// Whether the gateway says that no retry helps, for reasons that this version does not know.
	isLasting bool
}

// Violation is an invalid field of a request.
type Violation struct{ Field, Description string }

// ContSign returns the sign of the stored image that the error is about; empty if there is none.
func (e *Error) ContSign() string { return e.Metadata["cont_sign"] }

// IsTransient returns whether the same request can succeed later.
func (e *Error) IsTransient() bool {
	if e.isLasting {
		return false
	}
	switch e.Code {
	case codes.Internal:
		// Without a reason it is not the gateway's: a proxy or a connection that broke.
		return e.Reason == ""
	case codes.Canceled:
		return e.cause == nil // Not the caller's own cancellation.
	case codes.Unavailable, codes.ResourceExhausted, codes.Aborted, codes.DeadlineExceeded, codes.Unknown:
		return !lasting[e.Reason]
	default:
		return false
	}
}

func (e *Error) Error() string {
	// The gateway's message names all invalid fields.
	return fmt.Sprintf("%s [%s]", e.Message, cmp.Or(e.Reason, code.Code(e.Code).String()))
}

// Unwrap returns the error of a file or of a context, if it was the cause.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus lets [status.Code] read the error.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Error()) }

// pushback is the trailer with the milliseconds to wait, or a negative number if no retry helps (gRFC A6).
const pushback = "grpc-retry-pushback-ms"

// callError unpacks the status of a call, its details and its trailer. Other errors are returned as they are:
// those of a KeyFunc, and the end of a stream.
func callError(ctx context.Context, err error, trailer metadata.MD) error {
	var failed interface{ GRPCStatus() *status.Status }
	if _, isDone := errors.AsType[*Error](err); isDone || !errors.As(err, &failed) {
		return err
	}
	packed := failed.GRPCStatus()
	made := &Error{Code: packed.Code(), Message: packed.Message()}
	if made.Message == "" {
		made.Message = code.Code(made.Code).String()
	}
	if made.Code == codes.Canceled || made.Code == codes.DeadlineExceeded {
		made.cause = ctx.Err()
	}
	if asked := trailer.Get(pushback); len(asked) > 0 {
		made.isLasting = strings.HasPrefix(asked[0], "-")
	}
	for _, detail := range packed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			made.Reason, made.Metadata = detail.Reason, detail.Metadata
		case *errdetails.BadRequest:
			for _, field := range detail.FieldViolations {
				made.Violations = append(made.Violations, Violation{field.Field, field.Description})
			}
		case *errdetails.RetryInfo:
			made.RetryAfter, made.hasRetryInfo = detail.RetryDelay.AsDuration(), true
		case *pb.SameImages:
			made.Matches = detail.Matches
		}
	}
	return made
}

// contextError is the error of a context that has ended.
func contextError(ctx context.Context) error {
	return callError(ctx, status.FromContextError(ctx.Err()).Err(), nil)
}

// itemError is the error of one item of a stream.
func itemError(failed *pb.Status, matches []*pb.Match) *Error {
	return &Error{
		Code:     codes.Code(failed.Code),
		Reason:   failed.Reason,
		Message:  failed.Message,
		Metadata: failed.Metadata,
		Matches:  matches,
	}
}
