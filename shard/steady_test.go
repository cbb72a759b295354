package shard

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// controller holds the sockets of a shard without a stack.
type controller struct{ set uevents.Set }

// Change implements uevents.Controller.
func (c *controller) Change(change func(*uevents.Set) error) error { return change(&c.set) }

// steady is a shard in the middle of its work: connections that are established
// and exchange text for ever. Frames are made once; from turn to turn only their
// sequence numbers move on.
type steady struct {
	shard   *Shard
	pool    *buffers.BatchPool
	frames  []buffers.Frame // of a turn, in the order they come in
	octets  uint64          // that handlers have been given
	packets int             // that handlers have seen
	clock   int64
}

// round is what a connection does in a turn: a request, its answer in pieces,
// and acknowledgements in both directions.
var round = []struct {
	dir      wire.Dir
	seq, ack uint32 // octets of each side that came before in the turn
	text     uint32
}{
	{wire.ToServer, 0, 0, steadyText},
	{wire.ToClient, 0, 1, steadyText},
	{wire.ToClient, 1, 1, steadyText},
	{wire.ToServer, 1, 2, 0},
	{wire.ToClient, 2, 1, steadyText},
	{wire.ToClient, 3, 1, steadyText},
	{wire.ToServer, 1, 4, 0},
	{wire.ToClient, 4, 1, 0},
}

// steadyText is how many octets a segment with text has.
const steadyText = 1400

// modes are what the handlers of a steady shard ask for.
var modes = []struct {
	name string
	ask  func(*steady, *uevents.Socket) error
}{
	{"track", func(_ *steady, k *uevents.Socket) error {
		return k.Handle(uevents.OnConnEnd, uevents.PostTCP, func(*uevents.Context) {})
	}},
	{"events", func(s *steady, k *uevents.Socket) error {
		if err := k.Handle(uevents.OnPacket, uevents.PreTCP, func(*uevents.Context) { s.packets++ }); err != nil {
			return err
		}
		return k.Handle(uevents.OnPacket, uevents.PostTCP, func(*uevents.Context) {})
	}},
	{"read", func(s *steady, k *uevents.Socket) error {
		return k.Handle(uevents.OnNewData, uevents.PostTCP, func(c *uevents.Context) { s.octets += uint64(len(c.Payload())) })
	}},
}

// newSteady opens connections and lets them run for a few turns, until tables
// and pools have their size. Reordered, two of the four pieces of an answer come
// after what follows them, and the request's first acknowledgement before.
func newSteady(tb testing.TB, ask func(*steady, *uevents.Socket) error, conns, batch int, reordered bool) *steady {
	tb.Helper()
	s := &steady{pool: buffers.NewBatchPool(batch, 1), clock: 1e18}
	var ctl controller
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err == nil {
		err = ask(s, sock)
	}
	if err == nil {
		s.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot())
	}
	if err != nil {
		tb.Fatal(err)
	}
	for _, flags := range []wire.Flags{wire.SYN, wire.SYN | wire.ACK, wire.ACK} {
		var opening []buffers.Frame
		for c := range conns {
			d, h := wire.ToServer, craft.TCP{Seq: 1001, Ack: 5001, Flags: flags, Wnd: 65535}
			switch {
			case flags == wire.SYN:
				h.Seq, h.Ack = 1000, 0
			case flags.Has(wire.SYN):
				d, h.Seq, h.Ack = wire.ToClient, 5000, 1001
			}
			opening = append(opening, steadyFrame(c, d, h, 0))
		}
		s.run(opening)
	}
	order := []int{0, 1, 2, 3, 4, 5, 6, 7}
	if reordered {
		order = []int{0, 2, 1, 3, 5, 4, 6, 7}
	}
	for _, i := range order { // all connections take the same step, one after the other
		r := &round[i]
		for c := range conns {
			h := craft.TCP{Seq: 1001, Ack: 5001, Flags: wire.ACK, Wnd: 65535}
			if r.dir == wire.ToClient {
				h.Seq, h.Ack = h.Ack, h.Seq
			}
			h.Seq, h.Ack = h.Seq.Add(r.seq*steadyText), h.Ack.Add(r.ack*steadyText)
			s.frames = append(s.frames, steadyFrame(c, r.dir, h, int(r.text)))
		}
	}
	for range 4 {
		s.turn()
	}
	return s
}

// steadyFrame makes and parses a frame of connection number c.
func steadyFrame(c int, d wire.Dir, h craft.TCP, text int) (f buffers.Frame) {
	path := craft.Path{
		Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(c >> 16), byte(c >> 8), byte(c)}), 40000),
		Dst: netip.MustParseAddrPort("192.0.2.1:80"),
	}
	if d == wire.ToClient {
		path = path.Reverse()
	}
	f.Link = wire.LinkEthernet
	f.Data = craft.AppendTCP(nil, &path, &h, make([]byte, text))
	f.WireLen = uint32(len(f.Data))
	var p wire.Parser
	p.Parse(&f.Packet, f.Link, f.Data)
	f.Hash = f.Packet.Key.Hash(0)
	return f
}

// run takes frames through the shard in batches.
func (s *steady) run(frames []buffers.Frame) {
	for len(frames) > 0 {
		b := s.pool.Get()
		for len(frames) > 0 && !b.Full() {
			s.clock += 1000
			f := b.Next()
			*f = frames[0]
			f.Clock, f.Timestamp = s.clock, s.clock
			frames = frames[1:]
		}
		s.shard.run(b)
	}
}

// turn lets every connection do one round more.
func (s *steady) turn() {
	s.run(s.frames)
	for i := range s.frames {
		seg := &s.frames[i].Packet.Segment
		sent := [2]uint32{wire.ToServer: steadyText, wire.ToClient: 4 * steadyText}
		d := wire.ToServer
		if s.frames[i].Packet.Key.Endpoint(s.frames[i].Packet.Sender).Port() == 80 {
			d = wire.ToClient
		}
		seg.Seq, seg.Ack = seg.Seq.Add(sent[d]), seg.Ack.Add(sent[d.Reverse()])
	}
}

// In its steady state a shard allocates nothing: not for packets in order, not
// for those that are held until a hole is filled, whoever looks on.
func TestRunDoesNotAllocate(t *testing.T) {
	if assert.Enabled {
		t.Skip("checked builds copy what they lend")
	}
	const conns = 64
	for _, m := range modes {
		for _, reordered := range []bool{false, true} {
			s := newSteady(t, m.ask, conns, 128, reordered)
			before, flows := s.octets, s.shard.stats.Flows
			if n := testing.AllocsPerRun(20, s.turn); n != 0 {
				t.Errorf("%s, reordered %v: %v allocations in a turn of %d packets", m.name, reordered, n, len(s.frames))
			}
			if want := uint64(21 * conns * 5 * steadyText); m.name == "read" && s.octets-before != want {
				t.Errorf("reordered %v: handlers were given %d octets, want %d", reordered, s.octets-before, want)
			}
			if st := &s.shard.stats; st.Flows != flows || st.Gaps+st.Refused+st.Raised != 0 || st.Fates[FateTracked] != st.Frames {
				t.Errorf("%s, reordered %v: this is not the steady state: %+v", m.name, reordered, *st)
			}
		}
	}
}

// BenchmarkRun is the shard's own part of a packet, with parsed frames at hand.
// With 64 connections everything lies in the core's caches; 10,000 are more
// than fit there.
func BenchmarkRun(b *testing.B) {
	for _, m := range modes {
		for _, conns := range []int{64, 10_000} {
			for _, reordered := range []bool{false, true} {
				name := fmt.Sprintf("%s/%d", m.name, conns)
				if reordered {
					name += "/reordered"
				}
				b.Run(name, func(b *testing.B) {
					s := newSteady(b, m.ask, conns, 128, reordered)
					b.ReportAllocs()
					begin, err := sys.CPUTime()
					for b.Loop() {
						s.turn()
					}
					end, _ := sys.CPUTime()
					packets := float64(b.N * len(s.frames))
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/packets, "ns/packet")
					if err == nil {
						b.ReportMetric(float64((end-begin).Nanoseconds())/packets, "cpu-ns/packet")
					}
				})
			}
		}
	}
}
