// Mbox is the peer that mbox itself is: a whole stack of one shard, from memory,
// that runs through all turns. What its handlers do is the mode's, and the
// workload's own (see handlers.go).
package main

import (
	"context"
	"errors"
	"io"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

func main() { measure.Serve(open) }

// peer is a stack under way.
type peer struct {
	stack  *mbox.Stack
	relay  *relay
	ended  chan error // what Run has returned
	counts []counts   // by shard
	flows  uint64     // begun before this turn
	// partial says that not every octet is asked for.
	partial bool
}

func open(s measure.Setup) (measure.Peer, error) {
	cfg := mbox.Config{Shards: s.Shards, Checksums: mbox.ChecksumsOff, Memory: memory(s.Open())}
	if s.Verify {
		cfg.Checksums = mbox.ChecksumsVerify
	}
	stack, err := mbox.New(cfg)
	if err != nil {
		return nil, err
	}
	p := &peer{stack: stack, relay: newRelay(), ended: make(chan error, 1), counts: make([]counts, s.Shards)}
	if err := p.handle(&s); err != nil {
		return nil, err
	}
	if s.File != "" {
		return p, nil // Read runs it
	}
	go func() { p.ended <- stack.Run(context.Background(), p.relay) }()
	return p, nil
}

// flowOctets is more than a flow takes of Config.Memory, the share of others and
// the uneven filling of slots included.
const flowOctets = 1200

// memory returns the Config.Memory for so many flows at a time: 0, the default,
// unless it would be too small.
func memory(flows int) uint64 {
	if flows < 1_000_000 {
		return 0
	}
	return uint64(flows) * flowOctets
}

// Run implements measure.Peer.
func (p *peer) Run(src measure.Source) error {
	clear(p.counts)
	p.relay.turns <- src
	return p.wait()
}

// Read implements measure.Reader.
func (p *peer) Read(file string) (measure.Result, error) {
	err := p.stack.Run(context.Background(), rx.File(file))
	return measure.Result{Text: p.text()}, err
}

// text adds up what the shards have counted.
func (p *peer) text() (text measure.Totals) {
	for i := range p.counts {
		for d, n := range p.counts[i].text {
			text[d] += n
		}
	}
	return text
}

// wait waits for the relay.
func (p *peer) wait() error {
	select {
	case <-p.relay.done:
		return nil
	case err := <-p.ended:
		return errors.Join(errors.New("the stack has ended"), err)
	}
}

// End implements measure.Peer.
func (p *peer) End(after int64) (measure.Result, error) {
	st := p.stack.Stats()
	held := st.Total().Memory
	for first := true; first || st.Total().Live > 0; first = false {
		p.relay.clock = after
		p.relay.turns <- nil
		if err := p.wait(); err != nil {
			return measure.Result{}, err
		}
		st = p.stack.Stats()
	}
	sum := st.Total()
	r := measure.Result{Flows: sum.Flows - p.flows, Text: p.text(), StreamOctets: held, Unordered: p.partial}
	p.flows = sum.Flows
	if tracked := sum.Fates[0]; tracked != sum.Frames && !p.partial || !st.Balanced() {
		return r, errors.New("not every frame was tracked")
	}
	return r, p.check()
}

// relay is the source of the stack: it plays what Run is given, and then says
// what time it is.
type relay struct {
	turns chan measure.Source // nil: time passes until clock
	done  chan struct{}
	clock int64          // ns; the sender of a turn writes it before
	src   measure.Source // nil: between turns
	ticks int            // still to come
}

// ticksMany is how often the stack is told of the time: more often than it takes
// for its counters to be published.
const ticksMany = 64

func newRelay() *relay {
	return &relay{turns: make(chan measure.Source), done: make(chan struct{})}
}

// Next implements rx.Source.
func (r *relay) Next(c *rx.Chunk) error {
	for {
		switch {
		case r.src != nil:
			err := r.src.Next(c)
			if err != io.EOF {
				return err
			}
			r.src.Drain()
			r.src = nil
			r.done <- struct{}{}
		case r.ticks > 0:
			if r.ticks--; r.ticks > 0 {
				r.clock++
				*c = rx.Chunk{Clock: r.clock}
				return nil
			}
			r.done <- struct{}{}
		}
		if r.src = <-r.turns; r.src == nil {
			r.ticks = ticksMany
		}
	}
}

// Close implements rx.Source.
func (r *relay) Close() error { return nil }
