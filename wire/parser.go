package wire

import (
	"encoding/binary"
	"math/bits"
)

// Scope says which identifiers around a packet become part of its flow's key.
// The zero value is none: both directions of a flow that is tagged on one side
// only are then found under one key.
type Scope uint8

// The identifiers. Only those that are the same in both directions can be
// part of a key: VLAN identifiers; of tunnels VXLAN and GENEVE VNIs, GRE keys
// and PBB service identifiers, but neither MPLS labels nor GTP, L2TP and PPPoE
// endpoint or session identifiers, which each side chooses for itself.
const (
	ScopeVLAN Scope = 1 << iota
	ScopeTunnel
)

// Parser turns frames into Packets. The zero value is ready; it is not changed
// by parsing, so any number of goroutines may share it.
type Parser struct {
	Scope Scope
}

// mask returns the bits of FlowKey.Scope that s asks for.
func (s Scope) mask() uint64 {
	m := uint64(0)
	if s&ScopeVLAN != 0 {
		m |= 0xffffffff << 32
	}
	if s&ScopeTunnel != 0 {
		m |= 0xffffffff
	}
	return m
}

// Parse fills *p with what the frame data of link type link holds. What *p held
// before is overwritten entirely; data is only read, and not kept.
//
// It allocates nothing and neither fails nor panics: Packet.Outcome says what
// came of it. A frame is less than 2 GiB long.
func (ps *Parser) Parse(p *Packet, link LinkType, data []byte) {
	if link == LinkEthernet && len(data) >= plainOctets {
		if h := (*[plainOctets]byte)(data); isTCP4(h, len(data)) {
			p.tcp4(data, order4(binary.LittleEndian.Uint64(h[ttlOff:]), binary.LittleEndian.Uint64(h[dstOff:])))
			return
		}
		if ps.fast(p, data) {
			return
		}
	}
	w := walk{p: p, data: data, end: len(data), mask: ps.Scope.mask()}
	w.run(w.link(link))
}

// Resume fills *p with what data holds: the datagram, from its IP header on,
// that was put together from fragments of which under is one. What surrounded
// that fragment, layers, tags and scope, surrounds the datagram. p may be under.
func (ps *Parser) Resume(p, under *Packet, data []byte) {
	w := walk{p: p, data: data, end: len(data), mask: ps.Scope.mask()}
	w.scope = under.Key.Scope
	w.tags.innermost, w.tags.ids = under.VLAN, under.VLANs
	for _, l := range under.Stack[:under.Depth] {
		if l == LayerVLAN {
			w.tags.count++
		}
	}
	w.stack, w.depth = under.Stack, under.Depth
	for w.depth > 0 {
		w.depth--
		if l := w.stack[w.depth]; l == LayerIPv4 || l == LayerIPv6 {
			break
		}
	}
	w.run(layerIP)
}

// The lengths of headers without options.
const (
	etherLen = 14
	tagLen   = 4
	ipv4Len  = 20
	ipv6Len  = 40
	tcpLen   = 20
	udpLen   = 8
)

// fastTags is how many VLAN tags the fast path steps over: QinQ's two.
const fastTags = 2

// fast parses what nearly every frame is: Ethernet with up to fastTags tags,
// IPv4 or IPv6 without options, and TCP or UDP that is no tunnel, all of it
// captured. It reports false, with *p as it was, for anything else, which the
// walk takes.
func (ps *Parser) fast(p *Packet, data []byte) bool {
	off, t := untag(data)
	switch t {
	case 0x0800:
		b := data[off:]
		if !plain4(b) {
			return false
		}
		p.describe4(b, off, order4(binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])))
	case 0x86dd:
		b := data[off:]
		if !plain6(b) {
			return false
		}
		p.describe6(b, off, order6(b))
	default:
		return false
	}
	if off > etherLen {
		ps.addTags(p, data[etherLen:off])
	}
	return true
}

// addTags adds what the VLAN tags in b say to a packet of the fast path.
func (ps *Parser) addTags(p *Packet, b []byte) {
	var t tags
	for ; len(b) >= tagLen; b = b[tagLen:] {
		p.Key.Scope = t.add(p.Key.Scope, binary.BigEndian.Uint16(b)&0xfff)
		copy(p.Stack[2:], p.Stack[1:4])
		p.Stack[1] = LayerVLAN
		p.Depth++
	}
	p.Key.Scope &= ps.Scope.mask()
	p.VLAN, p.VLANs = t.innermost, t.ids
}

// endpoints are the ports of a packet, source first.
type endpoints struct{ src, dst uint16 }

// ports reads the ports that a transport header begins with.
func ports(b []byte) endpoints {
	_ = b[3]
	return endpoints{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
}

// set4 makes a packet's key from its protocol, its ports and the addresses of
// an IPv4 header, source first. What the key held was zero or of IPv4.
func (p *Packet) set4(a *[8]byte, e endpoints, proto Proto) {
	const mapped = 0xffff0000 // of ::ffff:a.b.c.d, octets 8 to 11
	src, dst := binary.LittleEndian.Uint32(a[0:]), binary.LittleEndian.Uint32(a[4:])
	_, s := bits.Sub64(
		uint64(bits.ReverseBytes32(dst))<<16|uint64(e.dst),
		uint64(bits.ReverseBytes32(src))<<16|uint64(e.src), 0)
	k, i := &p.Key, s&1
	binary.LittleEndian.PutUint64(k.Addr[i][8:], mapped|uint64(src)<<32)
	binary.LittleEndian.PutUint64(k.Addr[i^1][8:], mapped|uint64(dst)<<32)
	k.Port[i], k.Port[i^1] = e.src, e.dst
	k.Proto, k.Version = proto, 4
	p.Sender = uint8(i)
}

// set6 does the same with the addresses of an IPv6 header.
func (p *Packet) set6(a *[32]byte, e endpoints, proto Proto) {
	_, s := bits.Sub64(uint64(e.dst), uint64(e.src), 0)
	_, s = bits.Sub64(binary.BigEndian.Uint64(a[24:]), binary.BigEndian.Uint64(a[8:]), s)
	_, s = bits.Sub64(binary.BigEndian.Uint64(a[16:]), binary.BigEndian.Uint64(a[0:]), s)
	k, i := &p.Key, s&1
	k.Addr[i], k.Addr[i^1] = [16]byte(a[:16]), [16]byte(a[16:])
	k.Port[i], k.Port[i^1] = e.src, e.dst
	k.Proto, k.Version = proto, 6
	p.Sender = uint8(i)
}
