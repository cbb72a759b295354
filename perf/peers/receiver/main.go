// Receiver is the receive goroutine alone, a part of mbox and no peer: it parses,
// hashes, steers and batches frames, and the shards that it feeds only release
// what they get. What mbox takes beyond it is the shards' part.
package main

import (
	"context"
	"errors"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

func main() { measure.Serve(open) }

// peer receives, each turn with a receiver of its own, and counts what arrives.
type peer struct {
	outlets []rx.Outlet
	frames  uint64 // of the latest turn
}

func open(s measure.Setup) (measure.Peer, error) {
	p := &peer{}
	for range s.Shards {
		p.outlets = append(p.outlets, sink{&p.frames})
	}
	return p, nil
}

// Run implements measure.Peer.
func (p *peer) Run(src measure.Source) error {
	p.frames = 0
	r, err := rx.NewReceiver(src, p.outlets, rx.Options{})
	if err == nil {
		err = r.Run(context.Background())
	}
	src.Drain()
	if err == nil && p.frames != r.Counters().Frames {
		err = errors.New("not every frame arrived")
	}
	return err
}

// End implements measure.Peer.
func (p *peer) End(int64) (measure.Result, error) { return measure.Result{Unordered: true}, nil }

// sink takes batches.
type sink struct{ frames *uint64 }

// Batch implements rx.Outlet.
func (s sink) Batch(b *buffers.Batch, _ bool) bool {
	*s.frames += uint64(len(b.Frames))
	b.Release()
	return true
}

// Mark implements rx.Outlet.
func (sink) Mark(rx.Mark, bool) bool { return true }
