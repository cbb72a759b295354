package rx

import (
	"errors"
	"testing"

	"github.com/mbox-stack/mbox/buffers"
)

// stock is a live source with a few blocks, a frame in each.
type stock struct {
	blocks []*buffers.Block
	home   []bool // of each block: it has come back
	left   int
}

func newStock(blocks, frames int) *stock {
	s := &stock{left: frames, home: make([]bool, blocks)}
	for i := range blocks {
		s.home[i] = true
		s.blocks = append(s.blocks, buffers.NewBlock(nil, func(*buffers.Block) { s.home[i] = true }))
	}
	return s
}

func (s *stock) Live() bool      { return true }
func (s *stock) BlockCount() int { return len(s.blocks) }
func (s *stock) Close() error    { return nil }

func (s *stock) out() (n int) {
	for _, home := range s.home {
		if !home {
			n++
		}
	}
	return n
}

func (s *stock) Next(c *Chunk) error {
	*c = Chunk{}
	if s.left == 0 {
		return ErrClosed
	}
	for i, home := range s.home {
		if home {
			s.left--
			s.home[i] = false
			s.blocks[i].Retain()
			c.Block, c.Frames = s.blocks[i], traffic(60)
			return nil
		}
	}
	return errors.New("no block is left")
}

// sleeper is a shard that works on nothing, or on everything at once.
type sleeper struct {
	slow   bool
	held   []*buffers.Batch
	frames int
}

func (h *sleeper) Mark(Mark, bool) bool { return true }

func (h *sleeper) Batch(b *buffers.Batch, _ bool) bool {
	h.frames += len(b.Frames)
	if h.slow {
		h.held = append(h.held, b)
	} else {
		b.Release()
	}
	return true
}

// TestSlowShardsLoseOnlyTheirOwn: shards that stand still, with mailboxes that
// would take everything, hold no more than their share of a source's blocks, and
// the one that works gets all that is for it.
func TestSlowShardsLoseOnlyTheirOwn(t *testing.T) {
	const blocks, shards, chunks = 16, 3, 200
	src := newStock(blocks, chunks)
	all := []*sleeper{{slow: true}, {}, {slow: true}}
	r, err := NewReceiver(src, []Outlet{all[0], all[1], all[2]}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	c := r.Counters()
	balanced(t, &c)
	if n := src.out(); n == 0 || n > 2*(blocks/(shards+1)) {
		t.Errorf("%d blocks of %d are held by two shards that stand still", n, blocks)
	}
	for i, s := range all {
		got := c.Shards[i]
		if uint64(s.frames) != got.Handed.Frames+got.Handed.Datagrams || s.slow != (got.Dropped.Frames > 0) || s.slow != (got.HeldBack > 0) {
			t.Errorf("shard %d (slow: %v) got %d frames: %+v", i, s.slow, s.frames, got)
		}
	}
	for _, s := range all {
		for _, b := range s.held {
			b.Release()
		}
	}
	if n := src.out(); n != 0 {
		t.Errorf("%d blocks have not come back", n)
	}
}
