package samegate

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

type received[R any] struct {
	result  R
	isDrain bool
	err     error
}

// oneStream yields the outcomes of one stream; returns the number of its results, and its error.
func (r *run[I, R]) oneStream(ctx context.Context) (results int, err error) {
	var goroutines sync.WaitGroup
	defer goroutines.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.open(ctx)
	if err != nil {
		return 0, err
	}
	sending, endSending := context.WithCancel(ctx)
	defer endSending()
	// An item is in the queue once, and again after each transient failure: never blocks.
	queue := make(chan proto.Message, itemAttempts*cap(r.slots))
	inOrder := func(a, b *pending[I]) int { return a.number - b.number }
	for _, item := range slices.SortedFunc(maps.Values(r.pending), inOrder) {
		queue <- item.message
	}
	// Bounded: each item in flight has one result.
	events := make(chan received[R], cap(r.slots))
	goroutines.Go(func() { send(sending, stream, r.options, queue) })
	goroutines.Go(func() { r.receiveAll(ctx, stream, events) })
	for {
		if r.isDone() {
			endSending()
		}
		select {
		case next := <-r.taken:
			item, err := r.take(next)
			if err != nil {
				return results, err
			}
			if item != nil && sending.Err() == nil {
				queue <- item.message
			}
		case event := <-events:
			var none R
			switch {
			case event.err == io.EOF:
				return results, nil
			case event.err != nil:
				return results, callError(ctx, event.err, stream.Trailer())
			case event.isDrain:
				endSending()
			case event.result != none:
				results++
				if err := r.settle(event.result, queue); err != nil {
					return results, err
				}
			}
		case <-ctx.Done():
			return results, contextError(ctx)
		}
	}
}

// send sends messages, in the order of the queue, until the context ends.
func send(ctx context.Context, stream grpc.ClientStream, options proto.Message, queue <-chan proto.Message) {
	// An error ends the stream, and the receiver gets its cause.
	if stream.SendMsg(options) != nil {
		return
	}
	for {
		select {
		case message := <-queue:
			if stream.SendMsg(message) != nil {
				return
			}
		case <-ctx.Done():
			stream.CloseSend()
			return
		}
	}
}

func (r *run[I, R]) receiveAll(ctx context.Context, stream grpc.ClientStream, events chan<- received[R]) {
	for {
		result, isDrain, err := r.receive(stream)
		if !pass(ctx, events, received[R]{result, isDrain, err}) || err != nil {
			return
		}
	}
}

// settle yields the outcome of an item, unless it is sent again.
func (r *run[I, R]) settle(result R, queue chan<- proto.Message) error {
	item := r.pending[result.GetKey()]
	if item == nil {
		return nil
	}
	outcome := Outcome[I, R]{Item: item.item, Result: result}
	if result.GetStatus().GetCode() != 0 {
		failure := itemError(result.GetStatus(), result.GetMatches())
		if failure.Reason == "SHUTTING_DOWN" {
			return nil // It is for the next stream.
		}
		item.attempts++
		if failure.IsTransient() && item.attempts < itemAttempts {
			// Does not hold up other items. If the stream has ended by then, nobody reads the queue.
			time.AfterFunc(backoffAfter(streamBackoff, item.attempts), func() { queue <- item.message })
			return nil
		}
		outcome.Err = failure
	}
	delete(r.pending, result.GetKey())
	return r.emit(outcome)
}
