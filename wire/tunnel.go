package wire

import "encoding/binary"

// udpSlots is the size of udpTunnels: the smallest for which no two ports share
// a slot, as the compiler checks.
const udpSlots = 18

// udpTunnels maps UDP ports to the tunnels that use them. A port's slot is the
// port modulo udpSlots. A port is only a guess: when what follows is not what
// the tunnel carries, the datagram stays a flow of its own.
var udpTunnels = [udpSlots]struct {
	port uint16
	next Layer
	// either says that replies come from the port; elsewhere they go to it too,
	// and the source port is chosen by a hash of the inner flow.
	either bool
}{
	4789 % udpSlots:  {4789, LayerVXLAN, false},
	8472 % udpSlots:  {8472, LayerVXLAN, false}, // before IANA's number, in Linux still the default
	4790 % udpSlots:  {4790, LayerVXLANGPE, false},
	6081 % udpSlots:  {6081, LayerGENEVE, false},
	2152 % udpSlots:  {2152, LayerGTPU, true},
	3544 % udpSlots:  {3544, LayerTeredo, true},
	1701 % udpSlots:  {1701, LayerL2TP, true},
	5072 % udpSlots:  {5072, LayerAYIYA, true},
	6635 % udpSlots:  {6635, LayerMPLSUDP, false},
	37008 % udpSlots: {37008, LayerTZSP, false},
}

// udpTunnel returns the tunnel that the ports of the UDP header b stand for, or
// LayerNone.
func udpTunnel(b []byte) Layer {
	_ = b[3]
	dp := binary.BigEndian.Uint16(b[2:])
	if t := &udpTunnels[dp%udpSlots]; t.port == dp && dp != 0 {
		return t.next
	}
	sp := binary.BigEndian.Uint16(b)
	if t := &udpTunnels[sp%udpSlots]; t.port == sp && t.either {
		return t.next
	}
	return LayerNone
}

// tunnel parses what carries packets over IP. Those that an IP protocol number
// names commit their own packet first, as UDP has done for the others: it is
// the flow if they lead nowhere.
func (w *walk) tunnel(l Layer) Layer {
	if l <= LayerGRE {
		w.commit(Whole, endpoints{})
	}
	switch l {
	case LayerIPIP, Layer6in4:
		return layerIP
	case LayerMPLSIP, LayerMPLSUDP:
		return LayerMPLS
	case LayerEtherIP:
		return w.skip(2, LayerEthernet)
	case LayerGRE:
		return w.gre()
	case LayerERSPAN1:
		return LayerEthernet
	case LayerERSPAN:
		return w.skip(8, LayerEthernet)
	case LayerERSPAN3:
		return w.erspan3()
	case LayerAruba:
		return LayerWiFi
	case LayerWCCP:
		return w.wccp()
	case LayerVXLAN:
		return w.vxlan()
	case LayerVXLANGPE:
		return w.vxlanGPE()
	case LayerGENEVE:
		return w.geneve()
	case LayerGTPU:
		return w.gtpu()
	case LayerTeredo:
		return w.teredo()
	case LayerL2TP:
		return w.l2tp()
	case LayerAYIYA:
		return w.ayiya()
	}
	return w.tzsp()
}

// gre parses generic routing encapsulation: RFC 2784 with the key and sequence
// number of RFC 2890 and the routing of RFC 1701, or RFC 2637's version 1.
func (w *walk) gre() Layer {
	const (
		checksum = 0x8000
		routing  = 0x4000
		key      = 0x2000
		sequence = 0x1000
		ack      = 0x0080 // version 1
		version  = 0x0007
	)
	h := w.take(4)
	if h == nil {
		return w.stop(ShortLink)
	}
	flags, t := binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:])
	n := 0
	if flags&version == 1 {
		for _, f := range [...]uint16{key, sequence, ack} {
			if flags&f != 0 {
				n += 4
			}
		}
		return w.skip(n, w.greProtocol(t, true))
	}
	if flags&(checksum|routing) != 0 {
		n += 4
	}
	if flags&key != 0 {
		if b := w.rest(); len(b) >= n+4 {
			w.tunnelID(greNetwork(binary.BigEndian.Uint32(b[n:]), t))
		}
		n += 4
	}
	if flags&sequence != 0 {
		n += 4
	}
	if w.take(n) == nil || flags&routing != 0 && !w.greRoutes() {
		return w.stop(ShortLink)
	}
	return w.greProtocol(t, flags&sequence != 0)
}

// greProtocol names the header behind GRE. Most protocols are EtherTypes;
// ERSPAN without a sequence number is type I, which has no header of its own.
func (w *walk) greProtocol(t uint16, sequence bool) Layer {
	const (
		erspan     = 0x88be
		wccp       = 0x883e
		arubaFirst = 0x8200
		arubaLast  = 0x8210
	)
	switch {
	case t == erspan && !sequence:
		return LayerERSPAN1
	case t >= arubaFirst && t <= arubaLast:
		return LayerAruba
	case t == wccp:
		return LayerWCCP
	}
	return w.etherType(t)
}

// greNetwork returns the part of a GRE key that names a network: all of it, but
// for Ethernet the first three octets, since NVGRE uses the last for entropy
// (RFC 7637 §3.2).
func greNetwork(key uint32, t uint16) uint32 {
	const transparentEthernet = 0x6558
	if t == transparentEthernet {
		return key >> 8
	}
	return key
}

// greRoutes steps over the source route entries of RFC 1701, up to the empty
// one that ends them.
func (w *walk) greRoutes() bool {
	for {
		h := w.take(4)
		if h == nil || w.take(int(h[3])) == nil {
			return false
		}
		if h[0] == 0 && h[1] == 0 && h[3] == 0 {
			return true
		}
	}
}

// erspan3 steps over the header of ERSPAN type III and its optional part.
func (w *walk) erspan3() Layer {
	h := w.take(12)
	if h == nil {
		return w.stop(ShortLink)
	}
	const optional = 1
	if h[11]&optional != 0 {
		return w.skip(8, LayerEthernet)
	}
	return LayerEthernet
}

// wccp steps over the redirect header that version 2 of the web cache protocol
// puts before IPv4.
func (w *walk) wccp() Layer {
	if b := w.rest(); len(b) > 0 && b[0]>>4 != 4 {
		return w.skip(4, layerIP)
	}
	return layerIP
}

// vxlan parses RFC 7348 §5. Without the I flag it is something else.
func (w *walk) vxlan() Layer {
	h := w.take(8)
	switch {
	case h == nil:
		return w.stop(ShortLink)
	case h[0]&0x08 == 0:
		return w.stop(NotIP)
	}
	w.tunnelID(binary.BigEndian.Uint32(h[4:]) >> 8)
	return LayerEthernet
}

// vxlanGPE parses VXLAN with a next protocol, which the P flag makes valid.
func (w *walk) vxlanGPE() Layer {
	h := w.take(8)
	switch {
	case h == nil:
		return w.stop(ShortLink)
	case h[0]&0x08 == 0:
		return w.stop(NotIP)
	}
	w.tunnelID(binary.BigEndian.Uint32(h[4:]) >> 8)
	if h[0]&0x04 == 0 {
		return LayerEthernet
	}
	switch h[3] {
	case 1, 2:
		return layerIP
	case 4:
		return LayerNSH
	}
	return LayerEthernet
}

// geneve parses RFC 8926 §3.4.
func (w *walk) geneve() Layer {
	h := w.take(8)
	if h == nil {
		return w.stop(ShortLink)
	}
	w.tunnelID(binary.BigEndian.Uint32(h[4:]) >> 8)
	return w.skip(int(h[0]&0x3f)*4, w.etherType(binary.BigEndian.Uint16(h[2:])))
}

// gtpu parses a G-PDU of 3GPP TS 29.281 §5.1 with its extension headers. All
// other messages are the tunnel's own.
func (w *walk) gtpu() Layer {
	const (
		gpdu     = 255
		optional = 7 // any of E, S, PN: four more octets
		extended = 4 // E
	)
	h := w.take(8)
	switch {
	case h == nil:
		return w.stop(ShortLink)
	case h[0]>>5 != 1 || h[1] != gpdu:
		return w.stop(NotIP)
	case h[0]&optional == 0:
		return layerIP
	}
	o := w.take(4)
	if o == nil {
		return w.stop(ShortLink)
	}
	for next := o[3]; h[0]&extended != 0 && next != 0; {
		b := w.rest()
		if len(b) == 0 {
			return w.stop(ShortLink)
		}
		ext := w.take(int(b[0]) * 4)
		switch {
		case ext == nil:
			return w.stop(ShortLink)
		case len(ext) == 0:
			return w.stop(NotIP)
		}
		next = ext[len(ext)-1]
	}
	return layerIP
}

// teredo steps over the authentication and origin headers of RFC 4380 §5.1.1.
func (w *walk) teredo() Layer {
	b := w.rest()
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 {
		if w.take(13+int(b[2])+int(b[3])) == nil {
			return w.stop(ShortLink)
		}
		b = w.rest()
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 {
		w.off += 8
		b = b[8:]
	}
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return w.stop(NotIP)
	}
	return LayerIPv6
}

// l2tp parses a data message of RFC 2661 §3.1. Control messages are the
// tunnel's own.
func (w *walk) l2tp() Layer {
	const (
		control  = 0x8000
		length   = 0x4000
		sequence = 0x0800
		offset   = 0x0200
		version  = 0x000f
	)
	b := w.rest()
	if len(b) < 6 {
		return w.stop(ShortLink)
	}
	flags, n := binary.BigEndian.Uint16(b), 6
	if flags&control != 0 || flags&version != 2 {
		return w.stop(NotIP)
	}
	if flags&length != 0 {
		n += 2
	}
	if flags&sequence != 0 {
		n += 4
	}
	if flags&offset != 0 {
		if len(b) < n+2 {
			return w.stop(ShortLink)
		}
		n += 2 + int(binary.BigEndian.Uint16(b[n:]))
	}
	return w.skip(n, LayerPPP)
}

// ayiya parses SixXS's "anything in anything": an identity, a signature, and
// for the operation "forward" a packet.
func (w *walk) ayiya() Layer {
	const forward = 1
	h := w.take(8)
	switch {
	case h == nil:
		return w.stop(ShortLink)
	case h[2]&15 != forward || Proto(h[3]) != ProtoIPv4 && Proto(h[3]) != ProtoIPv6:
		return w.stop(NotIP)
	}
	return w.skip(1<<(h[0]>>4)+int(h[1]>>4)*4, layerIP)
}

// tzsp parses TaZmen Sniffer Protocol: tagged fields up to the end tag, then
// the frame, of which Ethernet is followed.
func (w *walk) tzsp() Layer {
	const (
		padding  = 0
		end      = 1
		ethernet = 1
	)
	h := w.take(4)
	if h == nil {
		return w.stop(ShortLink)
	}
	for {
		tag := w.take(1)
		switch {
		case tag == nil:
			return w.stop(ShortLink)
		case tag[0] == padding:
			continue
		case tag[0] == end && binary.BigEndian.Uint16(h[2:]) == ethernet:
			return LayerEthernet
		case tag[0] == end:
			return w.stop(NotIP)
		}
		if n := w.take(1); n == nil || w.take(int(n[0])) == nil {
			return w.stop(ShortLink)
		}
	}
}
