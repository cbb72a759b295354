package mbox_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/witness"
	"github.com/mbox-stack/mbox/rx"
)

// restless is a source that moves slots of its stack about between chunks of
// random length.
type restless struct {
	t       *testing.T
	stack   *mbox.Stack
	shards  int
	frames  []rx.Frame
	rand    *rand.Rand
	odds    int // one in so many chunks, something is moved before it
	longest int // of chunks, frames
	moves   int
}

// Next implements rx.Source.
func (r *restless) Next(c *rx.Chunk) error {
	if r.rand.IntN(r.odds) == 0 {
		r.moves++
		var slots []mbox.Slot
		switch r.rand.IntN(3) {
		case 0: // whatever there is
			for s := range mbox.Slot(mbox.SlotCount) {
				if r.rand.IntN(2) == 0 {
					slots = append(slots, s)
				}
			}
		default:
			for range 64 {
				slots = append(slots, mbox.Slot(r.rand.IntN(mbox.SlotCount)))
			}
		}
		slots = append(slots, 0) // where raw frames go
		if err := r.stack.MoveSlots(r.rand.IntN(r.shards), slots...); err != nil {
			r.t.Error(err)
		}
	}
	if len(r.frames) == 0 {
		return io.EOF
	}
	n := min(len(r.frames), 1+r.rand.IntN(r.longest))
	*c = rx.Chunk{Frames: r.frames[:n]}
	r.frames = r.frames[n:]
	return nil
}

// Close implements rx.Source.
func (r *restless) Close() error { return nil }

// A capture gives the same events in the same order, octet for octet, with slots
// that move from shard to shard before any frame: with timers that fire, flows
// that are evicted, stream memory that runs short and handlers that interfere.
func TestMovesChangeNothing(t *testing.T) {
	for _, c := range captures() {
		t.Run(c.name, func(t *testing.T) {
			frames := c.frames(t)
			if testing.Short() && len(frames) > framesMany/2 {
				t.Skipf("%d frames: not with -short", len(frames))
			}
			for _, nuisance := range []uint64{0, 9} {
				movesChangeNothing(t, c.memory, nuisance, frames)
				if testing.Short() {
					return
				}
			}
		})
	}
}

// The same where little is asked for, and flows have little that could be left
// behind: streams in order have no memory then, others nothing beside it, and what
// nobody is told of takes the shortest ways.
func TestMovesChangeNothingOfLittle(t *testing.T) {
	for _, c := range captures() {
		t.Run(c.name, func(t *testing.T) {
			frames := c.frames(t)
			if testing.Short() && len(frames) > framesMany/2 {
				t.Skipf("%d frames: not with -short", len(frames))
			}
			for _, asked := range []struct {
				events []mbox.Event
				value  bool // something is kept with each flow
			}{
				{[]mbox.Event{mbox.OnNewData, mbox.OnGap}, false}, {[]mbox.Event{mbox.OnNewData, mbox.OnGap}, true},
				{[]mbox.Event{mbox.OnRexmit}, false}, {[]mbox.Event{mbox.OnConnEnd}, false},
			} {
				var want, got bytes.Buffer
				if _, err := witness.PlayOnly(stack(t, mbox.Config{Shards: 2, Memory: c.memory}), rx.NewMemory(frames...), &want, asked.events...); err != nil {
					t.Fatal(err)
				}
				s := stack(t, mbox.Config{Shards: 3, Memory: c.memory})
				if asked.value {
					value := mbox.NewKey[int]()
					handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { *value.Of(c)++ })
				}
				if _, err := witness.PlayOnly(s, newRestless(t, s, 3, 1, frames), &got, asked.events...); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), want.Bytes()) {
					t.Errorf("%v: moves change what is seen: %s", asked, parting(&want, &got))
				}
			}
		})
	}
}

// The same on captures of others, where there are any (MBOX_CONFORMANCE).
func TestMovesChangeNothingOfACorpus(t *testing.T) {
	eachOfCorpus(t, func(path string) {
		m, err := rx.Load(rx.File(path))
		if err != nil || m.Len() > framesMany {
			return // what is damaged ends early, which is not what this is about
		}
		var frames []rx.Frame
		for c := (rx.Chunk{}); m.Next(&c) == nil; {
			frames = append(frames, c.Frames...)
		}
		var want, got bytes.Buffer
		way{1, 128, 2}.play(t, rx.NewMemory(frames...), 0, 9, &want)
		playRestless(t, 3, 0, 9, 1, frames, &got)
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Errorf("%s: moves change what is seen: %s", path, parting(&want, &got))
		}
	})
}

func movesChangeNothing(t *testing.T, memory, nuisance uint64, frames []rx.Frame) {
	t.Helper()
	want := sha256.New()
	way{1, 128, 2}.play(t, rx.NewMemory(frames...), memory, nuisance, want)
	for _, shards := range []int{2, 3, 8} {
		got := sha256.New()
		st := playRestless(t, shards, memory, nuisance, uint64(shards), frames, got)
		if st.Total().SlotsIn == 0 || st.Total().SlotsIn != st.Total().SlotsOut || st.Total().FlowsIn == 0 {
			t.Errorf("%d shards: %d slots came, %d went, with %d flows: the test shows nothing",
				shards, st.Total().SlotsIn, st.Total().SlotsOut, st.Total().FlowsIn)
		}
		if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Errorf("%d shards, nuisance %d: moves change what is seen:\n%s", shards, nuisance,
				partWays(t, shards, memory, nuisance, frames))
			return
		}
	}
}

// movesMany is about how many moves there are in a run.
const movesMany = 250

// newRestless returns a source of frames that moves slots about so often.
func newRestless(t *testing.T, s *mbox.Stack, shards int, seed uint64, frames []rx.Frame) *restless {
	return &restless{t: t, stack: s, shards: shards, frames: frames, rand: rand.New(rand.NewPCG(seed, 1)),
		odds: 1 + min(len(frames), 1000)/movesMany, longest: 1 + len(frames)/1000}
}

// playRestless plays frames with moves amid them.
func playRestless(t *testing.T, shards int, memory, nuisance, seed uint64, frames []rx.Frame, log io.Writer) mbox.Stats {
	t.Helper()
	s := stack(t, mbox.Config{Shards: shards, Memory: memory})
	st, err := witness.PlayOn(s, newRestless(t, s, shards, seed, frames), nuisance, log)
	if err != nil {
		t.Errorf("%d shards, nuisance %d: %v", shards, nuisance, err)
	}
	return st
}

// partWays returns where the journals with and without moves part.
func partWays(t *testing.T, shards int, memory, nuisance uint64, frames []rx.Frame) string {
	t.Helper()
	var logs [2]bytes.Buffer
	way{1, 128, 2}.play(t, rx.NewMemory(frames...), memory, nuisance, &logs[0])
	playRestless(t, shards, memory, nuisance, uint64(shards), frames, &logs[1])
	if dir := os.Getenv("MBOX_JOURNALS"); dir != "" {
		for i := range logs {
			_ = os.WriteFile(fmt.Sprintf("%s/journal-%d", dir, i), logs[i].Bytes(), 0o644)
		}
	}
	return parting(&logs[0], &logs[1])
}

// parting returns the first line in which two journals differ.
func parting(a, b *bytes.Buffer) string {
	x, y := strings.SplitAfter(a.String(), "\n"), strings.SplitAfter(b.String(), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d\n\tbefore %s\t%s\tor     %s", i+1, x[max(0, i-1)], x[i], y[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}
