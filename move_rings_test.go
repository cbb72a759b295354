package mbox_test

import (
	"context"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/wire"
)

// halves are two live sources, one for each direction of the same frames, which
// run at most so far apart as shards wait for.
type halves struct {
	mu     sync.Mutex
	turn   sync.Cond
	at     [2]int64 // time of what each brings next; the last of all when there is nothing
	stack  *mbox.Stack
	shards int
}

// half is one of them.
type half struct {
	*halves
	own    int
	frames []rx.Frame
	rand   *rand.Rand
}

// apartMax is how far apart they run.
const apartMax = int64(2 * time.Millisecond)

func newHalves(s *mbox.Stack, shards int, frames []rx.Frame) (both [2]*half) {
	h := &halves{stack: s, shards: shards}
	h.turn.L = &h.mu
	for i := range both {
		both[i] = &half{halves: h, own: i, rand: rand.New(rand.NewPCG(uint64(i), 5))}
		h.at[i] = frames[0].Timestamp
	}
	var parser wire.Parser
	for _, f := range frames {
		var p wire.Packet
		parser.Parse(&p, f.Link, f.Data)
		one := both[0]
		if p.Key.Endpoint(p.Sender).Port() == 80 {
			one = both[1]
		}
		one.frames = append(one.frames, f)
	}
	return both
}

// Live implements rx.Live.
func (h *half) Live() bool { return true }

// Part implements rx.Parted.
func (h *half) Part() (any, bool) { return h, true }

// Close implements rx.Source.
func (h *half) Close() error { return nil }

// Next implements rx.Source.
func (h *half) Next(c *rx.Chunk) error {
	for i := range h.shards {
		calm(h.stack, i)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.at[h.own] > h.at[1-h.own]+apartMax {
		h.turn.Wait()
	}
	defer h.turn.Broadcast()
	n := min(len(h.frames), 1+h.rand.IntN(20))
	if n == 0 {
		h.at[h.own] = math.MaxInt64 - apartMax
		return io.EOF
	}
	*c = rx.Chunk{Frames: h.frames[:n:n]}
	h.frames = h.frames[n:]
	h.at[h.own] = c.Frames[n-1].Timestamp
	return nil
}

// Slots move while frames of two rings are brought into one order, and each flow
// lives as it does in a capture: neither loses its place, here or there.
func TestMovesKeepTheOrderOfRings(t *testing.T) {
	frames := generate(t, traffic.Staggered(5, 300, 60, 300))
	want := livesOf(t, frames)
	for _, shards := range []int{2, 3} {
		moved := false // which is up to the machine, and mostly so at once
		for range 20 {
			if moved = movesKeepOrder(t, shards, frames, want); moved || t.Failed() {
				break
			}
		}
		if !moved {
			t.Errorf("%d shards: no flow has moved", shards)
		}
	}
}

// movesKeepOrder has a stack do frames of two rings, and reports whether flows have
// moved meanwhile.
func movesKeepOrder(t *testing.T, shards int, frames []rx.Frame, want map[string]uint64) (moved bool) {
	t.Helper()
	s := stack(t, mbox.Config{Shards: shards})
	l := watchLives(t, s)
	both := newHalves(s, shards, frames)
	stop := mover(t, s, shards)
	err := s.Run(context.Background(), both[0], both[1])
	stop()
	st := s.Stats()
	total := st.Total()
	if dropped := st.Sources[0].Dropped().Frames + st.Sources[1].Dropped().Frames; err != nil || !st.Balanced() || total.Fates[shard.FateMoving] > 0 || dropped > 0 {
		t.Errorf("%v; balanced %v, %d flows moved, %d frames refused, %d dropped", err, st.Balanced(), total.FlowsIn, total.Fates[shard.FateMoving], dropped)
	}
	if !maps.Equal(l.all, want) {
		same := 0
		for f, sum := range l.all {
			if want[f] == sum {
				same++
			}
		}
		t.Errorf("%d shards: of %d flows %d lived as in a capture, of %d; %d frames hurried, %d were late", shards, len(l.all), same, len(want),
			total.Hurried, total.Late)
	}
	return total.FlowsIn > 0
}
