package filter

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// frame is a packet under test: where its innermost headers are. Offsets count
// from the start of data.
type frame struct {
	pkt     *wire.Packet
	data    []byte
	net     int    // the IP or ARP header; netUnknown if there is no telling
	link    uint16 // EtherType of what stands at net; 0 if there is no telling
	cut     bool   // the capture ends before the EtherType
	linked  bool   // net is an IP header behind Ethernet and nothing but tags
	tags    uint8  // how many; valid iff linked
	wireLen uint32
}

// netUnknown is so far before a frame that no offset leads back into it.
const netUnknown = -1 << 20

// Lengths of the link headers that can be searched for what is not IP.
const (
	etherLen = 14
	tagLen   = 4
	sllLen   = 16
	sll2Len  = 20
)

// locate finds the network header. Where the parser came upon an IP packet, it
// is that one, the innermost; else whatever the link header announces.
func (f *frame) locate() {
	switch f.pkt.Outcome {
	case wire.Whole, wire.Fragment, wire.ShortTransport, wire.BadTransport:
		f.net = int(f.pkt.NetworkOff)
		if f.net == etherLen && f.pkt.Stack[0] == wire.LayerEthernet {
			f.link, f.linked = binary.BigEndian.Uint16(f.data[etherLen-2:]), true
			return
		}
		f.inner()
	case wire.TooDeep:
		f.net = netUnknown // the innermost packet has not been reached
	default:
		f.outermost()
	}
}

// inner finds out what the EtherType of the innermost packet is or would be.
func (f *frame) inner() {
	p := f.pkt
	if i := lastEther(p); i >= 0 {
		tags := tagsBehind(p, i)
		next := i + 1 + tags
		if next < int(p.Depth) && next == lastIP(p) && f.net >= etherLen+tagLen*tags {
			f.link = binary.BigEndian.Uint16(f.data[f.net-2:])
			f.linked, f.tags = true, uint8(tags)
			return
		}
	}
	f.link = etherIPv4
	if f.data[f.net]>>4 == 6 {
		f.link = etherIPv6
	}
}

// outermost finds the network header of a frame without an IP packet, by the
// link headers that have an EtherType.
func (f *frame) outermost() {
	typeOff, ok := f.typeOff()
	if !ok {
		f.net = netUnknown
		return
	}
	t, ok := f.u16(typeOff)
	f.link, f.cut = uint16(t), !ok
	f.net = typeOff + 2
	if f.pkt.Stack[0] == wire.LayerSLL2 && f.net == 2 {
		f.net = sll2Len
	}
}

// typeOff returns where the EtherType stands that is behind the VLAN tags of
// the innermost Ethernet header, or of another link header that has one.
func (f *frame) typeOff() (off int, ok bool) {
	p := f.pkt
	if off, ok := f.ether(); ok {
		return off + etherLen - 2 + tagLen*tagsBehind(p, lastEther(p)), true
	}
	if p.Depth == 0 || f.found() {
		return 0, false
	}
	n := tagsBehind(p, 0)
	switch p.Stack[0] {
	case wire.LayerSLL:
		return sllLen - 2 + tagLen*n, true
	case wire.LayerSLL2:
		if n > 0 {
			return sll2Len + tagLen*n - 2, true
		}
		return 0, true
	}
	return 0, false
}

// ether returns where the innermost Ethernet header is, as far as the parser's
// notes tell: in front of the innermost IP packet with nothing but tags
// between them, or at the frame's start.
func (f *frame) ether() (off int, ok bool) {
	if f.linked {
		return f.net - etherLen - tagLen*int(f.tags), true
	}
	// A reassembled datagram begins with its IP header; no frame does.
	return 0, lastEther(f.pkt) == 0 && (!f.found() || f.pkt.OuterOff >= etherLen)
}

// found reports whether the parser came upon an IP packet.
func (f *frame) found() bool {
	o := f.pkt.Outcome
	return o == wire.Whole || o == wire.Fragment || o == wire.ShortTransport || o == wire.BadTransport
}

// lastEther returns the index in p.Stack of the innermost Ethernet header, or -1.
func lastEther(p *wire.Packet) int {
	i := int(p.Depth) - 1
	for i >= 0 && p.Stack[i] != wire.LayerEthernet {
		i--
	}
	return i
}

// lastIP returns the index in p.Stack of the innermost IP header, or -1.
func lastIP(p *wire.Packet) int {
	i := int(p.Depth) - 1
	for i >= 0 && !isIP(p.Stack[i]) {
		i--
	}
	return i
}

// tagsBehind returns how many VLAN tags follow layer i of p.Stack.
func tagsBehind(p *wire.Packet, i int) int {
	n := 0
	for i+1+n < int(p.Depth) && p.Stack[i+1+n] == wire.LayerVLAN {
		n++
	}
	return n
}

func isIP(l wire.Layer) bool { return l == wire.LayerIPv4 || l == wire.LayerIPv6 }

// u8, u16 and u32 read the number at off, or report that the capture ends
// before it.
func (f *frame) u8(off int) (n uint32, ok bool) {
	if uint(off) >= uint(len(f.data)) {
		return 0, false
	}
	return uint32(f.data[off]), true
}

func (f *frame) u16(off int) (n uint32, ok bool) {
	if uint(off)+2 > uint(len(f.data)) {
		return 0, false
	}
	return uint32(binary.BigEndian.Uint16(f.data[off:])), true
}

func (f *frame) u32(off int) (n uint32, ok bool) {
	if uint(off)+4 > uint(len(f.data)) {
		return 0, false
	}
	return binary.BigEndian.Uint32(f.data[off:]), true
}
