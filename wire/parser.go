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
	if link == LinkEthernet && p.fast(data) {
		return
	}
	w := walk{p: p, data: data, end: len(data), mask: ps.Scope.mask()}
	w.run(w.link(link))
}

// Resume fills *p with what data holds: the datagram, from its IP header on,
// that was put together from fragments of which under is one. What surrounded
// that fragment, layers, tags and scope, surrounds the datagram. p may be under.
func (ps *Parser) Resume(p, under *Packet, data []byte) {
	w := walk{p: p, data: data, end: len(data), mask: ps.Scope.mask()}
	w.ids = under.Key.Scope
	w.vlan, w.vlans = under.VLAN, under.VLANs
	for _, l := range under.Stack[:under.Depth] {
		if l == LayerVLAN {
			w.tags++
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

// The fast path's view of a frame: Ethernet, an IPv4 header of five words, and
// the first octets of a transport header.
const (
	etherLen  = 14
	ipv4Len   = 20
	ipv6Len   = 40
	tcpLen    = 20
	udpLen    = 8
	fastLen4  = etherLen + ipv4Len + tcpLen
	fastLen6  = etherLen + ipv6Len + tcpLen
	transOff4 = etherLen + ipv4Len
	transOff6 = etherLen + ipv6Len
)

// fast parses what nearly every frame is: Ethernet, IPv4 or IPv6 without
// options, and TCP or UDP that is no tunnel, all of it captured. It reports
// false, with *p as it was, for anything else, which the general path takes.
func (p *Packet) fast(data []byte) bool {
	if len(data) < fastLen4 {
		return false
	}
	switch binary.BigEndian.Uint16(data[12:]) {
	case 0x0800:
		return p.fast4(data)
	case 0x86dd:
		return p.fast6(data)
	}
	return false
}

func (p *Packet) fast4(data []byte) bool {
	h := (*[fastLen4]byte)(data)
	n := int(binary.BigEndian.Uint16(h[16:])) - ipv4Len
	if h[14] != 0x45 || binary.BigEndian.Uint16(h[20:])&ipv4FragMask != 0 || n > len(data)-transOff4 {
		return false
	}
	body := data[transOff4:]
	l := fastTransport(Proto(h[23]), body, n)
	if l == LayerNone {
		return false
	}
	p.plain(LayerIPv4, l, transOff4, h[22])
	if !ipv4HeaderOK((*[ipv4Len]byte)(h[14:])) {
		p.Marks = MarkIPChecksum
	}
	p.set4((*[8]byte)(h[26:]), ports(body), Proto(h[23]))
	if l == LayerTCP {
		p.tcp(body[:n], n)
	} else {
		p.udp(body[:n], n)
	}
	return true
}

func (p *Packet) fast6(data []byte) bool {
	if len(data) < fastLen6 {
		return false
	}
	h := (*[fastLen6]byte)(data)
	n := int(binary.BigEndian.Uint16(h[18:]))
	if h[14]>>4 != 6 || n > len(data)-transOff6 {
		return false
	}
	body := data[transOff6:]
	l := fastTransport(Proto(h[20]), body, n)
	if l == LayerNone {
		return false
	}
	p.plain(LayerIPv6, l, transOff6, h[21])
	p.set6((*[32]byte)(h[22:]), ports(body), Proto(h[20]))
	if l == LayerTCP {
		p.tcp(body[:n], n)
	} else {
		p.udp(body[:n], n)
	}
	return true
}

// fastTransport names the TCP or UDP header in body, of which the IP header
// announces n octets, or returns LayerNone if the fast path cannot take it.
func fastTransport(proto Proto, body []byte, n int) Layer {
	switch proto {
	case ProtoTCP:
		if hl := int(body[12]>>4) * 4; hl >= tcpLen && hl <= n {
			return LayerTCP
		}
	case ProtoUDP:
		if n >= udpLen && udpTunnel(body) == LayerNone {
			return LayerUDP
		}
	}
	return LayerNone
}

// plain overwrites the packet with what all plain Ethernet frames share, the
// transport header being at off.
func (p *Packet) plain(network, transport Layer, off uint32, ttl uint8) {
	*p = Packet{}
	p.NetworkOff, p.OuterOff, p.TransportOff = etherLen, etherLen, off
	p.TTL = ttl
	p.Depth = 3
	p.Stack[0], p.Stack[1], p.Stack[2] = LayerEthernet, network, transport
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
