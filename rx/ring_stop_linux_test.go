package rx_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
)

// TestStoppedRingHandsOverWhatItHas: what was captured before the end comes, from
// full blocks and from the one that the kernel fills, and nothing that is sent
// later.
func TestStoppedRingHandsOverWhatItHas(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0", Retire: 50 * time.Millisecond, BlockOctets: 1 << 16})[0]
	s := newSender(t, "out0")
	p := flow(1, 2)
	frame := craft.AppendUDP(nil, &p, make([]byte, 1000))
	const before = 500 // several blocks
	for range before {
		s.send(frame)
	}
	r.Stop()
	var c rx.Chunk
	got := 0
	var err error
	for late := 0; err == nil; {
		if err = r.Next(&c); err != nil {
			break
		}
		got += len(c.Frames)
		c.Release()
		for ; late < 100; late++ { // Next has heard of the end by now
			s.send(frame)
		}
	}
	if err != io.EOF || got != before {
		t.Errorf("%d frames, then %v; want %d, then EOF", got, err, before)
	}
	if n := r.Counters(); n.Unread != 0 || n.Drops != 0 {
		t.Errorf("%d unread, %d dropped", n.Unread, n.Drops)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Next(&c); !errors.Is(err, rx.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
}
