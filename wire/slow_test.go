package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// slowSum is addOctets as RFC 1071 §1 describes it: 16-bit words, added one by
// one, the carry of each put back at once.
func slowSum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// slowHolds is what a sum over everything, checksum included, has to be.
func slowHolds(b []byte) bool { return slowSum(b) == 0xffff || slowSum(b) == 0 }

func TestAddOctetsIsRFC1071(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n)
		for i := range b {
			b[i] = [...]byte{0, 0xff, byte(r.Uint32())}[r.IntN(3)]
		}
		got := addOctets(0, b) % 0xffff
		want := uint64(bits16(slowSum(b))) % 0xffff
		if got != want {
			t.Fatalf("%d octets: %x, want %x: % x", n, got, want, b)
		}
		if holds(addOctets(0, b)) != slowHolds(b) {
			t.Fatalf("%d octets: holds %v", n, holds(addOctets(0, b)))
		}
	}
}

// bits16 swaps the octets of a sum: addOctets adds little-endian words.
func bits16(s uint16) uint16 { return s<<8 | s>>8 }

// TestAddOctetsCarries drives every carry: sums of nothing but ones.
func TestAddOctetsCarries(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 65536)
	for n := 0; n < len(b); n += 509 {
		for _, start := range []uint64{0, 1, 0xffff, 1 << 63, ^uint64(0) - 1} {
			want := (start%0xffff + uint64(bits16(slowSum(b[:n])))) % 0xffff
			if got := addOctets(start, b[:n]) % 0xffff; got != want {
				t.Fatalf("%d octets from %x: %x, want %x", n, start, got, want)
			}
		}
	}
}

// slowKey makes a key by comparing endpoints as netip does.
func slowKey(src, dst netip.AddrPort, proto Proto) (k FlowKey, sender uint8) {
	ends := [2]netip.AddrPort{src, dst}
	if src.Compare(dst) > 0 {
		ends, sender = [2]netip.AddrPort{dst, src}, 1
	}
	for i, e := range ends {
		k.Addr[i], k.Port[i] = e.Addr().As16(), e.Port()
	}
	k.Proto, k.Version = proto, 6
	if src.Addr().Is4() {
		k.Version = 4
	}
	return k, sender
}

// closeAddrs returns two addresses that often share their beginning.
func closeAddrs(r *rand.Rand, v4 bool) (a, b netip.Addr) {
	var x, y [16]byte
	for i := range x {
		x[i] = byte(r.Uint32())
	}
	same := r.IntN(17)
	copy(y[:], x[:same])
	for i := same; i < 16; i++ {
		y[i] = byte(r.Uint32())
	}
	if v4 {
		return netip.AddrFrom4([4]byte(x[12:])), netip.AddrFrom4([4]byte(y[12:]))
	}
	return netip.AddrFrom16(x), netip.AddrFrom16(y)
}

func TestKeyOrderIsNetip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		v4 := r.IntN(2) == 0
		a, b := closeAddrs(r, v4)
		src := netip.AddrPortFrom(a, uint16(r.IntN(3)))
		dst := netip.AddrPortFrom(b, uint16(r.IntN(3)))
		var p Packet
		e := endpoints{src.Port(), dst.Port()}
		addrs := join(a.AsSlice(), b.AsSlice())
		if v4 {
			p.set4((*[8]byte)(addrs), e, ProtoTCP)
		} else {
			p.set6((*[32]byte)(addrs), e, ProtoTCP)
		}
		key, sender := slowKey(src, dst, ProtoTCP)
		if p.Key != key || p.Sender != sender {
			t.Fatalf("%v > %v: %+v sender %d, want %+v sender %d", src, dst, p.Key, p.Sender, key, sender)
		}
	}
}

// slowParse is Parse without the path for plain frames.
func slowParse(ps *Parser, p *Packet, link LinkType, data []byte) {
	w := walk{p: p, data: data, end: len(data), mask: ps.Scope.mask()}
	w.run(w.link(link))
}

// slowTransportOK computes a transport checksum from the packet's own octets:
// pseudo-header written out, words added one by one.
func slowTransportOK(p *Packet, data []byte, proto Proto) bool {
	b := data[p.TransportOff : uint32(p.PayloadOff)+p.PayloadLen]
	h := data[p.NetworkOff:]
	switch {
	case proto == ProtoICMP:
		return slowHolds(b)
	case p.Key.Version == 4:
		return slowHolds(join(h[12:20], uint16(proto), uint16(len(b)), b))
	}
	dst := h[24:40]
	if p.Marks&MarkRouting != 0 {
		dst = data[p.RouteOff:][:16]
	}
	return slowHolds(join(h[8:24], dst, binary.BigEndian.AppendUint32(nil, uint32(len(b))), uint32(proto), b))
}
