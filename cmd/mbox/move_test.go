package main

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
)

// restless is a source that comes in small chunks, between which slots of its
// stack move about.
type restless struct {
	rx.Source
	t      *testing.T
	stack  *mbox.Stack
	shards int
	rand   *rand.Rand
	rest   []rx.Frame
	err    error
}

// Next implements rx.Source.
func (r *restless) Next(c *rx.Chunk) error {
	if r.rand.IntN(8) == 0 {
		slots := make([]mbox.Slot, 0, mbox.SlotCount)
		for s := range mbox.Slot(mbox.SlotCount) {
			if r.rand.IntN(2) == 0 {
				slots = append(slots, s)
			}
		}
		if err := r.stack.MoveSlots(r.rand.IntN(r.shards), slots...); err != nil {
			r.t.Error(err)
		}
	}
	for len(r.rest) == 0 {
		if r.err != nil {
			return r.err
		}
		var all rx.Chunk
		r.err = r.Source.Next(&all)
		for _, f := range all.Frames {
			f.Data = bytes.Clone(f.Data)
			r.rest = append(r.rest, f)
		}
		all.Release()
	}
	n := min(len(r.rest), 1+r.rand.IntN(40))
	*c = rx.Chunk{Frames: r.rest[:n:n]}
	r.rest = r.rest[n:]
	return nil
}

// TestMovesChangeNothing: what is printed does not depend on which shard flows
// are on, nor on moves from one to another.
func TestMovesChangeNothing(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Lossy(7, 30))
	if err != nil {
		t.Fatal(err)
	}
	capture := writeCapture(t, traffic.Merge(traffic.NewDemo(), pages))
	for _, args := range []string{"events --on all", "flows --format jsonl --sha256", "flows --format csv --active-timeout 1s",
		"web", "web --format jsonl --rows 0", "web --mode flow --every 10ms", "web --mode packet", "top", "top --every 1s --rows 3 --sort packets/s", "top --every 7s --format jsonl --sort idle"} {
		want := must(t, strings.Fields(args+" --shards 1 -r "+capture)...)
		for shards := 2; shards <= 8; shards += 3 {
			var stdout, stderr bytes.Buffer
			p := &program{stdout: &stdout, stderr: &stderr}
			var stack *mbox.Stack
			p.through = func(s *mbox.Stack, src rx.Source) rx.Source {
				stack = s
				return &restless{Source: src, t: t, stack: s, shards: shards, rand: rand.New(rand.NewPCG(uint64(shards), 3))}
			}
			status := p.run(strings.Fields(args + " --shards " + string(rune('0'+shards)) + " -r " + capture))
			if status != statusOK || stderr.Len() > 0 {
				t.Errorf("%s: status %d, %s", args, status, &stderr)
			}
			if st := stack.Stats(); st.Total().SlotsIn == 0 {
				t.Errorf("%s: nothing has moved", args)
			}
			if line, g, w := firstDifference(stdout.String(), want); line > 0 {
				t.Errorf("%s on %d shards: line %d is\n%s\nand on one shard\n%s", args, shards, line, g, w)
			}
		}
	}
}
