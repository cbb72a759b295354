package wire

import "encoding/binary"

// protoLayers maps IP protocols to the headers behind them.
var protoLayers = func() (next [256]Layer) {
	for i := range next {
		next[i] = LayerOther
	}
	for proto, l := range map[Proto]Layer{
		ProtoTCP:     LayerTCP,
		ProtoUDP:     LayerUDP,
		ProtoSCTP:    LayerSCTP,
		ProtoICMP:    LayerICMP,
		ProtoICMPv6:  LayerICMPv6,
		ProtoAH:      LayerAH,
		ProtoIPv4:    LayerIPIP,
		ProtoIPv6:    Layer6in4,
		ProtoGRE:     LayerGRE,
		ProtoEtherIP: LayerEtherIP,
		ProtoMPLS:    LayerMPLSIP,
	} {
		next[proto] = l
	}
	return next
}()

// sctpLen is the length of SCTP's common header (RFC 9260 §3.1).
const sctpLen = 12

// icmpLen is the length of the part of an ICMP header that every type has, and
// of an error's before its quote (RFC 792, RFC 4443 §2.1).
const icmpLen = 8

// upper parses the header that ends the walk: a transport's, or that of a
// protocol without ports.
func (w *walk) upper(l Layer) Layer {
	b := w.rest()
	switch l {
	case LayerTCP:
		return w.tcp(b)
	case LayerUDP:
		return w.udp(b)
	case LayerSCTP:
		if len(b) < sctpLen {
			return w.stop(ShortTransport)
		}
		w.commit(Whole, ports(b))
		w.p.after(sctpLen, w.ip.n, len(b))
	case LayerICMP, LayerICMPv6:
		return w.icmp(b)
	default:
		w.commit(Whole, endpoints{})
	}
	return LayerNone
}

// after sets what follows a transport header of hl octets, in an IP payload of
// n octets by its header of which got were captured.
func (p *Packet) after(hl, n, got int) {
	at := min(hl, got)
	p.PayloadOff = p.TransportOff + uint16(at)
	p.PayloadLen = uint32(n - hl)
	p.Captured = uint32(min(got-at, n-hl))
}

func (w *walk) tcp(b []byte) Layer {
	if len(b) < tcpLen {
		return w.stop(ShortTransport)
	}
	if hl := int(b[12]>>4) * 4; hl < tcpLen || hl > w.ip.n {
		return w.stop(BadTransport)
	}
	w.commit(Whole, ports(b))
	w.p.tcp(b, w.ip.n)
	return LayerNone
}

// tcp reads the TCP header that b begins with, of an IP payload of n octets by
// its header. The fixed part of the header was captured, and its data offset
// lies between that and n; its options may have been cut.
func (p *Packet) tcp(b []byte, n int) {
	h := (*[tcpLen]byte)(b)
	hl := int(h[12]>>4) * 4
	p.after(hl, n, len(b))
	s := &p.Segment
	s.Seq = Seq(binary.BigEndian.Uint32(h[4:]))
	s.Ack = Seq(binary.BigEndian.Uint32(h[8:]))
	s.Flags = Flags(binary.BigEndian.Uint16(h[12:]) & 0x1ff)
	s.Wnd = binary.BigEndian.Uint16(h[14:])
	s.Urg = binary.BigEndian.Uint16(h[18:])
	s.Len = uint32(n - hl)
	if hl > tcpLen {
		s.readOptions(b[tcpLen:min(hl, len(b))], hl-tcpLen)
	}
}

func (w *walk) udp(b []byte) Layer {
	if len(b) < udpLen {
		return w.stop(ShortTransport)
	}
	w.commit(Whole, ports(b))
	w.p.udp(b, w.ip.n)
	next := udpTunnel(b)
	if next != LayerNone {
		w.off += udpLen
	}
	return next
}

// udp reads the UDP header that b begins with, likewise. The length field may
// leave out octets at the end of the IP payload (RFC 768); when it is longer
// than that or shorter than the header, IP's counts, as it does for a jumbogram
// (RFC 2675 §4).
func (p *Packet) udp(b []byte, n int) {
	ul := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case ul >= udpLen && ul <= n:
		n = ul
	case ul != 0 || p.Key.Version == 4:
		p.Marks |= MarkUDPLength
	}
	p.after(udpLen, n, len(b))
}

// icmp parses ICMP and ICMPv6: echoes are flows by their identifier, errors
// belong to the flow they quote, and all else is a flow without ports.
func (w *walk) icmp(b []byte) Layer {
	if len(b) < icmpLen {
		return w.stop(ShortTransport)
	}
	kind, code := b[0], b[1]
	id := uint16(0)
	if isEcho(w.ip.proto, kind) {
		id = binary.BigEndian.Uint16(b[4:])
	}
	w.commit(Whole, endpoints{id, id})
	w.p.after(icmpLen, w.ip.n, len(b))
	w.p.ICMPType, w.p.ICMPCode = kind, code
	if isICMPError(w.ip.proto, kind) {
		w.p.quote(b[icmpLen:])
	}
	return LayerNone
}

// isEcho reports whether an ICMP message is an echo or its reply.
func isEcho(proto Proto, kind uint8) bool {
	if proto == ProtoICMP {
		return kind == 0 || kind == 8
	}
	return kind == 128 || kind == 129
}

// isICMPError reports whether an ICMP message quotes the packet it is about:
// RFC 792's unreachable, source quench, redirect, time exceeded and parameter
// problem; RFC 4443 §3's four errors.
func isICMPError(proto Proto, kind uint8) bool {
	if proto == ProtoICMP {
		return kind == 3 || kind == 4 || kind == 5 || kind == 11 || kind == 12
	}
	return kind >= 1 && kind <= 4
}

// quote makes the packet that an ICMP error quotes in b the packet's key, if
// its ports are there. A quote is cut short by design, so its lengths say
// nothing and are not read.
func (p *Packet) quote(b []byte) {
	if p.Key.Version == 4 {
		if len(b) < ipv4Len || b[0]>>4 != 4 || b[0]&15 < 5 || int(b[0]&15)*4 > len(b) ||
			binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return
		}
		proto := Proto(b[9])
		if e, ok := quotedPorts(proto, b[int(b[0]&15)*4:]); ok {
			p.set4((*[8]byte)(b[12:]), e, proto)
			p.Marks |= MarkICMPError
		}
		return
	}
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return
	}
	c := followExtensions(b[ipv6Len:], Proto(b[6]))
	if c.outcome != Whole && (c.outcome != Fragment || c.frag.Off != 0) {
		return
	}
	if e, ok := quotedPorts(c.proto, b[ipv6Len+c.off:]); ok {
		p.set6((*[32]byte)(b[8:]), e, c.proto)
		p.Marks |= MarkICMPError
	}
}

// quotedPorts returns the ports in the transport header that b begins with.
func quotedPorts(proto Proto, b []byte) (e endpoints, ok bool) {
	switch proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP:
		if len(b) >= 4 {
			return ports(b), true
		}
	case ProtoICMP, ProtoICMPv6:
		if len(b) >= icmpLen && isEcho(proto, b[0]) {
			id := binary.BigEndian.Uint16(b[4:])
			return endpoints{id, id}, true
		}
	}
	return endpoints{}, false
}
