package shard

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// TestRingsOfOneClock: two rings bring the two directions of a flow, one of them
// later than the other, with marks between them. Time does not run backwards for
// those who look, and a timer is not late by more than what the rings differ.
func TestRingsOfOneClock(t *testing.T) {
	const start, ms = int64(1e18), int64(time.Millisecond)
	var ctl controller
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err != nil {
		t.Fatal(err)
	}
	var seen []int64 // ms
	note := func(c *uevents.Context) { seen = append(seen, (c.Now().UnixNano()-start)/ms) }
	var fired int64
	err = sock.Handle(uevents.OnPacket, uevents.PostTCP, func(c *uevents.Context) {
		if len(seen) == 0 {
			if _, err := c.Arm(30 * time.Millisecond); err != nil {
				t.Error(err)
			}
		}
		note(c)
	})
	if err == nil {
		err = sock.Handle(uevents.OnTimer, uevents.PostTCP, func(c *uevents.Context) { fired = (c.Now().UnixNano() - start) / ms })
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{}, ctl.set.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	pool := buffers.NewBatchPool(8, 1)
	there := craft.Path{Src: netip.MustParseAddrPort("192.0.2.1:5000"), Dst: netip.MustParseAddrPort("192.0.2.2:53")}
	back := there.Reverse()
	bring := func(p *craft.Path, clocks ...int64) {
		b := pool.Get()
		for _, at := range clocks {
			f := b.Next()
			*f = buffers.Frame{Data: craft.AppendUDP(nil, p, []byte("x")), Link: wire.LinkEthernet, Clock: start + at*ms}
			new(wire.Parser).Parse(&f.Packet, f.Link, f.Data)
			f.Hash = f.Packet.Key.Hash(0)
		}
		s.message(Message{Batch: b})
	}
	bring(&there, 0, 10)
	s.message(Message{Mark: Mark{Clock: start + 20*ms}})
	bring(&back, 5, 12, 25) // from the other ring
	bring(&there, 18, 40)
	s.message(Message{Mark: Mark{Clock: start + 30*ms}})
	bring(&back, -2e9/ms*ms) // a capture of another time keeps its own
	s.message(Message{Mark: Mark{Last: true}})
	want := []int64{0, 10, 20, 20, 25, 25, 40}
	for i, at := range want {
		if i >= len(seen) || seen[i] != at {
			t.Fatalf("packets were seen at %v ms, want %v", seen, want)
		}
	}
	if last := seen[len(seen)-1]; len(seen) != len(want)+1 || last >= 0 {
		t.Errorf("a packet of another time was seen at %v ms", last)
	}
	if fired < 30 || fired > 31 {
		t.Errorf("the timer for 30 ms fired at %d", fired)
	}
}
