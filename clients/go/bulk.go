package samegate

import (
	"context"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "samegate/v1"
)

// Item is one image of a bulk load.
type Item struct {
	Image NewImage
	// Brief and Tags are as in AddOptions.
	Brief string
	Tags  []uint32
}

// Outcome is what became of one item.
type Outcome[I, R any] struct {
	// Item as the source has yielded it.
	Item I
	// Result is the message of the contract; nil if the item was not sent.
	Result R
	// Err is nil if the item succeeded.
	Err error
}

// AddOutcome is what became of one image to add.
type AddOutcome = Outcome[Item, *pb.AddImagesResult]

// SearchOutcome is what became of one query image.
type SearchOutcome = Outcome[Image, *pb.BulkSearchImagesResult]

// AddAllOptions are the settings of a bulk load.
type AddAllOptions struct {
	// OnMatch is about other files of the same image. Default: allow.
	OnMatch pb.OnMatch
	// MatchScore is the minimum score of these: 0 to 1. Default: that of the library.
	MatchScore float64
	// MaxInFlight is the maximum number of images in memory: 1 to 256. Default: 16.
	MaxInFlight uint32
}

// SearchAllOptions are the settings of a bulk search. Defaults are those of the library.
type SearchAllOptions struct {
	// Tags and TagLogic are as in SearchOptions, and so are MinScore, Profile and Effort.
	Tags     []uint32
	TagLogic pb.TagLogic
	// Limit is the maximum number of matches of one image: 1 to 100. Default: 10.
	Limit    uint32
	MinScore float64
	Profile  pb.Profile
	Effort   pb.Effort
	// MaxInFlight is the maximum number of images in memory: 1 to 256. Default: 16.
	MaxInFlight uint32
}

// AddAll adds any number of images over a stream and yields the outcome of each as it completes.
//
// Items are taken from the source as the gateway gets on. After a broken connection those without an
// outcome are sent again, so an item whose bytes are stored already succeeds, with Existed. An error
// of the second kind ends the run and is its last element: that of the context, of the source, or of
// a gateway that does not come back.
//
// The source runs in a goroutine of its own, so it may wait for outcomes. After the end of the loop
// its next yield returns false; the caller ends one that waits for something else.
func (c *Client) AddAll(
	ctx context.Context, items iter.Seq2[Item, error], options AddAllOptions,
) iter.Seq2[AddOutcome, error] {
	settings := &pb.AddImagesOptions{
		Library:     c.options.Library,
		OnDuplicate: pb.OnDuplicate_ON_DUPLICATE_ACCEPT,
		OnMatch:     options.OnMatch,
		MatchScore:  options.MatchScore,
		MaxInFlight: options.MaxInFlight,
	}
	method := bulkMethod[Item, *pb.AddImagesResult]{
		open: func(ctx context.Context) (grpc.ClientStream, error) { return c.stub.AddImages(ctx) },
		options: &pb.AddImagesRequest{
			Payload: &pb.AddImagesRequest_Options{Options: settings},
		},
		message: func(key string, item Item) (proto.Message, error) {
			message := &pb.AddImagesItem{Key: key, Brief: item.Brief, Tags: item.Tags}
			request := &pb.AddImagesRequest{Payload: &pb.AddImagesRequest_Item{Item: message}}
			return request, setImage(message, item.Image)
		},
		receive: func(stream grpc.ClientStream) (*pb.AddImagesResult, bool, error) {
			response := &pb.AddImagesResponse{}
			err := stream.RecvMsg(response)
			return response.GetResult(), response.GetDrain() != nil, err
		},
	}
	return outcomes(ctx, method, items, options.MaxInFlight)
}

// SearchAll searches with any number of images over a stream and yields the outcome of each as it
// completes, as AddAll does.
func (c *Client) SearchAll(
	ctx context.Context, images iter.Seq2[Image, error], options SearchAllOptions,
) iter.Seq2[SearchOutcome, error] {
	settings := &pb.BulkSearchImagesOptions{
		Library:     c.options.Library,
		Tags:        options.Tags,
		TagLogic:    options.TagLogic,
		Limit:       options.Limit,
		MinScore:    options.MinScore,
		Profile:     options.Profile,
		Effort:      options.Effort,
		MaxInFlight: options.MaxInFlight,
	}
	method := bulkMethod[Image, *pb.BulkSearchImagesResult]{
		open: func(ctx context.Context) (grpc.ClientStream, error) { return c.stub.BulkSearchImages(ctx) },
		options: &pb.BulkSearchImagesRequest{
			Payload: &pb.BulkSearchImagesRequest_Options{Options: settings},
		},
		message: func(key string, image Image) (proto.Message, error) {
			message := &pb.BulkSearchImagesItem{Key: key}
			request := &pb.BulkSearchImagesRequest{Payload: &pb.BulkSearchImagesRequest_Item{Item: message}}
			return request, setImage(message, image)
		},
		receive: func(stream grpc.ClientStream) (*pb.BulkSearchImagesResult, bool, error) {
			response := &pb.BulkSearchImagesResponse{}
			err := stream.RecvMsg(response)
			return response.GetResult(), response.GetDrain() != nil, err
		},
	}
	return outcomes(ctx, method, images, options.MaxInFlight)
}

// Each makes a source of a sequence that cannot fail, such as slices.Values(items).
func Each[T any](items iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Receive makes a source of a channel. It ends when the channel is closed, or with the error of the
// context.
func Receive[T any](ctx context.Context, items <-chan T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			select {
			case item, isOpen := <-items:
				if !isOpen || !yield(item, nil) {
					return
				}
			case <-ctx.Done():
				var none T
				yield(none, contextError(ctx))
				return
			}
		}
	}
}
