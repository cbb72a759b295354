package shard

import (
	"runtime"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// flowOctetsClaimed is what the stack reckons a flow without streams to take
// when it divides its memory: flowOctets in config.go of the root package.
const flowOctetsClaimed = 320

// What a flow takes, with its share of index, timers and half-empty chunks, as
// the collector sees it.
func TestFlowMemory(t *testing.T) {
	const flows = 50_000
	for _, established := range []bool{false, true} {
		var ctl controller
		sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := sock.Handle(uevents.OnConnEnd, uevents.PostTCP, func(*uevents.Context) {}); err != nil {
			t.Fatal(err)
		}
		before := heapOctets()
		s := &steady{pool: buffers.NewBatchPool(128, 1), clock: 1e18}
		if s.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot()); err != nil {
			t.Fatal(err)
		}
		empty := heapOctets() - before
		for c := range flows {
			s.run([]buffers.Frame{steadyFrame(c, wire.ToServer, craft.TCP{Seq: 1000, Flags: wire.SYN, Wnd: 65535}, 0)})
			if established {
				s.run([]buffers.Frame{
					steadyFrame(c, wire.ToClient, craft.TCP{Seq: 5000, Ack: 1001, Flags: wire.SYN | wire.ACK, Wnd: 65535}, 0),
					steadyFrame(c, wire.ToServer, craft.TCP{Seq: 1001, Ack: 5001, Flags: wire.ACK, Wnd: 65535}, 0),
				})
			}
		}
		mapped := s.shard.flows.Mapped()
		octets := float64(heapOctets()-before-empty+int64(mapped)) / flows
		s.shard.publish()
		counted := float64(s.shard.Stats().Memory) / flows
		t.Logf("established %v: %.0f octets a flow on the heap, %.0f as counted; an empty shard: %d KiB", established, octets, counted, empty>>10)
		if st := s.shard.Stats(); st.Live != flows {
			t.Fatalf("%d flows, want %d", st.Live, flows)
		}
		if octets > flowOctetsClaimed {
			t.Errorf("established %v: a flow takes %.0f octets, the stack reckons with %d", established, octets, flowOctetsClaimed)
		}
		if d := counted - octets; d < -40 || d > 40 {
			t.Errorf("established %v: the shard counts %.0f octets a flow, the heap has %.0f", established, counted, octets)
		}
	}
}

// heapOctets returns what is in use on the heap once the collector has run.
func heapOctets() int64 {
	runtime.GC()
	runtime.GC() // the first one only starts to sweep
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a burst of flows took is given back when they have ended.
func TestBurstIsGivenBack(t *testing.T) {
	const flows = 200_000
	var ctl controller
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err == nil {
		err = sock.Handle(uevents.OnConnEnd, uevents.PostTCP, func(*uevents.Context) {})
	}
	s := &steady{pool: buffers.NewBatchPool(128, 1), clock: 1e18}
	if err == nil {
		s.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot())
	}
	if err != nil {
		t.Fatal(err)
	}
	count := func() int64 {
		s.shard.publish()
		return int64(s.shard.Stats().Memory)
	}
	before := count()
	for c := range flows {
		s.run([]buffers.Frame{steadyFrame(c, wire.ToServer, craft.TCP{Seq: 1000, Flags: wire.SYN, Wnd: 65535}, 0)})
	}
	burst := count()
	for range 40 {
		s.clock += int64(5 * time.Second)
		s.shard.mark(Mark{Clock: s.clock})
	}
	if after := count(); s.shard.stats.Live != 0 || after > before+before/10 {
		t.Errorf("%d octets before, %d in the burst, %d after it with %d flows left", before, burst, after, s.shard.stats.Live)
	}
}
