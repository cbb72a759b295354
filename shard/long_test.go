package shard

import (
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// longTalk is a connection that carries more than sequence numbers can count, and
// its reader, who looks away between two offsets.
type longTalk struct {
	*steady
	t       *testing.T
	sent    uint64 // before the segment at hand
	off, on uint64
	reads   bool
}

// longText is how many octets a segment has.
const longText = 60_000

func newLongTalk(t *testing.T, off, on uint64) *longTalk {
	l := &longTalk{steady: &steady{pool: buffers.NewBatchPool(64, 1), clock: 1e18}, t: t, off: off, on: on, reads: true}
	var ctl controller
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	for event, h := range map[uevents.Event]uevents.Handler{
		uevents.OnNewData: l.data,
		uevents.OnPacket:  l.packet,
		uevents.OnGap:     func(c *uevents.Context) { t.Errorf("a gap: %+v", c.Gap()) },
	} {
		if err == nil {
			err = sock.Handle(event, uevents.PostTCP, h)
		}
	}
	if err == nil {
		l.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *longTalk) data(c *uevents.Context) {
	if next := c.Buffered(wire.ToServer).Next; c.Offset() != l.sent || next != l.sent+longText || len(c.Payload()) != longText {
		l.t.Fatalf("%d octets at %d, then %d; want %d at %d", len(c.Payload()), c.Offset(), next, longText, l.sent)
	}
}

func (l *longTalk) packet(c *uevents.Context) {
	if c.Packet().PayloadLen > 0 {
		l.sent += longText
	}
	if reads := l.sent < l.off || l.sent >= l.on; reads != l.reads && c.Side() == wire.ToClient {
		l.reads = reads
		if err := c.SetReassembly(wire.ToServer, reads); err != nil {
			l.t.Fatal(err)
		}
	}
}

// TestLongStreams: offsets go on beyond 4 GiB, where sequence numbers begin anew,
// of a stream that is straight until it has come too far for that, and of one that
// is read again after a while.
func TestLongStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("fifteen gigabytes, each octet of which the race detector's build scribbles over: minutes")
	}
	const octets = 5 << 30
	for _, c := range []struct {
		name    string
		off, on uint64
	}{
		{"read throughout", 0, 0},
		{"not read for a while", 1 << 20, 2 << 20},
		{"not read for the most part", 1 << 20, 4<<30 + 5<<20},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLongTalk(t, c.off, c.on)
			l.run([]buffers.Frame{
				steadyFrame(1, wire.ToServer, craft.TCP{Seq: 1000, Flags: wire.SYN, Wnd: 65535}, 0),
				steadyFrame(1, wire.ToClient, craft.TCP{Seq: 5000, Ack: 1001, Flags: wire.SYN | wire.ACK, Wnd: 65535}, 0),
				steadyFrame(1, wire.ToServer, craft.TCP{Seq: 1001, Ack: 5001, Flags: wire.ACK, Wnd: 65535}, 0),
			})
			turn := []buffers.Frame{
				steadyFrame(1, wire.ToServer, craft.TCP{Seq: 1001, Ack: 5001, Flags: wire.ACK, Wnd: 65535}, longText),
				steadyFrame(1, wire.ToClient, craft.TCP{Seq: 5001, Ack: 1001 + longText, Flags: wire.ACK, Wnd: 65535}, 0),
			}
			segments := uint64(0)
			for ; segments*longText < octets; segments++ {
				l.run(turn)
				turn[0].Packet.Segment.Seq += longText
				turn[1].Packet.Segment.Ack += longText
			}
			if p, n := l.shard.sentBy(l.shard.flows.At(1), wire.ToServer); p != segments+2 || n != l.sent || n != segments*longText {
				t.Errorf("%d packets with %d octets, want %d with %d", p, n, segments+2, segments*longText)
			}
			l.shard.mark(Mark{Clock: l.clock, Last: true})
		})
	}
}
