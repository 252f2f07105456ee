// Shows every kind of error, and what to do about it.
//
// Usage: errors HOST:PORT PICTURE
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"google.golang.org/grpc/codes"

	"samegate"
)

// addOnce adds an image; returns its sign, also if it is stored already.
func addOnce(ctx context.Context, client *samegate.Client, image samegate.NewImage) (string, error) {
	added, err := client.Add(ctx, image, samegate.AddOptions{})
	var failure *samegate.Error
	if errors.As(err, &failure) && failure.Reason == "IMAGE_ALREADY_EXISTS" {
		return failure.ContSign(), nil
	}
	return added.GetContSign(), err
}

// explain says whose turn it is.
func explain(failure *samegate.Error) string {
	switch {
	case len(failure.Violations) > 0:
		var fields []string
		for _, violation := range failure.Violations {
			fields = append(fields, violation.Field+": "+violation.Description)
		}
		return "change the request (" + strings.Join(fields, ", ") + ")"
	case failure.Code == codes.Unauthenticated || failure.Code == codes.PermissionDenied:
		return "check the key"
	case failure.Code == codes.NotFound:
		return "there is no such image or library"
	case failure.IsTransient():
		// The client has tried again already, as often as it may within its timeout.
		if failure.RetryAfter > 0 {
			return fmt.Sprintf("try again later after %.1f s", failure.RetryAfter.Seconds())
		}
		return "try again later"
	}
	return "tell the operator of the gateway, with the reason"
}

func run(ctx context.Context, target string, picture samegate.File) error {
	client, err := samegate.New(target, samegate.Options{APIKey: os.Getenv("SAMEGATE_API_KEY")})
	if err != nil {
		return err
	}
	defer client.Close()
	first, firstErr := addOnce(ctx, client, picture)
	second, secondErr := addOnce(ctx, client, picture)
	fmt.Println("stored as", first, second)
	_, format := client.Search(ctx, samegate.Bytes("not a picture"), samegate.SearchOptions{})
	_, fields := client.Add(ctx, picture, samegate.AddOptions{Brief: strings.Repeat("x", 257), Tags: []uint32{0}})
	_, missing := client.Get(ctx, "1,1", samegate.GetOptions{})
	_, unreadable := client.Search(ctx, samegate.File("no such file"), samegate.SearchOptions{})
	for _, err := range []error{firstErr, secondErr, format, fields, missing, unreadable} {
		if failure, isTyped := errors.AsType[*samegate.Error](err); isTyped {
			fmt.Printf("%s: %s: %s\n", failure.Reason, failure.Message, explain(failure))
		}
	}
	return errors.Join(firstErr, secondErr)
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: errors HOST:PORT PICTURE")
	}
	if err := run(context.Background(), os.Args[1], samegate.File(os.Args[2])); err != nil {
		log.Fatal(err)
	}
}
