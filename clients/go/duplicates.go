package samegate

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "samegate/v1"
)

// DuplicatesOptions select the images that are compared with all images of the library.
type DuplicatesOptions struct {
	// MinScore of a pair: 0 to 1. Default: that of the library.
	MinScore float64
	// Tags and TagLogic select images. Default: all.
	Tags     []uint32
	TagLogic pb.TagLogic
	// AddedSince selects the images that were added then or later. Default: all.
	AddedSince time.Time
	// Cursor of an earlier run selects the images that were added since. Default: all.
	Cursor string
	// Profile is how certain a pair must be. Default: that of the library.
	Profile pb.Profile
}

// Duplicates are the groups of same images in a library. Not for several goroutines at once.
type Duplicates struct {
	stub    pb.SameImageServiceClient
	request *pb.FindDuplicatesRequest
	// Compared is the number of images that were compared with all others, of Total.
	Compared, Total uint64
}

// FindDuplicates finds the groups of same images in the library; it begins with Groups.
func (c *Client) FindDuplicates(options DuplicatesOptions) *Duplicates {
	request := &pb.FindDuplicatesRequest{
		Library:  c.options.Library,
		MinScore: options.MinScore,
		Tags:     options.Tags,
		TagLogic: options.TagLogic,
		Cursor:   options.Cursor,
		Profile:  options.Profile,
	}
	if !options.AddedSince.IsZero() {
		request.AddedSince = timestamppb.New(options.AddedSince)
	}
	return &Duplicates{stub: c.stub, request: request}
}

// Cursor is the position up to which all groups were yielded, also for a later run.
func (d *Duplicates) Cursor() string { return d.request.Cursor }

// Groups yields the groups, and goes on from the cursor after an interruption. Groups that share an
// image are one group: a large library sends a group in several parts. An error is the last element;
// another call goes on from the cursor too.
func (d *Duplicates) Groups(ctx context.Context) iter.Seq2[*pb.DuplicateGroup, error] {
	return func(yield func(*pb.DuplicateGroup, error) bool) {
		if err := checkMessage(d.request); err != nil {
			yield(nil, err)
			return
		}
		for failures := 0; ; {
			before := d.Cursor()
			err := d.oneStream(ctx, yield)
			if err == nil || err == errStopped {
				return
			}
			if d.Cursor() != before {
				failures = 0
			}
			failures++
			failure, isTyped := errors.AsType[*Error](err)
			if !isTyped || !failure.IsTransient() || failures == streamAttempts {
				yield(nil, err)
				return
			}
			if !sleep(ctx, max(failure.RetryAfter, backoffAfter(streamBackoff, failures))) {
				yield(nil, contextError(ctx))
				return
			}
		}
	}
}

// oneStream yields the groups of one stream.
func (d *Duplicates) oneStream(ctx context.Context, yield func(*pb.DuplicateGroup, error) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := d.stub.FindDuplicates(ctx, d.request)
	if err != nil {
		return err
	}
	response, err := stream.Recv()
	for ; err == nil; response, err = stream.Recv() {
		if group := response.GetGroup(); group != nil && !yield(group, nil) {
			return errStopped
		}
		if progress := response.GetProgress(); progress != nil {
			d.Compared, d.Total = progress.Compared, progress.Total
			if progress.Cursor != "" {
				d.request.Cursor = progress.Cursor
			}
		}
	}
	if err == io.EOF {
		return nil
	}
	return callError(ctx, err, stream.Trailer())
}
