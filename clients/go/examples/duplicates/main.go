// Prints the groups of same images, and the cursor for the next run.
//
// Usage: duplicates HOST:PORT [CURSOR]
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"slices"

	"samegate"
	pb "samegate/v1"
)

func run(ctx context.Context, target, cursor string) error {
	client, err := samegate.New(target, samegate.Options{APIKey: os.Getenv("SAMEGATE_API_KEY")})
	if err != nil {
		return err
	}
	defer client.Close()
	duplicates := client.FindDuplicates(samegate.DuplicatesOptions{MinScore: 0.8, Cursor: cursor})
	for group, err := range duplicates.Groups(ctx) {
		if err != nil {
			return err
		}
		largest := slices.MaxFunc(group.Images, func(a, b *pb.Image) int {
			return cmp.Compare(a.Width*a.Height, b.Width*b.Height)
		})
		count := len(group.Images)
		fmt.Printf("%d pictures; the largest is %s %s\n", count, largest.ContSign, largest.Brief)
		for _, pair := range group.Pairs {
			fmt.Printf("  %.1f%%  %s  %s\n", 100*pair.Score, pair.A, pair.B)
		}
	}
	fmt.Printf("compared %d; next time from %s\n", duplicates.Compared, duplicates.Cursor())
	return nil
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: duplicates HOST:PORT [CURSOR]")
	}
	cursor := append(os.Args, "")[2]
	if err := run(context.Background(), os.Args[1], cursor); err != nil {
		log.Fatal(err)
	}
}
