package samegate_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samegate"
)

// collect returns the outcomes before the error of a run.
func collect[O any](run iter.Seq2[O, error]) ([]O, error) {
	var outcomes []O
	for outcome, err := range run {
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

func TestABulkLoadGivesOneOutcomeForEachItem(t *testing.T) {
	g := start(t)
	client := g.client()
	bad := []samegate.Item{
		{Image: samegate.Bytes("no image"), Brief: "IMAGE_FORMAT"},
		{Image: samegate.File("none.jpg"), Brief: "FILE_UNREADABLE"},
		{Image: pngOf(2), Brief: strings.Repeat("PARAMETER_TOO_LONG", 20)},
		{Image: pngOf(2), Brief: "INVALID_ITEM\xff"},
		{Brief: "INVALID_ITEM"},
	}
	path := filepath.Join(g.folder, "file.png")
	must(t, os.WriteFile(path, pngOf(3), 0o600))
	good := append(items(5), samegate.Item{Image: samegate.File(path), Brief: "file"})

	all := samegate.Each(slices.Values(slices.Concat(good, bad)))
	outcomes, err := collect(client.AddAll(context.Background(), all, samegate.AddAllOptions{}))

	must(t, err)
	equal(t, len(outcomes), 11)
	for _, outcome := range outcomes {
		var failure *samegate.Error
		if errors.As(outcome.Err, &failure) {
			equal(t, strings.HasPrefix(outcome.Item.Brief, failure.Reason), true)
		} else {
			equal(t, outcome.Result.ContSign != "", true)
		}
	}
	equal(t, imageCount(t, client), 6)
}

func TestAnErrorOfTheSourceComesAfterTheOutcomes(t *testing.T) {
	client := start(t).client()
	failure := errors.New("the row is broken")
	source := func(yield func(samegate.Item, error) bool) {
		for _, item := range items(3) {
			yield(item, nil)
		}
		yield(samegate.Item{}, failure)
	}

	outcomes, err := collect(client.AddAll(context.Background(), source, samegate.AddAllOptions{}))

	equal(t, err, failure)
	equal(t, len(outcomes), 3)
	equal(t, imageCount(t, client), 3)
}

func TestAPanicOfTheSourceIsThatOfTheCaller(t *testing.T) {
	client := start(t).client()
	defer func() { equal(t, recover(), any("mine")) }()

	collect(client.AddAll(context.Background(), func(func(samegate.Item, error) bool) { panic("mine") },
		samegate.AddAllOptions{}))
	t.Error("no panic")
}

func TestASourceThatEndsItsGoroutineIsNoEnd(t *testing.T) {
	client := start(t).client()
	source := func(yield func(samegate.Item, error) bool) {
		yield(items(1)[0], nil)
		runtime.Goexit()
	}

	outcomes, err := collect(client.AddAll(context.Background(), source, samegate.AddAllOptions{}))

	equal(t, len(outcomes), 1)
	equal(t, err != nil, true)
}

func TestASourceThatIgnoresTheEndOfTheLoopEndsOnlyItself(t *testing.T) {
	client := start(t).client()
	hasEnded := make(chan struct{})
	source := func(yield func(samegate.Item, error) bool) {
		defer close(hasEnded)
		for {
			yield(items(1)[0], nil)
		}
	}

	for range client.AddAll(context.Background(), source, samegate.AddAllOptions{}) {
		break
	}

	<-hasEnded
}

func TestTheContextOfAChannelEndsTheRun(t *testing.T) {
	client := start(t).client()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	channel := make(chan samegate.Item, 1)
	channel <- items(1)[0]
	var last error
	for _, err := range client.AddAll(context.Background(), samegate.Receive(ctx, channel), samegate.AddAllOptions{}) {
		last = err
		cancel()
	}

	equal(t, errors.Is(last, context.Canceled), true)
	equal(t, rejected(t, 0, last).IsTransient(), false)
}

func TestOptionsThatCannotBeSentEndTheRunAtOnce(t *testing.T) {
	client := clientOf(t, freeAddress(t), func(o *samegate.Options) { o.Library = "a\xff" })

	outcomes, err := collect(client.AddAll(ctx, samegate.Each(slices.Values(items(3))), samegate.AddAllOptions{}))

	equal(t, rejected(t, outcomes, err).Reason, "INVALID_ITEM")
}

func TestTheSourceMayWaitForOutcomes(t *testing.T) {
	ctx, client := context.Background(), start(t).client()
	channel, settled := make(chan samegate.Item), make(chan bool)
	go func() {
		defer close(channel)
		all := slices.Insert(items(4), 2, samegate.Item{Image: samegate.File("none.jpg")})
		for _, item := range all {
			channel <- item
			<-settled
		}
	}()

	count := 0
	for _, err := range client.AddAll(ctx, samegate.Receive(ctx, channel), samegate.AddAllOptions{}) {
		must(t, err)
		count++
		settled <- true
	}

	equal(t, count, 5)
	equal(t, imageCount(t, client), 4)
}

func TestFilesThatCannotBeReadAreNotKeptInMemory(t *testing.T) {
	client := start(t).client()
	var taken atomic.Int32
	source := func(yield func(samegate.Item, error) bool) {
		for number := range 500 {
			taken.Add(1)
			if !yield(samegate.Item{Image: samegate.File(fmt.Sprintf("%d.jpg", number))}, nil) {
				return
			}
		}
	}

	count := 0
	for _, err := range client.AddAll(context.Background(), source, samegate.AddAllOptions{}) {
		must(t, err)
		count++
		if ahead := int(taken.Load()) - count; ahead > 17 {
			t.Fatalf("%d items were taken ahead", ahead)
		}
	}
	equal(t, count, 500)
}

// interruptedLoad ends the gateway in the middle of a bulk load and starts it again.
func interruptedLoad(t *testing.T, how syscall.Signal) {
	ctx, g := context.Background(), start(t)
	client := g.client()
	var briefs []string
	options := samegate.AddAllOptions{MaxInFlight: 4}
	for outcome, err := range client.AddAll(ctx, samegate.Each(slices.Values(items(120))), options) {
		must(t, err)
		must(t, outcome.Err)
		if briefs = append(briefs, outcome.Item.Brief); len(briefs) == 20 {
			g.end(how)
			g.start()
		}
	}

	var stored, expected []string
	for image, err := range client.Images(ctx, samegate.ListOptions{}) {
		must(t, err)
		stored = append(stored, image.Brief)
	}
	for number := range 120 {
		expected = append(expected, fmt.Sprintf("n/%d", number))
	}
	for _, found := range [][]string{briefs, stored, expected} {
		slices.Sort(found)
		equal(t, strings.Join(found, " "), strings.Join(slices.Sorted(slices.Values(expected)), " "))
	}
}

func TestABulkLoadSurvivesAGatewayThatIsKilled(t *testing.T) { interruptedLoad(t, syscall.SIGKILL) }

func TestABulkLoadSurvivesAGatewayThatDrains(t *testing.T) { interruptedLoad(t, syscall.SIGTERM) }

func TestACallerThatLeavesTheLoopEndsTheBulkLoad(t *testing.T) {
	client := start(t).client()
	hasEnded := make(chan struct{})
	source := func(yield func(samegate.Item, error) bool) {
		defer close(hasEnded)
		samegate.Each(slices.Values(items(2000)))(yield)
	}

	for range client.AddAll(context.Background(), source, samegate.AddAllOptions{MaxInFlight: 4}) {
		break
	}

	select {
	case <-hasEnded:
	case <-time.After(limit):
		t.Fatal("the source goes on")
	}
	equal(t, imageCount(t, client) < 1000, true)
}

func TestAContextEndsTheBulkLoad(t *testing.T) {
	client := start(t).client()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var outcomes int
	var last error
	for _, err := range client.AddAll(ctx, samegate.Each(slices.Values(items(2000))), samegate.AddAllOptions{}) {
		outcomes, last = outcomes+1, err
		cancel()
	}

	equal(t, errors.Is(last, context.Canceled), true)
	equal(t, rejected(t, outcomes, last).IsTransient(), false)
	equal(t, outcomes < 1000, true)
}

func TestAGatewayThatDoesNotComeBackEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	client := clientOf(t, freeAddress(t))

	outcomes, err := collect(client.AddAll(ctx, samegate.Each(slices.Values(items(3))), samegate.AddAllOptions{}))

	equal(t, len(outcomes), 0)
	equal(t, errors.Is(err, context.DeadlineExceeded), true)
}

func TestABulkSearchFindsTheMatchesOfEachQuery(t *testing.T) {
	ctx, client := context.Background(), start(t).client()
	signs := map[uint64]string{}
	for seed := range uint64(3) {
		added, err := client.Add(ctx, pngOf(seed), samegate.AddOptions{})
		must(t, err)
		signs[seed] = added.ContSign
	}
	queries := []samegate.Image{jpegOf(0), samegate.File("none.jpg"), samegate.Sign(signs[1]), samegate.Sign("1,1")}

	found := map[string]string{}
	for outcome, err := range client.SearchAll(ctx, samegate.Each(slices.Values(queries)), samegate.SearchAllOptions{}) {
		must(t, err)
		var failure *samegate.Error
		what := fmt.Sprintf("%T %d matches", outcome.Item, len(outcome.Result.GetMatches()))
		if errors.As(outcome.Err, &failure) {
			what = failure.Reason
		} else if len(outcome.Result.Matches) > 0 {
			equal(t, outcome.Result.Matches[0].ContSign, signs[0])
		}
		found[what] = ""
	}
	for _, what := range []string{
		"samegate.Bytes 1 matches", "FILE_UNREADABLE", "samegate.Sign 0 matches", "IMAGE_NOT_FOUND",
	} {
		_, isThere := found[what]
		equal(t, isThere, true)
	}
}

func TestACallerThatLeavesTheGroupsEndsTheJoin(t *testing.T) {
	ctx, client := context.Background(), start(t).client()
	for _, image := range []samegate.NewImage{pngOf(1), jpegOf(1)} {
		_, err := client.Add(ctx, image, samegate.AddOptions{})
		must(t, err)
	}

	for _, err := range client.FindDuplicates(samegate.DuplicatesOptions{}).Groups(ctx) {
		must(t, err)
		break
	}

	checkLeaks(t)
}

func TestDuplicatesAreFoundAndTheCursorSelectsWhatIsNew(t *testing.T) {
	ctx, g := context.Background(), start(t)
	client := g.client()
	for _, image := range []samegate.NewImage{pngOf(1), jpegOf(1), pngOf(2)} {
		_, err := client.Add(ctx, image, samegate.AddOptions{})
		must(t, err)
	}
	duplicates := client.FindDuplicates(samegate.DuplicatesOptions{})
	// The run waits for a gateway that is not there yet.
	g.end(syscall.SIGTERM)
	started := make(chan struct{})
	go func() {
		defer close(started)
		g.start()
	}()

	groups, err := collect(duplicates.Groups(ctx))
	must(t, err)
	<-started
	equal(t, len(groups), 1)
	equal(t, len(groups[0].Images), 2)
	equal(t, duplicates.Compared, 3)
	equal(t, duplicates.Total, 3)
	groups, err = collect(client.FindDuplicates(samegate.DuplicatesOptions{Cursor: duplicates.Cursor()}).Groups(ctx))
	must(t, err)
	equal(t, len(groups), 0)
	groups, err = collect(client.FindDuplicates(samegate.DuplicatesOptions{Cursor: "x"}).Groups(ctx))
	equal(t, rejected(t, groups, err).Violations[0].Field, "cursor")
}
