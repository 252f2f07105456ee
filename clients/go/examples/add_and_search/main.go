// Adds an image and finds it by another one.
//
// Usage: add_and_search HOST:PORT STORED QUERY
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"samegate"
	pb "samegate/v1"
)

func run(ctx context.Context, target, stored, query string) error {
	client, err := samegate.New(target, samegate.Options{APIKey: os.Getenv("SAMEGATE_API_KEY")})
	if err != nil {
		return err
	}
	defer client.Close()
	// With ACCEPT it is no error that the same bytes are stored already.
	added, err := client.Add(ctx, samegate.File(stored), samegate.AddOptions{
		Brief:       filepath.Base(stored),
		OnDuplicate: pb.OnDuplicate_ON_DUPLICATE_ACCEPT,
	})
	if err != nil {
		return err
	}
	when := "now"
	if added.Existed {
		when = "before"
	}
	fmt.Println("stored as", added.ContSign, when)
	found, err := client.Search(ctx, samegate.File(query), samegate.SearchOptions{Limit: 10})
	for _, match := range found.GetMatches() {
		fmt.Printf("%.1f%%  %s  %s\n", 100*match.Score, match.ContSign, match.Brief)
	}
	return err
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: add_and_search HOST:PORT STORED QUERY")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}
