package samegate

import (
	"cmp"
	"context"
	"iter"

	pb "samegate/v1"
)

// AddOptions are the settings of an addition.
type AddOptions struct {
	// Brief is a text that each match returns, usually the caller's own id: up to 256 bytes.
	Brief string
	// Tags are numbers that searches can filter by: up to 2, each 1 to 65535.
	Tags []uint32
	// OnDuplicate is about the same bytes. Default: reject with IMAGE_ALREADY_EXISTS.
	OnDuplicate pb.OnDuplicate
	// OnMatch is about other files of the same image. Default: allow.
	OnMatch pb.OnMatch
	// MatchScore is the minimum score of these: 0 to 1. Default: that of the library.
	MatchScore float64
}

// Add adds one image.
func (c *Client) Add(ctx context.Context, image NewImage, options AddOptions) (*pb.AddImageResponse, error) {
	request := &pb.AddImageRequest{
		Library:     c.options.Library,
		Brief:       options.Brief,
		Tags:        options.Tags,
		OnDuplicate: options.OnDuplicate,
		OnMatch:     options.OnMatch,
		MatchScore:  options.MatchScore,
	}
	if err := setImage(request, image); err != nil {
		return nil, err
	}
	return c.stub.AddImage(ctx, request)
}

// SearchOptions are the settings of a search. Defaults are those of the library.
type SearchOptions struct {
	// Tags that a match must have: up to 2.
	Tags []uint32
	// TagLogic combines two tags. Default: AND.
	TagLogic pb.TagLogic
	// Offset is the number of matches to skip, best first: 0 to 999.
	Offset uint32
	// Limit is the maximum number of matches: 1 to 1000. Default: 300.
	Limit uint32
	// MinScore of a match: 0 to 1.
	MinScore float64
	// Profile is how certain a match must be.
	Profile pb.Profile
	// Effort is how much to do if the image matches nothing at first.
	Effort pb.Effort
}

// Search finds the stored images that are wholly or partly the same.
func (c *Client) Search(ctx context.Context, image Image, options SearchOptions) (*pb.SearchImagesResponse, error) {
	request := &pb.SearchImagesRequest{
		Library:  c.options.Library,
		Tags:     options.Tags,
		TagLogic: options.TagLogic,
		Offset:   options.Offset,
		Limit:    options.Limit,
		MinScore: options.MinScore,
		Profile:  options.Profile,
		Effort:   options.Effort,
	}
	if err := setImage(request, image); err != nil {
		return nil, err
	}
	return c.stub.SearchImages(ctx, request)
}

// Compare compares two images; nothing is stored.
func (c *Client) Compare(ctx context.Context, first, second Image) (*pb.CompareImagesResponse, error) {
	request := &pb.CompareImagesRequest{
		Library: c.options.Library,
		First:   &pb.ComparedImage{},
		Second:  &pb.ComparedImage{},
	}
	if err := cmp.Or(setImage(request.First, first), setImage(request.Second, second)); err != nil {
		return nil, err
	}
	return c.stub.CompareImages(ctx, request)
}

// Changes are the new values of a stored image.
type Changes struct {
	// Brief replaces the stored brief; nil leaves it.
	Brief *string
	// Tags replace the stored tags; nil leaves them, an empty slice removes them.
	Tags []uint32
}

// Update changes the brief or the tags, or both, of a stored image.
func (c *Client) Update(ctx context.Context, image Image, changes Changes) error {
	request := &pb.UpdateImageRequest{Library: c.options.Library, Brief: changes.Brief}
	if changes.Tags != nil {
		request.Tags = &pb.TagList{Values: changes.Tags}
	}
	if err := setImage(request, image); err != nil {
		return err
	}
	_, err := c.stub.UpdateImage(ctx, request)
	return err
}

// Delete deletes up to 10,000 images by their signs; read Results for the outcome of each.
func (c *Client) Delete(ctx context.Context, signs ...string) (*pb.DeleteImagesResponse, error) {
	return c.stub.DeleteImages(ctx, &pb.DeleteImagesRequest{
		Library: c.options.Library,
		Target:  &pb.DeleteImagesRequest_ContSigns{ContSigns: &pb.ContSignList{Values: signs}},
	})
}

// GetOptions are the settings of a read.
type GetOptions struct {
	// Preview says whether the record has the preview, if one is stored.
	Preview bool
}

// Get returns the record of a stored image, with its thumbnail.
func (c *Client) Get(ctx context.Context, sign string, options GetOptions) (*pb.Image, error) {
	request := &pb.GetImageRequest{Library: c.options.Library, ContSign: sign, Preview: options.Preview}
	response, err := c.stub.GetImage(ctx, request)
	return response.GetImage(), err
}

// ListOptions select and order the images of a listing.
type ListOptions struct {
	// Filter admits images. Default: all.
	Filter *pb.ImageFilter
	// Order of the listing. Default: oldest first.
	Order pb.ListOrder
	// PageSize is the number of images of one call: 1 to 1000. Default: 1000.
	PageSize uint32
	// Thumbnails says whether the records have thumbnails.
	Thumbnails bool
}

// Images lists the stored images, page by page. An error is the last element.
func (c *Client) Images(ctx context.Context, options ListOptions) iter.Seq2[*pb.Image, error] {
	return func(yield func(*pb.Image, error) bool) {
		request := &pb.ListImagesRequest{
			Library:    c.options.Library,
			Filter:     options.Filter,
			Order:      options.Order,
			PageSize:   cmp.Or(options.PageSize, 1000),
			Thumbnails: options.Thumbnails,
		}
		for {
			page, err := c.stub.ListImages(ctx, request)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, image := range page.Images {
				if !yield(image, nil) {
					return
				}
			}
			if request.PageToken = page.NextPageToken; request.PageToken == "" {
				return
			}
		}
	}
}

// Tags returns the tags of the library, each with the number of its images.
func (c *Client) Tags(ctx context.Context) ([]*pb.TagCount, error) {
	response, err := c.stub.ListTags(ctx, &pb.ListTagsRequest{Library: c.options.Library})
	return response.GetTags(), err
}

// Info returns the size, the capacity and the limits of the library.
func (c *Client) Info(ctx context.Context) (*pb.GetLibraryResponse, error) {
	return c.stub.GetLibrary(ctx, &pb.GetLibraryRequest{Library: c.options.Library})
}

// Libraries returns the libraries that the caller may use, with what each can do.
func (c *Client) Libraries(ctx context.Context) ([]*pb.LibraryInfo, error) {
	response, err := c.stub.ListLibraries(ctx, &pb.ListLibrariesRequest{})
	return response.GetLibraries(), err
}

// State returns the caller's libraries, quotas and last calls, and the version of the gateway.
func (c *Client) State(ctx context.Context) (*pb.GetStateResponse, error) {
	return c.stub.GetState(ctx, &pb.GetStateRequest{})
}
