package samegate

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "samegate/v1"
)

// A run sends many items over as many streams as it needs. An item without a result is sent again
// over the next stream, after a drain, a broken connection or a transient failure of the item. So the
// items of additions must be safe to repeat: the client lets the gateway accept the same bytes again.
//
// The caller's goroutine owns the state and reads from two channels: what the feeder takes from the
// source, and what the stream receives. The feeder, and a sender and a receiver for each stream, are
// goroutines of their own, so that neither a slow source nor flow control holds up the results.

const (
	// Items in memory at once, as many as the gateway has in flight by default, and at most.
	defaultWindow, maxWindow = 16, 256
	// Times that an item is sent if it fails for a transient reason.
	itemAttempts = 3
	// Streams in a row without a result after which the run fails: 53 to 105 s of waiting.
	streamAttempts = 12
	streamBackoff  = 500 * time.Millisecond
	maxBackoff     = 15 * time.Second
)

var (
	// errStopped says that the caller has left the loop.
	errStopped = errors.New("the caller has stopped")
	// errGoexit says that the items before it may not be all.
	errGoexit = errors.New("the source has ended its goroutine")
)

// bulkMethod is what a bulk load and a bulk search do not share.
type bulkMethod[I, R any] struct {
	open    func(context.Context) (grpc.ClientStream, error)
	options proto.Message
	message func(key string, item I) (proto.Message, error)
	// receive returns a result, whether the gateway drains the stream, or neither.
	receive func(grpc.ClientStream) (result R, isDrain bool, err error)
}

// itemResult is the result of one item: AddImagesResult or BulkSearchImagesResult.
type itemResult interface {
	comparable
	GetKey() string
	GetStatus() *pb.Status
	GetMatches() []*pb.Match
}

type run[I any, R itemResult] struct {
	bulkMethod[I, R]
	yield func(Outcome[I, R], error) bool
	// One for each item that was taken and has no outcome yet.
	slots chan struct{}
	taken chan taken[I]
	// Items that were taken, can be sent, and have no outcome yet.
	pending     map[string]*pending[I] // By key: the item's number.
	isExhausted bool
	sourceErr   error
}

// taken is an item of the source, or its end.
type taken[I any] struct {
	number  int
	item    I
	message proto.Message
	// Why the item cannot be sent, or why the source has ended.
	err      error
	isEnd    bool
	panicked any
}

type pending[I any] struct {
	number   int
	item     I
	message  proto.Message
	attempts int
}

func outcomes[I any, R itemResult](
	ctx context.Context, method bulkMethod[I, R], items iter.Seq2[I, error], window uint32,
) iter.Seq2[Outcome[I, R], error] {
	if window == 0 {
		window = defaultWindow
	}
	return func(yield func(Outcome[I, R], error) bool) {
		if err := checkMessage(method.options); err != nil {
			yield(Outcome[I, R]{}, err)
			return
		}
		r := &run[I, R]{
			bulkMethod: method,
			yield:      yield,
			// The gateway rejects a larger number.
			slots:   make(chan struct{}, min(window, maxWindow)),
			taken:   make(chan taken[I]),
			pending: map[string]*pending[I]{},
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go r.feed(ctx, items)
		if err := r.allStreams(ctx); err != nil && err != errStopped {
			yield(Outcome[I, R]{}, err)
		}
	}
}

// feed takes the items of the source, each when there is a slot for it.
func (r *run[I, R]) feed(ctx context.Context, items iter.Seq2[I, error]) {
	end := taken[I]{isEnd: true, err: errGoexit}
	defer func() {
		// A panic is the caller's: it goes on in the caller's goroutine. If the caller has left, it ends
		// here, since nobody could recover it: a source that ignores yield's false panics.
		end.panicked = recover()
		pass(ctx, r.taken, end)
	}()
	if !pass(ctx, r.slots, struct{}{}) {
		return
	}
	number := 0
	for item, err := range items {
		if err != nil {
			end.err = err
			return
		}
		next := taken[I]{number: number, item: item}
		if next.message, next.err = r.message(strconv.Itoa(number), item); next.err == nil {
			next.err = checkMessage(next.message)
		}
		if !pass(ctx, r.taken, next) || !pass(ctx, r.slots, struct{}{}) {
			return
		}
		number++
	}
	end.err = nil
}

// pass sends a value over a channel; false if the context ends before.
func pass[T any](ctx context.Context, to chan<- T, value T) bool {
	select {
	case to <- value:
		return true
	case <-ctx.Done():
		return false
	}
}

// allStreams yields the outcomes of all items.
func (r *run[I, R]) allStreams(ctx context.Context) error {
	for failures := 0; ; {
		if r.isDone() {
			return r.sourceErr
		}
		if len(r.pending) == 0 {
			select {
			case next := <-r.taken:
				if _, err := r.take(next); err != nil {
					return err
				}
			case <-ctx.Done():
				return contextError(ctx)
			}
			continue
		}
		results, err := r.oneStream(ctx)
		failure, _ := errors.AsType[*Error](err)
		switch {
		case err == errStopped:
			return err
		case r.isDone():
			return r.sourceErr
		case err != nil && (failure == nil || !failure.IsTransient()):
			return err
		case results > 0:
			failures = 0
			continue
		}
		failures++
		if failure == nil {
			failure = &Error{Code: codes.Unavailable, Message: "the gateway ended the stream without a result"}
		}
		if failures == streamAttempts {
			return failure
		}
		if !sleep(ctx, max(failure.RetryAfter, backoffAfter(streamBackoff, failures))) {
			return contextError(ctx)
		}
	}
}

func (r *run[I, R]) isDone() bool { return r.isExhausted && len(r.pending) == 0 }

// take makes an item pending and returns it, or yields its outcome if it cannot be sent.
func (r *run[I, R]) take(next taken[I]) (*pending[I], error) {
	switch {
	case next.panicked != nil:
		panic(next.panicked)
	case next.isEnd:
		r.isExhausted, r.sourceErr = true, next.err
		return nil, nil
	case next.err != nil:
		return nil, r.emit(Outcome[I, R]{Item: next.item, Err: next.err})
	}
	item := &pending[I]{number: next.number, item: next.item, message: next.message}
	r.pending[strconv.Itoa(next.number)] = item
	return item, nil
}

// emit gives an outcome to the caller, and its slot to another item.
func (r *run[I, R]) emit(outcome Outcome[I, R]) error {
	<-r.slots
	if !r.yield(outcome, nil) {
		return errStopped
	}
	return nil
}

// backoffAfter returns the exponential backoff with jitter.
func backoffAfter(first time.Duration, failures int) time.Duration {
	longest := min(first<<(failures-1), maxBackoff)
	return time.Duration(float64(longest) * (0.5 + 0.5*rand.Float64()))
}

// sleep waits; false if the context ends before.
func sleep(ctx context.Context, duration time.Duration) bool {
	if duration <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
