package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mbox-stack/mbox"
)

type counter = atomic.Uint64

// bench is what the command line says.
type bench struct {
	shards   int
	work     time.Duration
	spin     bool
	elephant float64 // packets, in multiples of what a shard can do
	lasts    time.Duration
}

func main() {
	b := &bench{}
	only := flag.String("only", "", "skew or elephant; by default both")
	flag.IntVar(&b.shards, "shards", 4, "of the stack")
	flag.DurationVar(&b.work, "work", 40*time.Microsecond, "what the handler takes for a packet")
	flag.BoolVar(&b.spin, "spin", false, "the handler computes; by default it waits")
	flag.Float64Var(&b.elephant, "elephant", 0.8, "how much of a shard's time the elephant needs")
	flag.DurationVar(&b.lasts, "for", 10*time.Second, "how long each run lasts")
	flag.Parse()
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

// run makes the runs asked for and prints a line of each.
func (b *bench) run(only string) error {
	if b.shards < 2 || b.work <= 0 || b.elephant <= 0 || b.lasts < 5*time.Second || flag.NArg() > 0 {
		return errors.New("-shards is 2 or more, -work and -elephant above 0, -for 5s or more, and nothing follows the flags")
	}
	if only != "" && only != "skew" && only != "elephant" {
		return fmt.Errorf("-only %s: there are skew and elephant", only)
	}
	fmt.Printf("%d shards, %.0f packets a second each; handled of what was sent, delay of those\n\n", b.shards, 1/b.work.Seconds())
	fmt.Printf("%-10s %-9s %-8s  %-44s %-44s %s\n", "", "rebalance", "elephant", "first 1.5 s: mice, elephant", "last 2 s: mice, elephant", "moved")
	for _, c := range []scenario{
		{name: "skew", rebalance: mbox.RebalanceNever}, {name: "skew"},
		{name: "elephant", rebalance: mbox.RebalanceNever}, {name: "elephant"},
		{name: "elephant", rebalance: mbox.RebalanceNever, released: true},
	} {
		if only != "" && c.name != only {
			continue
		}
		if err := b.play(&c); err != nil {
			return err
		}
	}
	return nil
}

// scenario is one run.
type scenario struct {
	name      string
	rebalance mbox.Rebalance
	released  bool // the elephant is let go of at its hundredth packet
}

// streams returns what is sent.
func (b *bench) streams(c *scenario) (all []stream) {
	can := 1 / b.work.Seconds()
	for shard := range b.shards {
		rate := 0.4 * can
		if c.name == "skew" && shard == 0 {
			rate = 1.2 * can
		}
		all = append(all, stream{frames: flowsOn(shard, b.shards, 150, 53), rate: rate, mouse: true})
	}
	if c.name == "elephant" {
		all = append(all, stream{frames: flowsOn(0, b.shards, 1, portElephant), rate: b.elephant * can})
	}
	return all
}

// snapshot is what had been sent and handled at a time, mice and elephants.
type snapshot struct{ sent, handled [2]uint64 }

// meter is what handlers measure.
type meter struct {
	handled [2]counter
	parts   *mbox.Local[meterPart]
	window  atomic.Int64 // 0: delays of the first window are noted; 1: none; 2: of the last
}

// meterPart is what one shard measures.
type meterPart struct {
	owed   time.Duration // of waiting
	delays [3][2][]int64 // by window and kind, ns
	_      [64]byte      // shards share no cache line
}

// The windows in which delays are noted.
const (
	windowFirst = iota
	windowNone
	windowLast
)

// play makes a run and prints its line.
func (b *bench) play(c *scenario) error {
	stack, err := mbox.New(mbox.Config{Shards: b.shards, Seed: seed, Rebalance: c.rebalance, Checksums: mbox.ChecksumsOff})
	if err != nil {
		return err
	}
	m := &meter{parts: mbox.NewLocal[meterPart](stack, nil)}
	if err := b.handle(stack, m, c.released); err != nil {
		return err
	}
	src := &load{streams: b.streams(c), lasts: b.lasts}
	ended := make(chan error, 1)
	go func() { ended <- stack.Run(context.Background(), src) }()
	var at [4]snapshot
	for i, wait := range []time.Duration{0, 1500 * time.Millisecond, b.lasts - 3500*time.Millisecond, 1900 * time.Millisecond} {
		time.Sleep(wait)
		at[i] = m.snapshot(src)
		m.window.Store(int64(i))
	}
	if err := <-ended; err != nil {
		return err
	}
	st := stack.Stats()
	if !st.Balanced() {
		return errors.New("the ledgers do not balance")
	}
	delays, err := m.delays()
	if err != nil {
		return err
	}
	sum := st.Total()
	fmt.Printf("%-10s %-9s %-8s  %-44s %-44s %d slots, %d flows, %d frames held\n", c.name, map[bool]string{true: "never", false: "live"}[c.rebalance == mbox.RebalanceNever],
		map[bool]string{true: "released", false: ""}[c.released], window(&at[0], &at[1], delays[windowFirst]), window(&at[2], &at[3], delays[windowLast]),
		sum.SlotsIn, sum.FlowsIn, sum.Held)
	return nil
}

// handle registers the handler.
func (b *bench) handle(stack *mbox.Stack, m *meter, released bool) error {
	packets := mbox.NewKey[int]()
	return stack.Monitor(mbox.Stream).Handle(mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		kind := kindOf(c.Flow().Server().Port() != portElephant)
		p := m.parts.Of(c)
		m.handled[kind].Add(1)
		if w := min(m.window.Load(), windowLast); w != windowNone {
			p.delays[w][kind] = append(p.delays[w][kind], time.Now().UnixNano()-c.Timestamp().UnixNano())
		}
		b.toil(p)
		if n := packets.Of(c); released && kind == 1 {
			if *n++; *n == 100 {
				_ = c.Release() // it fails where the flow has been let go
			}
		}
	})
}

// waitsAtOnce is how long a handler waits at a time: shorter waits take longer
// than they should.
const waitsAtOnce = 2 * time.Millisecond

// toil takes the time of a packet.
func (b *bench) toil(p *meterPart) {
	if b.spin {
		for began := time.Now(); time.Since(began) < b.work; {
		}
		return
	}
	if p.owed += b.work; p.owed >= waitsAtOnce {
		began := time.Now()
		time.Sleep(p.owed - 50*time.Microsecond)
		p.owed -= time.Since(began)
	}
}

func (m *meter) snapshot(src *load) (s snapshot) {
	for kind := range s.sent {
		s.sent[kind], s.handled[kind] = src.sent[kind].Load(), m.handled[kind].Load()
	}
	return s
}

// delays returns what all shards have noted, sorted.
func (m *meter) delays() (all [3][2][]int64, err error) {
	err = m.parts.Fold(func(p *meterPart) {
		for w := range all {
			for kind := range all[w] {
				all[w][kind] = append(all[w][kind], p.delays[w][kind]...)
			}
		}
	})
	for w := range all {
		for kind := range all[w] {
			slices.Sort(all[w][kind])
		}
	}
	return all, err
}

// window says what became of packets between two snapshots.
func window(from, to *snapshot, delays [2][]int64) (text string) {
	for kind := range from.sent {
		sent, handled := to.sent[kind]-from.sent[kind], to.handled[kind]-from.handled[kind]
		if sent == 0 {
			continue
		}
		text += fmt.Sprintf("%5.1f %% p99 %-9v ", 100*float64(handled)/float64(sent), percentile(delays[kind], 99))
	}
	return text
}

// percentile returns one of sorted delays.
func percentile(sorted []int64, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[(len(sorted)-1)*percent/100]).Round(100 * time.Microsecond)
}
