package wire

import "encoding/binary"

// typeMax is the largest value of Ethernet's type field that is a length (IEEE
// 802.3 §3.2.6).
const typeMax = 1500

// etherSlots is the size of etherRules: the smallest for which no two types
// share a slot, as the compiler checks.
const etherSlots = 57

// etherRules maps EtherTypes, which GRE, GENEVE and others use too, to headers.
// A type's slot is the type modulo etherSlots.
var etherRules = [etherSlots]struct {
	etherType uint16
	next      Layer
}{
	0x0800 % etherSlots: {0x0800, layerIP},
	0x86dd % etherSlots: {0x86dd, layerIP},
	0x8100 % etherSlots: {0x8100, LayerVLAN},
	0x88a8 % etherSlots: {0x88a8, LayerVLAN},
	0x9100 % etherSlots: {0x9100, LayerVLAN},
	0x9200 % etherSlots: {0x9200, LayerVLAN},
	0x8847 % etherSlots: {0x8847, LayerMPLS},
	0x8848 % etherSlots: {0x8848, LayerMPLS},
	0x8864 % etherSlots: {0x8864, LayerPPPoE},
	0x6558 % etherSlots: {0x6558, LayerTEB},
	0x880b % etherSlots: {0x880b, LayerPPP},
	0x88be % etherSlots: {0x88be, LayerERSPAN},
	0x22eb % etherSlots: {0x22eb, LayerERSPAN3},
	0x894f % etherSlots: {0x894f, LayerNSH},
	0x8926 % etherSlots: {0x8926, LayerVNTag},
	0x893f % etherSlots: {0x893f, LayerETag},
	0x8903 % etherSlots: {0x8903, LayerFabricPath},
	0x88e7 % etherSlots: {0x88e7, LayerPBB},
}

// etherType names the header that an EtherType announces.
func (w *walk) etherType(t uint16) Layer {
	if r := &etherRules[t%etherSlots]; r.etherType == t && r.next != LayerNone {
		return r.next
	}
	return w.stop(NotIP)
}

// typed does the same for a field that may also be the length of an LLC frame.
func (w *walk) typed(t uint16) Layer {
	if t > typeMax {
		return w.etherType(t)
	}
	w.end = min(w.end, w.off+int(t))
	return LayerLLC
}

// between parses the headers between a link header or tunnel and IP.
func (w *walk) between(l Layer) Layer {
	switch l {
	case LayerLLC:
		return w.llc()
	case LayerPPP:
		return w.ppp()
	case LayerWiFi:
		return w.wifi()
	case LayerVLAN:
		return w.vlanTag()
	case LayerPBB:
		return w.pbb()
	case LayerVNTag:
		return w.tagged(4)
	case LayerETag:
		return w.tagged(6)
	case LayerFabricPath:
		return w.skip(2, LayerEthernet)
	case LayerNSH:
		return w.nsh()
	case LayerMPLS:
		return w.mpls()
	case LayerPW:
		return w.pseudowire()
	case LayerPPPoE:
		return w.pppoe()
	}
	return LayerEthernet // LayerTEB
}

func (w *walk) ethernet() Layer {
	h := w.take(etherLen)
	if h == nil {
		return w.stop(ShortLink)
	}
	return w.typed(binary.BigEndian.Uint16(h[12:]))
}

// vlanTag parses an IEEE 802.1Q tag, whatever its TPID was.
func (w *walk) vlanTag() Layer {
	h := w.take(tagLen)
	if h == nil {
		return w.stop(ShortLink)
	}
	w.scope = w.tags.add(w.scope, binary.BigEndian.Uint16(h)&0xfff)
	return w.typed(binary.BigEndian.Uint16(h[2:]))
}

// tagged steps over a tag of n octets with an EtherType behind it.
func (w *walk) tagged(n int) Layer {
	h := w.take(n + 2)
	if h == nil {
		return w.stop(ShortLink)
	}
	return w.etherType(binary.BigEndian.Uint16(h[n:]))
}

// pbb parses the I-TAG of a provider backbone bridge (IEEE 802.1Q §9.7).
func (w *walk) pbb() Layer {
	h := w.take(4)
	if h == nil {
		return w.stop(ShortLink)
	}
	w.tunnelID(binary.BigEndian.Uint32(h) & 0xffffff)
	return LayerEthernet
}

// llc parses an IEEE 802.2 header: SNAP, or IP by its own service access point.
func (w *walk) llc() Layer {
	h := w.take(3)
	switch {
	case h == nil:
		return w.stop(ShortLink)
	case [3]byte(h) == [3]byte{0xaa, 0xaa, 3}:
		return w.snap(0)
	case [3]byte(h) == [3]byte{6, 6, 3}:
		return layerIP
	}
	return w.stop(NotIP)
}

// snap parses a SNAP header: an organization and, whatever it is, an EtherType;
// only IEEE 802.1's own means a bridged frame (RFC 2427 §4.2, RFC 2684 §5.2),
// behind pad octets of padding.
func (w *walk) snap(pad int) Layer {
	h := w.take(5)
	if h == nil {
		return w.stop(ShortLink)
	}
	t := binary.BigEndian.Uint16(h[3:])
	if [3]byte(h) == [3]byte{0, 0x80, 0xc2} && (t == 1 || t == 7) {
		return w.skip(pad, LayerEthernet)
	}
	return w.etherType(t)
}

// nsh parses a network service header (RFC 8300 §2.2).
func (w *walk) nsh() Layer {
	b := w.rest()
	if len(b) < 8 {
		return w.stop(ShortLink)
	}
	n := int(b[1]&0x3f) * 4
	switch b[3] {
	case 1, 2:
		return w.skip(n, layerIP)
	case 3:
		return w.skip(n, LayerEthernet)
	case 5:
		return w.skip(n, LayerMPLS)
	}
	return w.stop(NotIP)
}

// labelsMax is how many MPLS labels a packet may carry. Networks use up to ten;
// a frame of nothing but labels is not walked to its end.
const labelsMax = 32

// mpls steps over a label stack (RFC 3032 §2.1). What is behind it nothing
// says: by RFC 4928 §3 the first nibble tells IP from a pseudowire.
func (w *walk) mpls() Layer {
	for range labelsMax {
		h := w.take(4)
		switch {
		case h == nil || w.off == w.end:
			return w.stop(ShortLink)
		case h[2]&1 == 0:
			continue
		}
		if v := w.data[w.off] >> 4; v == 4 || v == 6 {
			return layerIP
		}
		return LayerPW
	}
	return w.stop(TooDeep)
}

// pseudowire parses Ethernet over MPLS (RFC 4448 §4): with a control word, whose
// first octet is 0, or without.
func (w *walk) pseudowire() Layer {
	const controlWord = 4
	b := w.rest()
	switch {
	case b[0]>>4 != 0:
		return LayerEthernet
	case b[0] == 0 && len(b) >= controlWord+etherLen:
		return w.skip(controlWord, LayerEthernet)
	}
	return w.stop(NotIP)
}

// pppoe parses a PPPoE session header (RFC 2516 §4); other codes than 0 are
// discovery.
func (w *walk) pppoe() Layer {
	h := w.take(6)
	switch {
	case h == nil:
		return w.stop(ShortLink)
	case h[1] != 0:
		return w.stop(NotIP)
	}
	return LayerPPP
}

// ppp parses PPP with or without HDLC's address and control octets (RFC 1662
// §3.1), its protocol compressed or not (RFC 1661 §6.5), and Cisco's HDLC, which
// captures have under the same link types.
func (w *walk) ppp() Layer {
	b := w.rest()
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
		w.off += 2
	}
	if len(b) < 2 {
		return w.stop(ShortLink)
	}
	if b[1] == 0 && (b[0] == 0x0f || b[0] == 0x8f) {
		return LayerCHDLC
	}
	proto := uint16(b[0])
	w.off++
	if proto&1 == 0 {
		proto = binary.BigEndian.Uint16(b)
		w.off++
	}
	switch proto {
	case 0x0021, 0x0057:
		return layerIP
	case 0x0281, 0x0283:
		return LayerMPLS
	}
	return w.stop(NotIP)
}
