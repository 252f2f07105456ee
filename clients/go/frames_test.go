package samegate_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"samegate"
)

// What can be set about the frames of a connection. grpc-go sends a message in DATA frames of 16 KiB.
var frames = map[string][]grpc.DialOption{
	"default":      {},
	"unbuffered":   {grpc.WithWriteBufferSize(0)},
	"buffer 1 MiB": {grpc.WithWriteBufferSize(1 << 20)},
	"window 64 KiB": {
		grpc.WithStaticStreamWindowSize(1 << 16), grpc.WithStaticConnWindowSize(1 << 16),
	},
	"window 8 MiB": {
		grpc.WithInitialWindowSize(8 << 20), grpc.WithInitialConnWindowSize(8 << 20),
	},
}

// The bytes are no image, so that the gateway receives them and does no more.
var large = make(samegate.Bytes, 3<<20)

func sendLarge(t testing.TB, client *samegate.Client) {
	t.Helper()
	found, err := client.Search(context.Background(), large, samegate.SearchOptions{})
	equal(t, rejected(t, found, err).Reason, "IMAGE_FORMAT")
}

func TestLargeImagesArriveWithAnySettingOfFrames(t *testing.T) {
	g := start(t)
	for name, options := range frames {
		t.Run(name, func(t *testing.T) {
			client := g.client(func(o *samegate.Options) { o.DialOptions = options })
			for range 10 {
				sendLarge(t, client)
			}
		})
	}
}

func BenchmarkCallOf3MiB(b *testing.B) {
	g := start(b)
	for name, options := range frames {
		b.Run(name, func(b *testing.B) {
			client := g.client(func(o *samegate.Options) { o.DialOptions = options })
			b.SetBytes(int64(len(large)))
			for b.Loop() {
				sendLarge(b, client)
			}
		})
	}
}
