package filter

import (
	"github.com/mbox-stack/mbox/wire"
)

// verdict is the answer to one test. An answer that lies beyond the captured
// octets is neither yes nor no: as in BPF, the packet is rejected whatever the
// rest of the expression says.
type verdict uint8

const (
	no verdict = iota
	yes
	beyond
)

// truth returns the verdict of a test that could be made.
func truth(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// eval makes the test on a packet.
func (t *test) eval(f *frame) verdict {
	if f.cut && t.op < opEther {
		return beyond
	}
	switch t.op {
	case opType:
		return t.evalType(f)
	case opLLC:
		return t.evalLLC(f)
	case opProto:
		return t.evalProto(f)
	case opHost:
		return t.evalHost(f)
	case opHost6:
		return t.evalHost6(f)
	case opPort:
		return t.evalPort(f)
	case opEther:
		return t.evalEther(f)
	case opVLAN:
		return t.evalVLAN(f)
	}
	return t.rel.eval(f)
}

// Offsets within the headers that the tests read.
const (
	ipv4FragOff  = 6
	ipv4ProtoOff = 9
	ipv4SrcOff   = 12
	ipv4DstOff   = 16
	ipv6NextOff  = 6
	ipv6SrcOff   = 8
	ipv6DstOff   = 24
	ipv6Len      = 40
	arpSrcOff    = 14
	arpDstOff    = 24
	fragOffMask  = 0x1fff // RFC 791 §3.1, in units of eight octets
)

// evalPort looks at the ports behind a fixed IPv6 header, or behind an IPv4
// header in packets and first fragments, as libpcap does.
func (t *test) evalPort(f *frame) verdict {
	var off int
	switch f.link {
	case etherIPv4:
		n, ok := f.u8(f.net + ipv4ProtoOff)
		if !ok {
			return beyond
		}
		if !t.ofPort(wire.Proto(n)) {
			return no
		}
		frag, _ := f.u16(f.net + ipv4FragOff) // lies before the protocol
		if frag&fragOffMask != 0 {
			return no
		}
		off = f.net + f.ipv4HeaderLen()
	case etherIPv6:
		n, ok := f.u8(f.net + ipv6NextOff)
		if !ok {
			return beyond
		}
		if !t.ofPort(wire.Proto(n)) {
			return no
		}
		off = f.net + ipv6Len
	default:
		return no
	}
	if t.dir != dstOnly {
		n, ok := f.u16(off)
		if !ok {
			return beyond
		}
		if v, done := t.dir.first(t.inRange(uint16(n))); done {
			return v
		}
	}
	n, ok := f.u16(off + 2)
	if !ok {
		return beyond
	}
	return truth(t.inRange(uint16(n)))
}

// first returns the verdict where the source alone, which matches or not,
// settles it.
func (d direction) first(src bool) (v verdict, done bool) {
	switch d {
	case srcOrDst:
		return yes, src
	case srcAndDst:
		return no, !src
	}
	return truth(src), true
}

// ofPort reports whether t looks at ports of proto.
func (t *test) ofPort(proto wire.Proto) bool {
	if t.proto != 0 {
		return proto == t.proto
	}
	return proto == wire.ProtoTCP || proto == wire.ProtoUDP || proto == wire.ProtoSCTP
}

func (t *test) inRange(port uint16) bool { return t.lo <= port && port <= t.hi }

// ipv4HeaderLen returns the octets of the IPv4 header by its own account. The
// header's first octet must have been captured.
func (f *frame) ipv4HeaderLen() int { return int(f.data[f.net]&0xf) * 4 }

// evalProto looks at the protocol of an IPv4 header, or at what follows an IPv6
// header, directly or behind a fragment header.
func (t *test) evalProto(f *frame) verdict {
	switch {
	case f.link == etherIPv4 && t.families&inIP != 0:
		n, ok := f.u8(f.net + ipv4ProtoOff)
		if !ok {
			return beyond
		}
		return truth(wire.Proto(n) == t.proto)
	case f.link == etherIPv6 && t.families&inIP6 != 0:
		n, ok := f.u8(f.net + ipv6NextOff)
		if !ok {
			return beyond
		}
		if wire.Proto(n) == t.proto || wire.Proto(n) != wire.ProtoFragment {
			return truth(wire.Proto(n) == t.proto)
		}
		if n, ok = f.u8(f.net + ipv6Len); !ok {
			return beyond
		}
		return truth(wire.Proto(n) == t.proto)
	}
	return no
}

// evalHost looks at the addresses of an IPv4 or ARP header.
func (t *test) evalHost(f *frame) verdict {
	src, dst := f.net+arpSrcOff, f.net+arpDstOff
	switch f.link {
	case etherIPv4:
		if t.families&inIP == 0 {
			return no
		}
		src, dst = f.net+ipv4SrcOff, f.net+ipv4DstOff
	case etherARP:
		if t.families&inARP == 0 {
			return no
		}
	case etherRARP:
		if t.families&inRARP == 0 {
			return no
		}
	default:
		return no
	}
	if t.mask == 0 {
		return yes
	}
	if t.dir != dstOnly {
		n, ok := f.u32(src)
		if !ok {
			return beyond
		}
		if v, done := t.dir.first(n&t.mask == t.num); done {
			return v
		}
	}
	n, ok := f.u32(dst)
	if !ok {
		return beyond
	}
	return truth(n&t.mask == t.num)
}

// evalHost6 looks at the addresses of an IPv6 header.
func (t *test) evalHost6(f *frame) verdict {
	if f.link != etherIPv6 {
		return no
	}
	if t.dir != dstOnly {
		v := t.evalAddr6(f, f.net+ipv6SrcOff)
		if v == beyond {
			return v
		}
		if v, done := t.dir.first(v == yes); done {
			return v
		}
	}
	return t.evalAddr6(f, f.net+ipv6DstOff)
}

// evalAddr6 compares the address at off, a word at a time: what a word before
// the capture's end decides is decided.
func (t *test) evalAddr6(f *frame, off int) verdict {
	for i, mask := range t.mask6 {
		if mask == 0 {
			break
		}
		n, ok := f.u32(off + 4*i)
		if !ok {
			return beyond
		}
		if n&mask != t.addr[i] {
			return no
		}
	}
	return yes
}

// evalEther looks at the addresses of the innermost Ethernet header.
func (t *test) evalEther(f *frame) verdict {
	const addrLen = 6
	off, ok := f.ether()
	if !ok {
		return no
	}
	if t.dir != dstOnly {
		v := t.evalMAC(f, off+addrLen)
		if v == beyond {
			return v
		}
		if v, done := t.dir.first(v == yes); done {
			return v
		}
	}
	return t.evalMAC(f, off)
}

func (t *test) evalMAC(f *frame, off int) verdict {
	if off+len(t.mac) > len(f.data) {
		return beyond
	}
	return truth([6]byte(f.data[off:]) == t.mac)
}

// evalVLAN looks at the VLAN tags of the frame, from the outside in.
func (t *test) evalVLAN(f *frame) verdict {
	p, before := f.pkt, int(t.level)-1
	if p.Depth == 0 {
		return no
	}
	// The parser drops what is cut within a tag. Of a frame that begins with
	// Ethernet and tags, its octets tell more.
	tags := tagsBehind(p, 0)
	byOctets := p.Stack[0] == wire.LayerEthernet && !f.found() && tags >= before
	if byOctets && len(f.data) < etherLen+tagLen*before {
		return beyond
	}
	for _, l := range p.Stack[1+tags : p.Depth] {
		if l == wire.LayerVLAN {
			tags++
		}
	}
	switch {
	case tags <= before || !t.tagged:
		return truth(tags > before)
	case !byOctets:
		return truth(uint32(p.VLANs[before]) == t.num)
	}
	n, ok := f.u16(etherLen + tagLen*before)
	if !ok {
		return beyond
	}
	return truth(n&identifierMax == t.num)
}

// evalType looks at the EtherType.
func (t *test) evalType(f *frame) verdict {
	if t.num == etherIPv4 || t.num == etherIPv6 || f.linked || !f.found() {
		return truth(uint32(f.link) == t.num)
	}
	// Between an Ethernet header and IP may be labels or a session.
	off, ok := f.typeOff()
	if !ok {
		return no
	}
	n, ok := f.u16(off)
	if !ok {
		return beyond
	}
	return truth(n == t.num)
}

// evalLLC looks for a length in place of the EtherType, and at the DSAP.
func (t *test) evalLLC(f *frame) verdict {
	off, ok := f.typeOff()
	if !ok {
		return no
	}
	n, ok := f.u16(off)
	if !ok {
		return beyond
	}
	if n > etherLengthMax {
		return no
	}
	dsap, ok := f.u8(off + 2)
	if !ok {
		return beyond
	}
	return truth(dsap == t.num)
}
