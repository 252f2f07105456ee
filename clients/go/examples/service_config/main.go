// Calls gateways with the generated client alone: retries and health checks are gRPC's own. Makes one
// call for each line of its input, and prints its response or its error.
//
// Usage: service_config TARGET FILE
//
// TARGET is a name of all gateways, such as dns:///samegate-headless:50051; FILE is
// clients/service_config.json.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // Without it there are no health checks.
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	pb "samegate/v1"
)

// connect has what a service config cannot say.
func connect(target, config string) (*grpc.ClientConn, error) {
	limited := backoff.DefaultConfig
	// The default is 2 minutes: for that long, calls would wait for a gateway that is back.
	limited.MaxDelay = 5 * time.Second
	return grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: limited, MinConnectTimeout: 20 * time.Second}),
		// By default there are no pings, and a connection that is lost without a word hangs.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute}),
		// By default gRPC retries no request above 256 KiB, less than a photograph.
		grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(64<<20)),
	)
}

func run(target, file string) error {
	config, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	connection, err := connect(target, string(config))
	if err != nil {
		return err
	}
	defer connection.Close()
	client := pb.NewSameImageServiceClient(connection)
	key := "Bearer " + os.Getenv("SAMEGATE_API_KEY")
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", key)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		library, err := client.GetLibrary(ctx, &pb.GetLibraryRequest{})
		if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(library.ImageCount, "images")
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: service_config TARGET FILE")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
