// Loads a folder of images; a second run sends only what the first one has not.
//
// Usage: load_folder HOST:PORT FOLDER
//
// The file `.loaded` in the folder lists what is stored: what the gateway has acknowledged is on disk.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"samegate"
)

var suffixes = []string{".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}

func run(ctx context.Context, target, folder string) error {
	journal, err := os.OpenFile(filepath.Join(folder, ".loaded"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer journal.Close()
	stored := map[string]bool{}
	for lines := bufio.NewScanner(journal); lines.Scan(); {
		stored[lines.Text()] = true
	}
	var items []samegate.Item
	err = fs.WalkDir(os.DirFS(folder), ".", func(name string, _ fs.DirEntry, err error) error {
		if slices.Contains(suffixes, strings.ToLower(filepath.Ext(name))) && !stored[name] {
			path := samegate.File(filepath.Join(folder, name))
			items = append(items, samegate.Item{Image: path, Brief: name})
		}
		return err
	})
	if err != nil {
		return err
	}
	client, err := samegate.New(target, samegate.Options{APIKey: os.Getenv("SAMEGATE_API_KEY")})
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Printf("%d to send, %d stored by earlier runs\n", len(items), len(stored))
	// Files are read when the gateway has room for them, so images are not held in memory.
	number, failed := 0, 0
	for outcome, err := range client.AddAll(ctx, samegate.Each(slices.Values(items)), samegate.AddAllOptions{}) {
		if err != nil {
			return err
		}
		if outcome.Err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s: %v\n", outcome.Item.Brief, outcome.Err)
		} else if _, err := fmt.Fprintln(journal, outcome.Item.Brief); err != nil {
			return err
		}
		if number++; number%100 == 0 || number == len(items) {
			fmt.Printf("%d of %d, %d failed\n", number, len(items), failed)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d failed", failed, number)
	}
	return nil
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: load_folder HOST:PORT FOLDER")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
