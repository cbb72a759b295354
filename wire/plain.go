package wire

import (
	"encoding/binary"
	"math/bits"
)

// Glance is what one look at a plain frame tells: enough to say where it goes,
// before its description is written there. The zero value is of no frame.
type Glance struct {
	Hash uint64 // FlowKey.Hash of the packet's key
	what uint32 // form, sender and offset of the IP header, in octets from the lowest
}

// The forms of a plain frame.
const (
	formTCP4 = iota + 1 // Ethernet, IPv4, TCP and nothing between them
	formIPv4
	formIPv6
)

// Plain reports whether the glance is of a plain frame: one that Describe takes.
func (g Glance) Plain() bool { return g.what != 0 }

// Glance looks at the frame data of link type link. If it is what nearly every
// frame is (Ethernet with up to two tags, IPv4 or IPv6 without options, TCP or
// UDP that is no tunnel, all of it captured), it returns the hash of its key
// under seed, and Describe says the rest; any other frame is for Parse.
func (ps *Parser) Glance(link LinkType, data []byte, seed uint64) Glance {
	if link != LinkEthernet || len(data) < plainOctets {
		return Glance{}
	}
	if h := (*[plainOctets]byte)(data); isTCP4(h, len(data)) {
		w, v := binary.LittleEndian.Uint64(h[ttlOff:]), binary.LittleEndian.Uint64(h[dstOff:])
		s := order4(w, v)
		addrs, ports := words4(w, v, s)
		hash := xxTail(xxPrime5+16, seed^addrs)
		hash = xxEnd(xxTail(hash, bits.RotateLeft64(seed, 32)^(uint64(ports)|uint64(ProtoTCP)<<32|4<<40)))
		return Glance{hash, formTCP4 | uint32(s)<<8}
	}
	return ps.glance(data, seed)
}

// glance is Glance for all that is not formTCP4.
func (ps *Parser) glance(data []byte, seed uint64) (g Glance) {
	off, t := untag(data)
	if off > etherLen && ps.Scope != 0 {
		return g // the tags may be part of the key
	}
	switch t {
	case 0x0800:
		if b := data[off:]; plain4(b) {
			w, v := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
			s := order4(w, v)
			addrs, ports := words4(w, v, s)
			return Glance{hash16(seed^addrs, bits.RotateLeft64(seed, 32)^(uint64(ports)|w>>8&0xff<<32|4<<40)),
				formIPv4 | uint32(s)<<8 | uint32(off)<<16}
		}
	case 0x86dd:
		if b := data[off:]; plain6(b) {
			s := order6(b)
			return Glance{hash6(b, s, seed), formIPv6 | uint32(s)<<8 | uint32(off)<<16}
		}
	}
	return g
}

// Describe fills *p with what the frame data holds, of which g is a glance that
// is Plain, as Parse would.
func (ps *Parser) Describe(p *Packet, data []byte, g Glance) {
	s, off := uint64(g.what>>8&1), uint16(g.what>>16)
	switch g.what & 0xff {
	case formTCP4:
		p.tcp4(data, s)
		return
	case formIPv4:
		p.describe4(data[off:], off, s)
	default:
		p.describe6(data[off:], off, s)
	}
	if off > etherLen {
		ps.addTags(p, data[etherLen:off])
	}
}

// Where words of eight octets are read in a frame of formTCP4. Each octet is read
// once, as a part of one word: only then does the compiler read words.
const (
	ipOff  = etherLen      // version, type of service, total length, identification, fragment
	ttlOff = etherLen + 8  // TTL, protocol, checksum, source
	dstOff = etherLen + 16 // destination, source port, destination port
	seqOff = etherLen + 24 // sequence and acknowledgement number
	tcpOff = etherLen + 32 // data offset, flags, window, checksum, urgent pointer
)

// plainMask4 covers version, header length, fragment offset and MF, of the first
// eight octets of an IPv4 header in little-endian order.
const plainMask4 = 0xff3f0000000000ff

// plainOctets is the length of the shortest plain frame.
const plainOctets = etherLen + ipv4Len + tcpLen

// isTCP4 reports whether an Ethernet frame of so many octets, which begins with
// h, is plain, IPv4 and TCP, without tags.
func isTCP4(h *[plainOctets]byte, octets int) bool {
	w := binary.LittleEndian.Uint64(h[etherLen-2:]) // EtherType, version, type of service, total length
	n := int(bits.ReverseBytes16(uint16(w >> 32)))
	return w&0xffffff == 0x450008 && binary.LittleEndian.Uint16(h[ipOff+6:])&0xff3f == 0 && Proto(h[ttlOff+1]) == ProtoTCP &&
		n <= octets-etherLen && h[tcpOff] >= 5<<4 && ipv4Len+int(h[tcpOff]>>4)*4 <= n
}

// tcp4 describes such a frame, whose sender is s, with as few stores as can be:
// they are what a description costs. Each field is written once, and constants in
// runs that no other neighbour is written before, which the compiler joins.
func (p *Packet) tcp4(data []byte, s uint64) {
	h := (*[plainOctets]byte)(data)
	le := binary.LittleEndian
	u, w, v := le.Uint64(h[ipOff:]), le.Uint64(h[ttlOff:]), le.Uint64(h[dstOff:])
	addrs, ports := words4(w, v, s)
	k := &p.Key
	k.Proto, k.Version, k.zero = ProtoTCP, 4, 0
	le.PutUint64(k.Addr[0][:], 0)
	le.PutUint64(k.Addr[0][8:], addrs<<32|mapped)
	le.PutUint64(k.Addr[1][:], 0)
	le.PutUint64(k.Addr[1][8:], addrs>>32<<32|mapped)
	k.Scope = 0
	k.Port[0] = uint16(ports)
	k.Port[1] = uint16(ports >> 16)

	p.TransportOff, p.NetworkOff, p.OuterOff = etherLen+ipv4Len, etherLen, etherLen
	q, o := bits.RotateLeft64(bits.ReverseBytes64(le.Uint64(h[seqOff:])), 32), bits.ReverseBytes64(le.Uint64(h[tcpOff:]))
	hl := uint32(o >> 60 * 4)
	n := uint32(bits.ReverseBytes16(uint16(u>>16))) - ipv4Len - hl
	t := &p.Segment
	t.MSS, t.Opts, t.WScale = 0, 0, 0
	t.Seq = Seq(uint32(q))
	t.Ack = Seq(uint32(q >> 32))
	t.TSVal, t.TSEcr = 0, 0
	t.Wnd, t.Flags, t.Urg = uint16(o>>32), Flags(o>>48&0x1ff), uint16(o)
	t.Len, p.PayloadLen, p.Captured = n, n, n

	p.Outcome, p.Depth, p.VLAN, p.RouteOff, p.ICMPType, p.ICMPCode = Whole, 3, 0, 0, 0, 0
	p.PayloadOff = uint16(etherLen + ipv4Len + hl)
	p.Stack = [stackMax]Layer{LayerEthernet, LayerIPv4, LayerTCP}
	p.VLANs = [vlanMax]uint16{}
	p.Sender, p.TTL = uint8(s), uint8(w)
	p.Marks = 0
	if !headerHolds(u, w, v) {
		p.Marks = MarkIPChecksum
	}
	if hl > tcpLen {
		t.readOptions(data[etherLen+ipv4Len+tcpLen:etherLen+ipv4Len+hl], int(hl-tcpLen))
	}
}

// untag returns where the header behind Ethernet and up to fastTags tags begins,
// and its EtherType: 0 if the frame is shorter than the shortest plain one.
func untag(data []byte) (off, etherType uint16) {
	if len(data) < plainOctets {
		return 0, 0
	}
	t := binary.BigEndian.Uint16(data[12:])
	off = etherLen
	for (t == 0x8100 || t == 0x88a8) && off < etherLen+fastTags*tagLen {
		t = binary.BigEndian.Uint16(data[off+2:])
		off += tagLen
	}
	return off, t
}

// plain4 reports whether the IPv4 packet b is for the fast path.
func plain4(b []byte) bool {
	if len(b) < ipv4Len+tcpLen {
		return false
	}
	h := (*[ipv4Len + tcpLen]byte)(b)
	w := binary.LittleEndian.Uint64(h[0:])
	n := int(bits.ReverseBytes16(uint16(w >> 16)))
	if w&plainMask4 != 0x45 || n > len(b) {
		return false
	}
	if Proto(h[9]) == ProtoTCP {
		hl := int(h[ipv4Len+12] >> 4)
		return hl >= tcpLen/4 && ipv4Len+4*hl <= n
	}
	return Proto(h[9]) == ProtoUDP && n >= ipv4Len+udpLen && udpTunnel(h[ipv4Len:]) == LayerNone
}

// plain6 reports whether the IPv6 packet b is for the fast path.
func plain6(b []byte) bool {
	if len(b) < ipv6Len+tcpLen {
		return false
	}
	h := (*[ipv6Len + tcpLen]byte)(b)
	n := int(binary.BigEndian.Uint16(h[4:]))
	if h[0]>>4 != 6 || n > len(b)-ipv6Len {
		return false
	}
	if Proto(h[6]) == ProtoTCP {
		hl := int(h[ipv6Len+12] >> 4)
		return hl >= tcpLen/4 && 4*hl <= n
	}
	return Proto(h[6]) == ProtoUDP && n >= udpLen && udpTunnel(h[ipv6Len:]) == LayerNone
}

// order4 returns the index in the key of an IPv4 packet's source: the lower
// endpoint is 0. w holds the header's octets from 8 on, v those from 16 on, which
// end with the ports.
func order4(w, v uint64) (sender uint64) {
	w, v = bits.ReverseBytes64(w), bits.ReverseBytes64(v)
	_, sender = bits.Sub64(v>>32<<16|v&0xffff, w<<32>>16|v>>16&0xffff, 0)
	return sender
}

// order6 does the same for IPv6.
func order6(b []byte) (sender uint64) {
	h := (*[ipv6Len + 4]byte)(b)
	_, s := bits.Sub64(uint64(binary.BigEndian.Uint16(h[ipv6Len+2:])), uint64(binary.BigEndian.Uint16(h[ipv6Len:])), 0)
	_, s = bits.Sub64(binary.BigEndian.Uint64(h[32:]), binary.BigEndian.Uint64(h[16:]), s)
	_, s = bits.Sub64(binary.BigEndian.Uint64(h[24:]), binary.BigEndian.Uint64(h[8:]), s)
	return s
}

// words4 returns addresses and ports of such a packet's key as FlowKey.Hash takes
// them, given its sender.
func words4(w, v, sender uint64) (addrs uint64, ports uint32) {
	addrs = bits.RotateLeft64(w>>32|v<<32, int(sender*32))
	ports = bits.RotateLeft32(uint32(bits.ReverseBytes64(v)), int(16-sender*16))
	return addrs, ports
}

// mapped is what octets 8 to 11 of ::ffff:a.b.c.d are, in little-endian order.
const mapped = 0xffff0000

// describe4 writes what the plain IPv4 packet b says, which begins at off of the
// frame, s being its sender: every field, in one pass, none twice.
func (p *Packet) describe4(b []byte, off uint16, s uint64) {
	h := (*[ipv4Len + tcpLen]byte)(b)
	u, w, v := binary.LittleEndian.Uint64(h[0:]), binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[16:])
	addrs, ports := words4(w, v, s)
	k := &p.Key
	binary.LittleEndian.PutUint64(k.Addr[0][:], 0)
	binary.LittleEndian.PutUint64(k.Addr[0][8:], addrs<<32|mapped)
	binary.LittleEndian.PutUint64(k.Addr[1][:], 0)
	binary.LittleEndian.PutUint64(k.Addr[1][8:], addrs>>32<<32|mapped)
	k.Port[0], k.Port[1] = uint16(ports), uint16(ports>>16)
	k.Proto, k.Version = Proto(w>>8), 4
	k.Scope = 0
	p.Marks = 0
	if !headerHolds(u, w, v) {
		p.Marks = MarkIPChecksum
	}
	p.Sender, p.TTL = uint8(s), uint8(w)
	n := int(bits.ReverseBytes16(uint16(u >> 16)))
	p.surround(off, LayerIPv4)
	p.body(b[ipv4Len:n], off+ipv4Len)
}

// describe6 does the same for IPv6.
func (p *Packet) describe6(b []byte, off uint16, s uint64) {
	h := (*[ipv6Len + tcpLen]byte)(b)
	k, i := &p.Key, s&1
	k.Addr[i], k.Addr[i^1] = [16]byte(h[8:]), [16]byte(h[24:])
	k.Port[i], k.Port[i^1] = binary.BigEndian.Uint16(h[ipv6Len:]), binary.BigEndian.Uint16(h[ipv6Len+2:])
	k.Proto, k.Version = Proto(h[6]), 6
	k.Scope = 0
	p.Marks = 0
	p.Sender, p.TTL = uint8(s), h[7]
	n := int(binary.BigEndian.Uint16(h[4:]))
	p.surround(off, LayerIPv6)
	p.body(b[ipv6Len:ipv6Len+n], off+ipv6Len)
}

// surround writes what surrounds a plain packet without tags, whose IP header
// is at off.
func (p *Packet) surround(off uint16, network Layer) {
	p.NetworkOff, p.OuterOff = off, off
	p.Outcome = Whole
	p.Depth = 3
	p.VLAN = 0
	p.ICMPType, p.ICMPCode = 0, 0
	p.RouteOff = 0
	p.VLANs = [vlanMax]uint16{}
	transport := LayerTCP
	if p.Key.Proto == ProtoUDP {
		transport = LayerUDP
	}
	p.Stack = [stackMax]Layer{LayerEthernet}
	p.Stack[1], p.Stack[2] = network, transport // in place: made elsewhere and copied they take twice as long
}

// body writes what the transport header of a plain packet says, which all of b
// belongs to and which begins at off.
func (p *Packet) body(b []byte, off uint16) {
	p.TransportOff = off
	s := &p.Segment
	if p.Key.Proto != ProtoTCP {
		*s = Segment{}
		p.udp(b, len(b))
		return
	}
	h := (*[tcpLen]byte)(b)
	w := binary.BigEndian.Uint64(h[12:])
	hl := int(w >> 60 * 4)
	p.PayloadOff = off + uint16(hl)
	p.PayloadLen, p.Captured = uint32(len(b)-hl), uint32(len(b)-hl)
	s.Seq = Seq(binary.BigEndian.Uint32(h[4:]))
	s.Ack = Seq(binary.BigEndian.Uint32(h[8:]))
	s.Len = uint32(len(b) - hl)
	s.Wnd, s.Urg = uint16(w>>32), uint16(w)
	s.Flags = Flags(w >> 48 & 0x1ff)
	s.TSVal, s.TSEcr = 0, 0
	s.MSS, s.Opts, s.WScale = 0, 0, 0
	if hl > tcpLen {
		s.readOptions(b[tcpLen:hl], hl-tcpLen)
	}
}
