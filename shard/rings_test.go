package shard

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// overtaking is a shard that several rings bring frames to, each in its own time.
type overtaking struct {
	t     *testing.T
	shard *Shard
	pool  *buffers.BatchPool
	lent  int     // batches that were not released
	seen  []int64 // stamps, in the order in which the shard took them
	now   []int64 // what time it was then
}

func newOvertaking(t *testing.T, blocks ...int) *overtaking {
	o := &overtaking{t: t, pool: buffers.NewBatchPool(8, 1)}
	var ctl controller
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err == nil {
		err = sock.Handle(uevents.OnPacket, uevents.PostTCP, func(c *uevents.Context) {
			o.seen = append(o.seen, c.Timestamp().UnixNano())
			o.now = append(o.now, c.Now().UnixNano())
		})
	}
	if err == nil {
		o.shard, err = New(Config{Live: true, Rings: blocks}, ctl.set.Snapshot())
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// bring hands over a batch of a ring with frames of these times.
func (o *overtaking) bring(ring uint16, clocks ...int64) {
	b := o.pool.Get()
	lent := buffers.NewBlock(nil, func(*buffers.Block) { o.lent-- })
	o.lent++
	lent.Retain()
	b.Lend(lent)
	lent.Release()
	o.fill(b, clocks...)
	o.shard.message(Message{Batch: b, Ring: ring})
}

// fill adds frames of these times to a batch.
func (o *overtaking) fill(b *buffers.Batch, clocks ...int64) {
	for _, at := range clocks {
		p := craft.Path{Src: netip.MustParseAddrPort("192.0.2.1:5000"), Dst: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(at%500))}
		f := b.Next()
		*f = buffers.Frame{Data: craft.AppendUDP(nil, &p, []byte("x")), Link: wire.LinkEthernet, Clock: at, Timestamp: at}
		new(wire.Parser).Parse(&f.Packet, f.Link, f.Data)
		f.Hash = f.Packet.Key.Hash(0)
	}
}

// chunk is bring, with the mark that follows.
func (o *overtaking) chunk(ring uint16, clocks ...int64) {
	o.bring(ring, clocks...)
	o.mark(ring, Mark{Clock: clocks[len(clocks)-1]})
}

func (o *overtaking) mark(ring uint16, m Mark) { o.shard.message(Message{Mark: m, Ring: ring}) }

// end checks that nothing is kept.
func (o *overtaking) end() {
	o.t.Helper()
	o.shard.message(Message{Mark: Mark{Last: true}})
	if o.lent != 0 {
		o.t.Errorf("%d batches were not released", o.lent)
	}
}

func (o *overtaking) want(stamps ...int64) {
	o.t.Helper()
	if !slices.Equal(o.seen, stamps) {
		o.t.Fatalf("seen %v, want %v", o.seen, stamps)
	}
}

// TestRingsAreMerged: rings that overtake one another at random, each with its
// own lag, come out as one, in order.
func TestRingsAreMerged(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rng.IntN(5)
		o := newOvertaking(t, slices.Repeat([]int{1000}, n)...)
		waiting := make([][]int64, n) // frames that each ring has yet to hand over
		const start, frames = int64(1e15), 2000
		for i := range int64(frames) {
			k := rng.IntN(n)
			waiting[k] = append(waiting[k], start+i)
			if k = rng.IntN(n); rng.IntN(8) > 0 {
				continue
			}
			for len(waiting[k]) > 0 {
				some := 1 + rng.IntN(min(8, len(waiting[k])))
				o.bring(uint16(k+1), waiting[k][:some]...)
				waiting[k] = waiting[k][some:]
			}
			o.mark(uint16(k+1), Mark{Clock: start + i, Step: rng.IntN(10) == 0})
		}
		for k := range n {
			for _, at := range waiting[k] {
				o.bring(uint16(k+1), at)
			}
			o.mark(uint16(k+1), Mark{Over: true})
		}
		if len(o.seen) != frames || !slices.IsSorted(o.seen) || !slices.Equal(o.seen, o.now) {
			t.Fatalf("seed %d, %d rings: %d frames of %d, in order: %v", seed, n, len(o.seen), frames, slices.IsSorted(o.seen))
		}
		if st := &o.shard.stats; st.Hurried+st.Late > 0 {
			t.Errorf("%d frames hurried, %d came late", st.Hurried, st.Late)
		}
		o.end()
	}
}

// TestRingWaits: a frame waits until every other ring has come as far, by a frame
// or by its word, and no longer.
func TestRingWaits(t *testing.T) {
	const at = int64(1e15)
	o := newOvertaking(t, 100, 100, 100)
	o.chunk(1, at, at+10, at+20)
	o.want()
	o.chunk(2, at+5, at+30)
	o.want()
	o.mark(3, Mark{Clock: at + 9})
	o.want(at, at+5)
	o.mark(3, Mark{Clock: at + 15})
	o.want(at, at+5, at+10)
	o.chunk(3, at+15, at+25)
	o.want(at, at+5, at+10, at+15, at+20)
	o.mark(1, Mark{Over: true})
	o.want(at, at+5, at+10, at+15, at+20, at+25)
	o.mark(3, Mark{Over: true})
	o.want(at, at+5, at+10, at+15, at+20, at+25, at+30)
	o.end()
}

// TestRingIsNotWaitedForLong: one that says nothing holds the others up for a
// while only; what it brings too late takes place when it comes.
func TestRingIsNotWaitedForLong(t *testing.T) {
	const at, ms = int64(1e15), int64(1e6)
	o := newOvertaking(t, 1000, 1000)
	for i := range int64(30) {
		o.bring(1, at+i*10*ms)
		o.mark(1, Mark{Clock: at + i*10*ms})
	}
	if n := int64(len(o.seen)); n != 29-ringWait/(10*ms) || o.shard.stats.Hurried != uint64(n) {
		t.Fatalf("%d frames of 30 were taken, %d hurried", n, o.shard.stats.Hurried)
	}
	last := o.now[len(o.now)-1]
	o.seen, o.now = nil, nil
	o.chunk(2, last-3*ms, last+ms)
	if !slices.Equal(o.now, []int64{last, last + ms}) || o.shard.stats.Late != 1 {
		t.Errorf("what came late took place at %v, and %d were late", o.now, o.shard.stats.Late)
	}
	o.end()
}

// TestRingHoldsNoMoreBlocks than it may: order is given up before blocks are.
func TestRingHoldsNoMoreBlocks(t *testing.T) {
	const at = int64(1e15)
	o := newOvertaking(t, 4, 1000)
	for i := range int64(100) {
		o.bring(1, at+2*i, at+2*i+1)
		o.mark(1, Mark{Clock: at + 2*i + 1})
		if o.lent > 5 {
			t.Fatalf("%d batches wait", o.lent)
		}
	}
	if o.shard.stats.Hurried == 0 {
		t.Error("none is counted")
	}
	o.end()
	if len(o.seen) != 200 || !slices.IsSorted(o.seen) {
		t.Errorf("%d frames were taken of 200", len(o.seen))
	}
}

// TestRingsBringDatagrams: one that was put together by another ring than its last
// fragment's takes the place of that, whichever way and in whatever order it came.
func TestRingsBringDatagrams(t *testing.T) {
	const at = int64(1e15)
	o := newOvertaking(t, 100, 100)
	apart := func(ring uint16, clock int64) {
		b := o.pool.Get()
		b.Apart = true
		o.fill(b, clock)
		o.shard.message(Message{Batch: b, Ring: ring})
	}
	o.chunk(1, at)
	o.bring(2, at+10, at+30)
	o.mark(2, Mark{Clock: at + 19}) // what is at 20 has gone to ring 1
	o.mark(1, Mark{Clock: at + 40})
	o.want(at, at+10)
	apart(1, at+25)
	apart(1, at+20)
	o.want(at, at+10)
	o.mark(2, Mark{Clock: at + 30})
	o.want(at, at+10, at+20, at+25, at+30)
	o.end()
}

// TestRingMarks: marks take their turn among frames, and those that say the same
// again are one, but steps are not lost.
func TestRingMarks(t *testing.T) {
	const at = int64(1e15)
	o := newOvertaking(t, 100, 100)
	var marks []string
	o.shard.cfg.OnMark = func(_ int, m Mark) { marks = append(marks, fmt.Sprint(len(o.seen), m.Clock-at, m.Step)) }
	o.bring(1, at)
	o.mark(1, Mark{Clock: at + 1, Step: true})
	o.mark(1, Mark{Clock: at + 2})
	o.chunk(1, at+4)
	o.mark(2, Mark{Clock: at + 3})
	o.mark(2, Mark{Clock: at + 5})
	if want := []string{"1 2 true", "1 3 false", "2 4 false"}; !slices.Equal(marks, want) {
		t.Errorf("marks %q, want %q", marks, want)
	}
	o.end()
}

// BenchmarkRings takes datagrams of 400 flows from batches of 128: as they come,
// and out of two rings whose frames alternate, one by one or sixteen at a time.
func BenchmarkRings(b *testing.B) {
	for _, way := range []struct {
		name  string
		rings int
		run   int64 // frames in a row from one ring
	}{{"as they come", 0, 0}, {"two rings, 16 in a row", 2, 16}, {"two rings, 1 in a row", 2, 1}} {
		b.Run(way.name, func(b *testing.B) {
			const batch = 128
			o := &overtaking{pool: buffers.NewBatchPool(batch, 8)}
			var ctl controller
			if _, err := ctl.set.Open(&ctl, uevents.Stream, ""); err != nil {
				b.Fatal(err)
			}
			var err error
			if o.shard, err = New(Config{Live: true, Rings: make([]int, way.rings), Checksums: ChecksumsOff}, ctl.set.Snapshot()); err != nil {
				b.Fatal(err)
			}
			clock := int64(1e18)
			var messages [2]Message
			for i := range messages {
				messages[i].Batch = buffers.NewBatchPool(batch, 1).Get()
				o.fill(messages[i].Batch, make([]int64, batch)...)
				messages[i].Ring = uint16(min(way.rings, i+1))
				for j := range messages[i].Batch.Frames {
					p := craft.Path{Src: netip.MustParseAddrPort("192.0.2.1:5000"), Dst: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(i*200+j))}
					f := &messages[i].Batch.Frames[j]
					f.Data = craft.AppendUDP(nil, &p, []byte("x"))
					new(wire.Parser).Parse(&f.Packet, f.Link, f.Data)
					f.Hash = f.Packet.Key.Hash(0)
				}
			}
			b.ResetTimer()
			for n := 0; n < b.N; n += 2 * batch {
				for i := range messages {
					m := Message{Batch: o.pool.Get(), Ring: messages[i].Ring}
					m.Batch.Frames = append(m.Batch.Frames, messages[i].Batch.Frames...)
					for j := range m.Batch.Frames {
						at := int64(i*batch + j)
						if way.run > 0 {
							at = (int64(j)/way.run*2+int64(i))*way.run + int64(j)%way.run
						}
						m.Batch.Frames[j].Clock = clock + at
					}
					o.shard.message(m)
				}
				clock += 2 * batch
				for i := range messages {
					o.shard.message(Message{Mark: Mark{Clock: clock}, Ring: messages[i].Ring})
				}
			}
		})
	}
}
