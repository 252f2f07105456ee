package samegate_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"samegate"
	pb "samegate/v1"
)

func TestAnImageIsAddedFoundChangedAndDeleted(t *testing.T) {
	ctx, client := context.Background(), start(t).client()
	isServing, err := client.IsServing(ctx)
	must(t, err)
	equal(t, isServing, true)
	added, err := client.Add(ctx, pngOf(1), samegate.AddOptions{Brief: "one", Tags: []uint32{7}})
	must(t, err)
	_, err = client.Add(ctx, pngOf(2), samegate.AddOptions{Brief: "two"})
	must(t, err)
	path := filepath.Join(t.TempDir(), "one.jpg")
	must(t, os.WriteFile(path, jpegOf(1), 0o600))

	found, err := client.Search(ctx, samegate.File(path), samegate.SearchOptions{Tags: []uint32{7}})
	must(t, err)
	equal(t, len(found.Matches), 1)
	equal(t, found.Matches[0].ContSign, added.ContSign)
	compared, err := client.Compare(ctx, jpegOf(1), samegate.Sign(added.ContSign))
	must(t, err)
	equal(t, compared.Score > 0.9, true)
	tags, err := client.Tags(ctx)
	must(t, err)
	equal(t, len(tags), 1)
	must(t, client.Update(ctx, pngOf(1), samegate.Changes{Brief: new("new"), Tags: []uint32{}}))
	record, err := client.Get(ctx, added.ContSign, samegate.GetOptions{})
	must(t, err)
	equal(t, record.Brief, "new")
	equal(t, len(record.Tags), 0)
	var briefs []string
	for image, err := range client.Images(ctx, samegate.ListOptions{PageSize: 1}) {
		must(t, err)
		briefs = append(briefs, image.Brief)
	}
	equal(t, strings.Join(briefs, " "), "new two")
	libraries, err := client.Libraries(ctx)
	must(t, err)
	equal(t, libraries[0].GetImageCount(), 2)
	state, err := client.State(ctx)
	must(t, err)
	equal(t, state.Tenant, "shop")
	deleted, err := client.Delete(ctx, added.ContSign, "1,1")
	must(t, err)
	equal(t, deleted.Results[0].Status.Code, 0)
	equal(t, codes.Code(deleted.Results[1].Status.Code), codes.NotFound)
	filter := &pb.DeleteImagesRequest_Filter{Filter: &pb.ImageFilter{BriefContains: "two"}}
	_, err = client.Stub().DeleteImages(ctx, &pb.DeleteImagesRequest{Target: filter})
	must(t, err)
	equal(t, imageCount(t, client), 0)
}

func TestARecordHasItsThumbnailAndOnRequestItsPreview(t *testing.T) {
	ctx, client := context.Background(), start(t).client()
	added, err := client.Add(ctx, pngOf(1), samegate.AddOptions{})
	must(t, err)

	record, err := client.Get(ctx, added.ContSign, samegate.GetOptions{})
	must(t, err)
	equal(t, longerSide(t, record.ThumbnailJpeg), 256)
	equal(t, len(record.PreviewJpeg), 0)
	record, err = client.Get(ctx, added.ContSign, samegate.GetOptions{Preview: true})
	must(t, err)
	equal(t, longerSide(t, record.PreviewJpeg), 480)
}

func longerSide(t testing.TB, file []byte) int {
	t.Helper()
	decoded, err := jpeg.DecodeConfig(bytes.NewReader(file))
	must(t, err)
	return max(decoded.Width, decoded.Height)
}

func TestAnErrorNamesReasonFieldsAndTheStoredImage(t *testing.T) {
	ctx, g := context.Background(), start(t)
	client := g.client()
	added, err := client.Add(ctx, pngOf(1), samegate.AddOptions{})
	must(t, err)

	response, err := client.Add(ctx, pngOf(1), samegate.AddOptions{})
	same := rejected(t, response, err)
	equal(t, status.Code(err), codes.AlreadyExists)
	equal(t, same.Reason, "IMAGE_ALREADY_EXISTS")
	equal(t, same.ContSign(), added.ContSign)
	equal(t, same.IsTransient(), false)
	response, err = client.Add(ctx, jpegOf(1), samegate.AddOptions{OnMatch: pb.OnMatch_ON_MATCH_REJECT})
	match := rejected(t, response, err)
	equal(t, match.Reason, "SAME_IMAGE_EXISTS")
	equal(t, len(match.Matches), 1)
	equal(t, match.Matches[0].ContSign, added.ContSign)
	long := samegate.AddOptions{Brief: strings.Repeat("b", 257), Tags: []uint32{1, 2, 3}}
	response, err = client.Add(ctx, pngOf(2), long)
	invalid := rejected(t, response, err)
	equal(t, len(invalid.Violations), 2)
	equal(t, strings.Count(err.Error(), "`brief`"), 1)
	image, err := client.Get(ctx, "1,1", samegate.GetOptions{})
	equal(t, rejected(t, image, err).Reason, "IMAGE_NOT_FOUND")
	info, err := g.client(func(o *samegate.Options) { o.Library = "none" }).Info(ctx)
	equal(t, rejected(t, info, err).Reason, "LIBRARY_NOT_FOUND")
}

func TestWhatCannotBeSentIsAnErrorOfThisSide(t *testing.T) {
	ctx, client := context.Background(), start(t).client()

	found, err := client.Search(ctx, samegate.File("none.jpg"), samegate.SearchOptions{})
	unreadable := rejected(t, found, err)
	equal(t, unreadable.Reason, "FILE_UNREADABLE")
	equal(t, unreadable.IsTransient(), false)
	equal(t, errors.Is(err, fs.ErrNotExist), true)
	added, err := client.Add(ctx, nil, samegate.AddOptions{})
	equal(t, rejected(t, added, err).Reason, "INVALID_ITEM")
	added, err = client.Add(ctx, pngOf(1), samegate.AddOptions{Brief: "poster \xff"})
	equal(t, rejected(t, added, err).Reason, "INVALID_ITEM")
	equal(t, status.Code(err), codes.InvalidArgument)
	equal(t, strings.Contains(err.Error(), "`brief` is not UTF-8"), true)
	// Takes no memory, because nothing reads it.
	huge, err := syscall.Mmap(-1, 0, 2<<30, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(t, err)
	defer syscall.Munmap(huge)
	found, err = client.Search(ctx, samegate.Bytes(huge), samegate.SearchOptions{})
	equal(t, rejected(t, found, err).Reason, "INVALID_ITEM")
	_, err = samegate.TLSFiles("", "none.crt", "none.key")
	equal(t, errors.Is(err, fs.ErrNotExist), true)
}

func TestAKeyDecidesWhatIsAllowed(t *testing.T) {
	ctx, g := context.Background(), start(t)
	key, failure := "other", error(nil)
	client := g.client(func(o *samegate.Options) {
		o.KeyFunc = func(context.Context) (string, error) { return key, failure }
	})

	info, err := client.Info(ctx)
	equal(t, rejected(t, info, err).Reason, "CREDENTIALS_INVALID")
	key = "reader"
	equal(t, imageCount(t, client), 0)
	added, err := client.Add(ctx, pngOf(1), samegate.AddOptions{})
	equal(t, rejected(t, added, err).Reason, "READ_ONLY_KEY")
	outcomes, err := collect(client.AddAll(ctx, samegate.Each(slices.Values(items(3))), samegate.AddAllOptions{}))
	equal(t, rejected(t, outcomes, err).Reason, "READ_ONLY_KEY")
	failure = errors.New("no token")
	_, err = client.Info(ctx)
	equal(t, errors.Is(err, failure), true)
	_, err = collect(client.AddAll(ctx, samegate.Each(slices.Values(items(3))), samegate.AddAllOptions{}))
	equal(t, errors.Is(err, failure), true)
}

func TestAKeyThatAHeaderCannotHaveIsALastingError(t *testing.T) {
	client := clientOf(t, freeAddress(t), func(o *samegate.Options) { o.APIKey = "secret\n" })

	info, err := client.Info(ctx)
	failure := rejected(t, info, err)
	equal(t, failure.Reason, "INVALID_KEY")
	equal(t, failure.IsTransient(), false)
	equal(t, strings.Contains(err.Error(), "secret"), false)
	outcomes, err := collect(client.AddAll(ctx, samegate.Each(slices.Values(items(3))), samegate.AddAllOptions{}))
	equal(t, rejected(t, outcomes, err).Reason, "INVALID_KEY")
}

func TestNothingThatIsPrintedShowsTheKey(t *testing.T) {
	options := samegate.Options{APIKey: "secret", Library: "default"}
	client, err := samegate.New("localhost:1", options)
	must(t, err)
	defer client.Close()

	printed := fmt.Sprintf("%v %+v %+v", options, struct{ Gateway samegate.Options }{options}, client)

	equal(t, strings.Contains(printed, "secret"), false)
	equal(t, strings.Contains(printed, "default"), true)
}

func TestARejectedCallIsSentAgainWhenTheGatewayAsksForIt(t *testing.T) {
	ctx, client := context.Background(), start(t, "quota = { requests_per_second = 1, burst = 1 }").client()
	// Longer than what gRPC would keep for a retry by default.
	large := samegate.Bytes(append(pngOf(1), make([]byte, 3<<20)...))
	begin := time.Now()
	for range 3 {
		options := samegate.AddOptions{OnDuplicate: pb.OnDuplicate_ON_DUPLICATE_ACCEPT}
		_, err := client.Add(ctx, large, options)
		must(t, err)
	}
	equal(t, time.Since(begin) > time.Second, true)
}

func TestAPushbackOfMinusOneEndsTheCall(t *testing.T) {
	ctx, client := context.Background(), start(t, "quota = { requests_per_day = 1 }").client()
	imageCount(t, client)

	info, err := client.Info(ctx)
	failure := rejected(t, info, err)

	equal(t, failure.Reason, "QUOTA_DAY_EXCEEDED")
	equal(t, failure.Code, codes.ResourceExhausted)
	equal(t, failure.IsTransient(), false)
}

func TestAGatewayThatDoesNotRespondMeetsTheDeadline(t *testing.T) {
	ctx, g := context.Background(), start(t)
	client := g.client(func(o *samegate.Options) { o.Timeout = time.Second })
	imageCount(t, client)
	must(t, g.process.Process.Signal(syscall.SIGSTOP))

	var info *pb.GetLibraryResponse
	var err error
	waitUntil(t, "the signal has stopped the gateway", func() bool {
		info, err = client.Info(ctx)
		return err != nil
	})
	late := rejected(t, info, err)
	equal(t, late.Code, codes.DeadlineExceeded)
	equal(t, late.IsTransient(), true)
	equal(t, errors.Is(err, context.DeadlineExceeded), true)
	isServing, err := client.IsServing(ctx)
	must(t, err)
	equal(t, isServing, false)
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(100*time.Millisecond, cancel)
	info, err = client.Info(ctx)
	cancelled := rejected(t, info, err)
	equal(t, cancelled.IsTransient(), false)
	equal(t, errors.Is(err, context.Canceled), true)
}

func TestAGatewayThatIsNotThereIsOneError(t *testing.T) {
	ctx, client := context.Background(), clientOf(t, freeAddress(t))

	info, err := client.Info(ctx)
	failure := rejected(t, info, err)
	equal(t, failure.Code, codes.Unavailable)
	equal(t, failure.Reason, "")
	equal(t, failure.IsTransient(), true)
	isServing, err := client.IsServing(ctx)
	must(t, err)
	equal(t, isServing, false)
}

func TestAGatewayWithoutTLSIsOneError(t *testing.T) {
	client := start(t).client(func(o *samegate.Options) { o.TLS = &tls.Config{} })

	info, err := client.Info(context.Background())
	equal(t, rejected(t, info, err).Code, codes.Unavailable)
}

func TestNoCallFailsWhenAReplicaIsReplaced(t *testing.T) {
	for _, hasHealthChecks := range []bool{false, true} {
		replaceReplica(t, hasHealthChecks)
	}
}

func replaceReplica(t *testing.T, hasHealthChecks bool) {
	ctx, one, other := context.Background(), start(t), start(t)
	replicas := manual.NewBuilderWithScheme("replicas")
	replicas.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: one.address}, {Addr: other.address}}})
	client := clientOf(t, "replicas:///localhost", func(o *samegate.Options) {
		o.HealthChecks = hasHealthChecks
		o.DialOptions = []grpc.DialOption{grpc.WithResolvers(replicas)}
	})
	_, err := one.client().Add(ctx, pngOf(1), samegate.AddOptions{})
	must(t, err)
	counts := map[uint64]int{}
	call := func() {
		counts[imageCount(t, client)]++
	}

	waitUntil(t, "both gateways respond", func() bool {
		call()
		return counts[0] > 0 && counts[1] > 0
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		one.end(syscall.SIGTERM)
	}()
	for isOver := false; !isOver; {
		select {
		case <-ended:
			isOver = true
		default:
			call()
		}
	}
	call()
}
