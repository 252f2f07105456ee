// Prints the libraries that a key may use, each with the number of its images; errors in one line.
//
// Usage: libraries HOST:PORT
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"samegate"
)

func run(ctx context.Context, target string) error {
	client, err := samegate.New(target, samegate.Options{
		APIKey:  os.Getenv("SAMEGATE_API_KEY"),
		Timeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	libraries, err := client.Libraries(ctx)
	for _, library := range libraries {
		count := "?"
		if library.ImageCount != nil {
			count = fmt.Sprint(*library.ImageCount)
		}
		fmt.Println(library.Library, count)
	}
	return err
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: libraries HOST:PORT")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
