package shard

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// crowded is a shard with room for four flows in a slot, and connections whose
// keys all fall into one.
type crowded struct {
	*steady
	conns []int // their numbers
	log   []string
}

func newCrowded(t *testing.T) *crowded {
	c := &crowded{steady: &steady{pool: buffers.NewBatchPool(8, 1), clock: 1e18}}
	var ctl controller
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err == nil {
		err = sock.Handle(uevents.OnConnEnd, uevents.PostTCP, func(ctx *uevents.Context) {
			c.log = append(c.log, fmt.Sprintf("%d %s", c.name(ctx.Flow()), ctx.Reason()))
		})
	}
	if err == nil {
		err = sock.Handle(uevents.OnConnEstablished, uevents.PostTCP, func(ctx *uevents.Context) {
			if c.name(ctx.Flow()) == 0 {
				ctx.Release()
			}
		})
	}
	if err == nil {
		c.shard, err = New(Config{Checksums: ChecksumsOff, FlowsPerSlot: 4}, ctl.set.Snapshot())
	}
	if err != nil {
		t.Fatal(err)
	}
	var h craft.TCP
	slot := wire.SlotOf(steadyFrame(0, wire.ToServer, h, 0).Hash)
	for n := 0; len(c.conns) < 12; n++ {
		if wire.SlotOf(steadyFrame(n, wire.ToServer, h, 0).Hash) == slot {
			c.conns = append(c.conns, n)
		}
	}
	return c
}

// name returns the ordinal of a connection in conns.
func (c *crowded) name(f uevents.Flow) int {
	b := f.Client().Addr().As4()
	return slices.Index(c.conns, int(b[1])<<16|int(b[2])<<8|int(b[3]))
}

// say sends segments of a connection: the client's by upper case letters, the
// server's by lower case ones.
func (c *crowded) say(conn int, segments string) {
	var frames []buffers.Frame
	for _, r := range segments {
		d, h := wire.ToServer, craft.TCP{Seq: 1001, Ack: 5001, Flags: wire.ACK, Wnd: 65535}
		if r >= 'a' {
			d, h.Seq, h.Ack = wire.ToClient, 5001, 1001
		}
		switch r {
		case 'S':
			h.Seq, h.Ack, h.Flags = 1000, 0, wire.SYN
		case 's':
			h.Seq, h.Flags = 5000, wire.SYN|wire.ACK
		case 'r':
			h.Seq, h.Flags = 0, wire.RST|wire.ACK
		}
		frames = append(frames, steadyFrame(c.conns[conn], d, h, 0))
	}
	c.run(frames)
}

// A slot that is full ends marks of released flows, then closed connections,
// then unproven ones, and established ones last.
func TestEvictionTakesTheLeastWorthy(t *testing.T) {
	c := newCrowded(t)
	c.say(3, "SsA") // established, and the oldest
	c.say(0, "SsA") // released by its handler
	c.say(1, "Sr")  // refused
	c.say(2, "S")   // embryonic
	for n := 4; n < 8; n++ {
		c.say(n, "S")
	}
	want := []string{"0 released", "1 rst", "2 evicted", "4 evicted"}
	if !slices.Equal(c.log, want) {
		t.Errorf("ended %q, want %q: after its release, 0 is a mark", c.log, want)
	}
	if st := &c.shard.stats; st.Live != 4 || st.Marked != 0 || st.Ended[uevents.EndEvicted] != 2 {
		t.Errorf("%d flows live, %d of them marks; evicted %d", st.Live, st.Marked, st.Ended[uevents.EndEvicted])
	}
	if got, want := c.shard.stats.Evicted, [EvictionCount]uint64{EvictedReleased: 1, EvictedClosed: 1, EvictedUnproven: 2}; got != want {
		t.Errorf("evicted %v, want %v by what they were", got, want)
	}
	c.shard.checkInvariants(false)
}

// Among equals the one that was silent goes, not the one that joined first.
func TestEvictionGivesASecondChance(t *testing.T) {
	c := newCrowded(t)
	for n := 1; n <= 4; n++ {
		c.say(n, "S")
	}
	c.say(1, "S")
	c.say(3, "S")
	c.say(5, "S")
	c.say(6, "S")
	c.say(7, "S")
	if want := []string{"2 evicted", "4 evicted", "1 evicted"}; !slices.Equal(c.log, want) {
		t.Errorf("ended %q, want %q", c.log, want)
	}
}

// Where all are established, one of them has to go: a new connection is not
// turned away for ever.
func TestEvictionEndsEstablishedFlowsLast(t *testing.T) {
	c := newCrowded(t)
	for n := 1; n <= 4; n++ {
		c.say(n, "SsA")
	}
	c.say(5, "S")
	c.say(5, "sA")
	if want := []string{"1 evicted"}; !slices.Equal(c.log, want) {
		t.Errorf("ended %q, want %q", c.log, want)
	}
	if n := c.shard.stats.Evicted[EvictedEstablished]; n != 1 {
		t.Errorf("%d established flows evicted, want 1", n)
	}
	c.say(6, "S")
	c.say(7, "S")
	if want := []string{"1 evicted", "2 evicted", "6 evicted"}; !slices.Equal(c.log, want) {
		t.Errorf("ended %q, want %q", c.log, want)
	}
}
