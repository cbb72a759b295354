package wire

import (
	"net/netip"
	"testing"
)

// FuzzParse: any octets of any link type give a sane packet, the same each time
// and whatever the Packet held before; the path for plain frames agrees with
// the walk; and VerifyTransport agrees with its slow twin.
func FuzzParse(f *testing.F) {
	for _, fr := range allFrames {
		f.Add(uint16(fr.link), uint8(3), fr.data)
	}
	f.Add(uint16(LinkRaw), uint8(0), icmpError(3, 3, inner4))
	f.Add(uint16(LinkRaw), uint8(1), v6(ProtoDestOpts, "\x2c\x00\x01\x04", zeros(4), "\x06\x00\x00\x19", uint32(7), "piece of "))
	f.Fuzz(func(t *testing.T, link uint16, scope uint8, data []byte) {
		ps := Parser{Scope: Scope(scope) & (ScopeVLAN | ScopeTunnel)}
		p := parse(ps, LinkType(link), data)
		wantSane(t, &p, data)
		var again, slow Packet
		ps.Parse(&again, LinkType(link), data)
		slowParse(&ps, &slow, LinkType(link), data)
		if p != again || p != slow {
			t.Fatalf("not the same:\n%+v\n%+v\n%+v", p, again, slow)
		}
		if g := ps.Glance(LinkType(link), data, 7); g.Plain() {
			again = garbage()
			ps.Describe(&again, data, g)
			if again != slow || g.Hash != slow.Key.Hash(7) {
				t.Fatalf("a glance is not the same:\n%+v hash %x\n%+v hash %x", again, g.Hash, slow, slow.Key.Hash(7))
			}
		}
		wantVerdict(t, &p, data)
		if n := len(data); n > 0 {
			cut := data[: n-1 : n-1]
			ps.Parse(&again, LinkType(link), cut)
			wantSane(t, &again, cut)
		}
		if p.Outcome == Fragment {
			ps.Resume(&again, &p, data[p.NetworkOff:])
			wantSane(t, &again, data[p.NetworkOff:])
		}
	})
}

// wantVerdict compares VerifyTransport with its slow twin, where the twin has
// an opinion.
func wantVerdict(t *testing.T, p *Packet, data []byte) {
	t.Helper()
	got := VerifyTransport(p, data)
	proto := p.Key.Proto
	if got == SumUnknown || proto == ProtoSCTP || p.Marks&MarkICMPError != 0 || proto == ProtoUDP && p.Key.Version == 6 {
		return
	}
	want := SumBad
	if slowTransportOK(p, data, proto) {
		want = SumGood
	}
	if got != want {
		t.Fatalf("checksum %v, want %v: %+v", got, want, p)
	}
}

// FuzzKeySymmetric: a packet and its answer have one key and one hash, and the
// key gives back who sent which.
func FuzzKeySymmetric(f *testing.F) {
	f.Add(client4.Addr().AsSlice(), server4.Addr().AsSlice(), uint16(1), uint16(2), uint8(6), uint64(1))
	f.Add(client6.Addr().AsSlice(), server6.Addr().AsSlice(), uint16(1), uint16(2), uint8(17), uint64(2))
	f.Add(client6.Addr().AsSlice(), client6.Addr().AsSlice(), uint16(1), uint16(1), uint8(132), uint64(3))
	f.Fuzz(func(t *testing.T, a, b []byte, sp, dp uint16, proto uint8, seed uint64) {
		src, ok1 := netip.AddrFromSlice(a)
		dst, ok2 := netip.AddrFromSlice(b)
		if !ok1 || !ok2 || src.Is4() != dst.Is4() {
			return
		}
		upper := join(sp, dp, zeros(8), uint8(0x50), zeros(7))
		p := parse(Parser{}, LinkRaw, ip(src, dst, Proto(proto%2*11+6), upper))
		q := parse(Parser{}, LinkRaw, ip(dst, src, Proto(proto%2*11+6), join(dp, sp, upper[4:])))
		if p.Marks&MarkOpaque != 0 {
			return
		}
		from, to := netip.AddrPortFrom(src, sp), netip.AddrPortFrom(dst, dp)
		if p.Key != q.Key || p.Key.Hash(seed) != q.Key.Hash(seed) {
			t.Fatalf("%v > %v: two keys\n%+v\n%+v", from, to, p.Key, q.Key)
		}
		if want, sender := slowKey(from, to, p.Key.Proto); p.Key != want || p.Sender != sender || from != to && q.Sender == sender {
			t.Fatalf("%v > %v: %+v sender %d", from, to, p.Key, p.Sender)
		}
	})
}
