package samegate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"samegate"
)

// Nothing takes as long, also on a busy machine.
const limit = 90 * time.Second

// gateway is a gateway of SAMEGATE_BINARY with the keys "writer" and "reader", in a folder of its own.
type gateway struct {
	t                    testing.TB
	folder               string
	address, rest, admin string
	process              *exec.Cmd
	ended                chan struct{}
}

// start starts a gateway; `settings` are further ones of its tenant.
func start(t testing.TB, settings ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, folder: t.TempDir()}
	g.address, g.rest, g.admin = freeAddress(t), freeAddress(t), freeAddress(t)
	config := fmt.Sprintf(`
[limits]
lame_duck = "1s"
[libraries.default]
backend = "embedded"
data_dir = "data"
[tenants.shop]
libraries = ["default"]
api_keys = ["sha256:%x"]
read_keys = ["sha256:%x"]
%s
`, sha256.Sum256([]byte("writer")), sha256.Sum256([]byte("reader")), strings.Join(settings, "\n"))
	must(t, os.WriteFile(filepath.Join(g.folder, "samegate.toml"), []byte(config), 0o600))
	g.start()
	t.Cleanup(func() { g.end(syscall.SIGKILL) })
	return g
}

func (g *gateway) start() {
	g.t.Helper()
	binary := os.Getenv("SAMEGATE_BINARY")
	if binary == "" {
		g.t.Fatal("SAMEGATE_BINARY names no gateway")
	}
	log, err := os.OpenFile(filepath.Join(g.folder, "gateway.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(g.t, err)
	defer log.Close()
	g.process = exec.Command(binary, "serve", "--config", "samegate.toml",
		"--grpc", g.address, "--rest", g.rest, "--admin", g.admin)
	g.process.Dir, g.process.Stdout, g.process.Stderr = g.folder, log, log
	must(g.t, g.process.Start())
	g.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan<- struct{}) {
		process.Wait()
		close(ended)
	}(g.process, g.ended)
	waitUntil(g.t, "the gateway is ready", func() bool {
		select {
		case <-g.ended:
			text, _ := os.ReadFile(log.Name())
			g.t.Fatalf("the gateway has ended: %s", text)
		default:
		}
		response, err := http.Get("http://" + g.admin + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	})
}

// end sends a signal and waits for the end of the process.
func (g *gateway) end(signal os.Signal) {
	g.process.Process.Signal(signal)
	<-g.ended
}

// client makes a client of the gateway with the key "writer".
func (g *gateway) client(change ...func(*samegate.Options)) *samegate.Client {
	g.t.Helper()
	return clientOf(g.t, g.address, change...)
}

func clientOf(t testing.TB, target string, change ...func(*samegate.Options)) *samegate.Client {
	t.Helper()
	options := samegate.Options{APIKey: "writer"}
	for _, change := range change {
		change(&options)
	}
	client, err := samegate.New(target, options)
	must(t, err)
	t.Cleanup(func() {
		checkLeaks(t)
		client.Close()
	})
	return client
}

// freeAddress returns an address below the range of ephemeral ports, so that no outgoing connection
// has it while a gateway restarts.
func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000))
		if listener, err := net.Listen("tcp", address); err == nil {
			must(t, listener.Close())
			return address
		}
	}
}

func waitUntil(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// checkLeaks fails the test if a goroutine of a bulk run or a stream is there after its end. A client
// that closes ends its streams, also those that were forgotten.
func checkLeaks(t testing.TB) {
	waitUntil(t, "no goroutine is left", func() bool {
		return !hasGoroutine("samegate.(*run") && !hasGoroutine("samegate.send") &&
			!hasGoroutine("grpc.newClientStream")
	})
}

// hasGoroutine returns whether a goroutine is in a function.
func hasGoroutine(function string) bool {
	buffer := make([]byte, 1<<20)
	return strings.Contains(string(buffer[:runtime.Stack(buffer, true)]), function)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, found, expected T) {
	t.Helper()
	if found != expected {
		t.Errorf("%v instead of %v", found, expected)
	}
}

// rejected expects an error of the package and returns it.
func rejected[T any](t testing.TB, _ T, err error) *samegate.Error {
	t.Helper()
	var failure *samegate.Error
	if !errors.As(err, &failure) {
		t.Fatalf("no *samegate.Error: %v", err)
	}
	return failure
}

// drawing draws rectangles on a gradient, so that every seed looks different and has corners.
func drawing(seed uint64) image.Image {
	random := rand.New(rand.NewPCG(seed, 1))
	drawn := image.NewRGBA(image.Rect(0, 0, 480, 360))
	for y := range 360 {
		shade := color.RGBA{uint8(y / 2), uint8(random.IntN(8)), uint8(200 - y/2), 255}
		draw.Draw(drawn, image.Rect(0, y, 480, y+1), image.NewUniform(shade), image.Point{}, draw.Src)
	}
	for range 60 {
		x, y := random.IntN(400), random.IntN(300)
		place := image.Rect(x, y, x+10+random.IntN(110), y+10+random.IntN(80))
		shade := color.RGBA{uint8(random.IntN(256)), uint8(random.IntN(256)), uint8(random.IntN(256)), 255}
		draw.Draw(drawn, place, image.NewUniform(shade), image.Point{}, draw.Src)
	}
	return drawn
}

func pngOf(seed uint64) samegate.Bytes { return encoded(drawing(seed)) }

func encoded(drawn image.Image) samegate.Bytes {
	buffer := &bytes.Buffer{}
	if err := png.Encode(buffer, drawn); err != nil {
		panic(err)
	}
	return buffer.Bytes()
}

// jpegOf is another file of the same image.
func jpegOf(seed uint64) samegate.Bytes {
	buffer := &bytes.Buffer{}
	if err := jpeg.Encode(buffer, drawing(seed), &jpeg.Options{Quality: 90}); err != nil {
		panic(err)
	}
	return buffer.Bytes()
}

// items makes images that differ; searches are not what is tested, so they are one small image.
func items(count int) []samegate.Item {
	content := encoded(image.NewGray(image.Rect(0, 0, 64, 64)))
	made := make([]samegate.Item, count)
	for number := range made {
		// A decoder ignores what comes after the end of the image.
		other := fmt.Appendf(bytes.Clone(content), "%d", number)
		made[number] = samegate.Item{Image: samegate.Bytes(other), Brief: fmt.Sprintf("n/%d", number)}
	}
	return made
}

func imageCount(t testing.TB, client *samegate.Client) uint64 {
	t.Helper()
	info, err := client.Info(context.Background())
	must(t, err)
	return info.ImageCount
}
