package rx_test

import (
	"net/netip"
	"testing"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// TestFanoutKeepsDirectionsTogether sends both directions of flows, received and
// sent by the interface, plain, tagged and in VXLANs whose outer ports are the
// sender's choice: a flow's frames come to one ring, in order, and the rings
// share the flows.
func TestFanoutKeepsDirectionsTogether(t *testing.T) {
	const n, flows = 3, 60
	namespace(t)
	veth(t, "in0", "out0", 1)
	rings := openRings(t, rx.RingConfig{Interface: "in0", Rings: n})
	near, far := newSender(t, "in0"), newSender(t, "out0")
	wrap := func(i int, frame []byte, back bool) []byte {
		outer := netip.AddrFrom4([4]byte{10, 9, byte(i), 1})
		src, dst := netip.AddrPortFrom(outer, uint16(20000+i*7)), netip.AddrPortFrom(outer.Next(), 4789)
		if back {
			src, dst = netip.AddrPortFrom(outer.Next(), uint16(40000+i*3)), netip.AddrPortFrom(outer, 4789)
		}
		p := craft.Path{Src: src, Dst: dst}
		return craft.AppendUDP(nil, &p, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, frame...))
	}
	sent := 0
	for i := range flows {
		p := flow(uint16(1000+i), 80)
		if i%2 == 1 {
			p.Src = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), p.Src.Port())
			p.Dst = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::2"), p.Dst.Port())
		}
		if i%5 == 0 {
			p.Tags = []craft.Tag{{TCI: 5}, {TCI: 6}}
		}
		for k := range 4 {
			q := p
			if k%2 == 1 {
				q = p.Reverse()
			}
			f := craft.AppendTCP(nil, &q, &craft.TCP{Seq: wire.Seq(k), Flags: wire.ACK}, []byte("text"))
			if i%3 == 0 {
				f = wrap(i, f, k%2 == 1)
			}
			if k%2 == 1 {
				sent += near.send(f)
			} else {
				sent += far.send(f)
			}
		}
	}
	where, packets := map[wire.FlowKey]int{}, 0
	for k, r := range rings {
		got := fetch(t, r, sent)
		packets += len(got)
		for _, f := range got {
			var p wire.Packet
			new(wire.Parser).Parse(&p, f.Link, f.Data)
			if at, ok := where[p.Key]; ok && at != k {
				t.Errorf("%v %v comes to rings %d and %d", p.Key.Endpoint(0), p.Key.Endpoint(1), at, k)
			}
			where[p.Key] = k
		}
		if len(got) < sent/n/3 {
			t.Errorf("ring %d has %d frames of %d", k, len(got), sent)
		}
	}
	if packets != sent || len(where) != flows {
		t.Errorf("%d frames of %d, %d flows of %d", packets, sent, len(where), flows)
	}
}
