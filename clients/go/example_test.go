package samegate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"samegate"
	pb "samegate/v1"
)

// The code of docs/clients/go.md and README.md, which TestDocumentsShowTheseExamples compares.

var (
	ctx    = context.Background()
	client *samegate.Client
	key    = "…"
	paths  []string
	keep   = func(string) {}
	later  = func(time.Duration) {}
	token  = func(context.Context) (string, error) { return key, nil }
)

func ExampleNew() {
	client, err := samegate.New("localhost:50051", samegate.Options{APIKey: key})
	if err != nil {
		panic(err)
	}
	defer client.Close()
}

func ExampleNew_replicas() {
	client, err := samegate.New("dns:///samegate-headless:50051", samegate.Options{
		KeyFunc: token, TLS: &tls.Config{}, HealthChecks: true,
	})
	if err != nil {
		panic(err)
	}
	defer client.Close()
}

func ExampleTLSFiles() {
	_ = func() (*samegate.Client, error) {
		files, err := samegate.TLSFiles("ca.crt", "client.crt", "client.key")
		if err != nil {
			return nil, err
		}
		return samegate.New("gateway:50051", samegate.Options{TLS: files})
	}
}

func ExampleClient_Search() {
	_ = func() error {
		added, err := client.Add(ctx, samegate.File("poster.jpg"), samegate.AddOptions{Brief: "poster 7", Tags: []uint32{3}})
		if err != nil {
			return err
		}
		fmt.Println("stored as", added.ContSign)
		found, err := client.Search(ctx, samegate.File("photo.jpg"), samegate.SearchOptions{MinScore: 0.8, Limit: 10})
		if err != nil {
			return err
		}
		for _, match := range found.Matches {
			fmt.Println(match.Score, match.Brief)
		}
		return nil
	}
}

func ExampleError() {
	_ = func(picture samegate.File) (string, error) {
		added, err := client.Add(ctx, picture, samegate.AddOptions{OnMatch: pb.OnMatch_ON_MATCH_REJECT})
		var failure *samegate.Error
		switch {
		case err == nil:
			return added.ContSign, nil
		case errors.As(err, &failure) && failure.Reason == "IMAGE_ALREADY_EXISTS": // The same bytes.
			return failure.ContSign(), nil
		case failure != nil && len(failure.Matches) > 0: // SAME_IMAGE_EXISTS: another file of the same image.
			return failure.Matches[0].ContSign, nil
		case failure != nil && failure.IsTransient():
			later(failure.RetryAfter)
		}
		return "", err
	}
}

func ExampleClient_AddAll() {
	_ = func() error {
		items := func(yield func(samegate.Item, error) bool) {
			for _, path := range paths {
				if !yield(samegate.Item{Image: samegate.File(path), Brief: path}, nil) {
					return
				}
			}
		}
		for outcome, err := range client.AddAll(ctx, items, samegate.AddAllOptions{}) {
			if err != nil {
				return err // The run has ended.
			}
			if outcome.Err != nil {
				fmt.Println(outcome.Item.Brief, outcome.Err) // This item only.
			}
		}
		return nil
	}
}

func ExampleClient_FindDuplicates() {
	_ = func() error {
		duplicates := client.FindDuplicates(samegate.DuplicatesOptions{MinScore: 0.8})
		for group, err := range duplicates.Groups(ctx) {
			if err != nil {
				return err
			}
			for _, image := range group.Images {
				fmt.Println(image.ContSign, image.Brief)
			}
		}
		keep(duplicates.Cursor())
		return nil
	}
}
