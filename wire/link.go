package wire

import "encoding/binary"

// LinkType is a link-layer header type as captures number it
// (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that the parser knows.
const (
	LinkNull        LinkType = 0 // BSD loopback: address family in the writer's byte order
	LinkEthernet    LinkType = 1
	LinkTokenRing   LinkType = 6
	LinkSLIP        LinkType = 8 // with a pseudo-header for the direction
	LinkPPP         LinkType = 9
	LinkFDDI        LinkType = 10
	LinkATM         LinkType = 11 // DLT_ATM_RFC1483 as some writers store it
	LinkRawBSD      LinkType = 12 // DLT_RAW as some writers store it
	LinkRawOpenBSD  LinkType = 14
	LinkPPPHDLC     LinkType = 50
	LinkPPPoE       LinkType = 51
	LinkATM1483     LinkType = 100
	LinkRaw         LinkType = 101 // IPv4 or IPv6
	LinkCHDLC       LinkType = 104
	LinkWiFi        LinkType = 105
	LinkATMClip     LinkType = 106
	LinkFrameRelay  LinkType = 107
	LinkLoop        LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkENC         LinkType = 109
	LinkSLL         LinkType = 113 // Linux cooked capture
	LinkPFLOG       LinkType = 117
	LinkPrism       LinkType = 119
	LinkIPoverFC    LinkType = 122
	LinkSunATM      LinkType = 123
	LinkRadiotap    LinkType = 127
	LinkIEEE1394    LinkType = 138 // Apple's IP over FireWire
	LinkAVS         LinkType = 163
	LinkPPPD        LinkType = 166 // PPP with a direction octet, from pppd
	LinkPPI         LinkType = 192
	LinkERF         LinkType = 197
	LinkPPPDir      LinkType = 204
	LinkIPNET       LinkType = 226 // Solaris ipnet
	LinkIPv4        LinkType = 228
	LinkIPv6        LinkType = 229
	LinkNetAnalyzer LinkType = 240
	LinkPKTAP       LinkType = 258
	LinkEPON        LinkType = 259
	LinkSLL2        LinkType = 276
)

// linkRule says how a link header is stepped over: skip octets, then header
// next, which may be one that has a method of its own.
type linkRule struct {
	link LinkType
	skip uint8
	next Layer
	name string
}

// linkRules has a rule for each link type.
var linkRules = []linkRule{
	{LinkNull, 0, LayerNull, "null"},
	{LinkEthernet, 0, LayerEthernet, "ethernet"},
	{LinkTokenRing, 0, LayerTokenRing, "token-ring"},
	{LinkSLIP, 16, layerIP, "slip"},
	{LinkPPP, 0, LayerPPP, "ppp"},
	{LinkFDDI, 13, LayerLLC, "fddi"},
	{LinkATM, 0, LayerATM, "atm-rfc1483"},
	{LinkRawBSD, 0, layerIP, "raw"},
	{LinkRawOpenBSD, 0, layerIP, "raw"},
	{LinkPPPHDLC, 0, LayerPPP, "ppp-hdlc"},
	{LinkPPPoE, 0, LayerPPPoE, "pppoe"},
	{LinkATM1483, 0, LayerATM, "atm-rfc1483"},
	{LinkRaw, 0, layerIP, "raw"},
	{LinkCHDLC, 0, LayerCHDLC, "c-hdlc"},
	{LinkWiFi, 0, LayerWiFi, "ieee802.11"},
	{LinkATMClip, 0, LayerLLC, "atm-clip"},
	{LinkFrameRelay, 0, LayerFrameRelay, "frame-relay"},
	{LinkLoop, 0, LayerNull, "loop"},
	{LinkENC, 12, layerIP, "enc"},
	{LinkSLL, 0, LayerSLL, "linux-sll"},
	{LinkPFLOG, 0, LayerPFLOG, "pflog"},
	{LinkPrism, 0, LayerPrism, "prism"},
	{LinkIPoverFC, 16, LayerLLC, "ip-over-fc"},
	{LinkSunATM, 4, LayerLLC, "sun-atm"},
	{LinkRadiotap, 0, LayerRadiotap, "ieee802.11-radiotap"},
	{LinkIEEE1394, 0, LayerIEEE1394, "apple-ip-over-ieee1394"},
	{LinkAVS, 0, LayerAVS, "ieee802.11-avs"},
	{LinkPPPD, 2, LayerPPP, "ppp-pppd"},
	{LinkPPI, 0, LayerPPI, "ppi"},
	{LinkERF, 0, LayerERF, "erf"},
	{LinkPPPDir, 1, LayerPPP, "ppp-with-dir"},
	{LinkIPNET, 24, layerIP, "ipnet"},
	{LinkIPv4, 0, layerIP, "ipv4"},
	{LinkIPv6, 0, layerIP, "ipv6"},
	{LinkNetAnalyzer, 4, LayerEthernet, "netanalyzer"},
	{LinkPKTAP, 0, LayerPKTAP, "pktap"},
	{LinkEPON, 8, LayerEthernet, "epon"},
	{LinkSLL2, 0, LayerSLL2, "linux-sll2"},
}

// linkIndex finds the rule of a link type: its place in linkRules plus 1.
var linkIndex = func() (index [LinkSLL2 + 1]uint8) {
	for i, r := range linkRules {
		index[r.link] = uint8(i + 1)
	}
	return index
}()

// rule returns the rule of a link type, or nil.
func (l LinkType) rule() *linkRule {
	if int(l) >= len(linkIndex) || linkIndex[l] == 0 {
		return nil
	}
	return &linkRules[linkIndex[l]-1]
}

// Supported reports whether the parser knows the link type.
func (l LinkType) Supported() bool { return l.rule() != nil }

// foreignLinks names link types that the parser does not know, for those who meet
// them: most carry no IP, and what does is rare.
var foreignLinks = map[LinkType]string{
	7: "arcnet", 129: "arcnet-linux", 143: "docsis", 177: "linux-lapd", 186: "usb-freebsd", 187: "bluetooth-hci-h4",
	189: "usb-linux", 195: "ieee802.15.4", 201: "bluetooth-hci-h4-with-phdr", 215: "ieee802.15.4-nonask-phy",
	220: "usb-linux-mmapped", 224: "fc-2", 227: "can-socketcan", 230: "ieee802.15.4-nofcs", 231: "dbus", 239: "nflog",
	249: "usbpcap", 251: "bluetooth-le-ll", 253: "netlink", 254: "bluetooth-linux-monitor",
}

// Name returns the link type's name in lower case, "" if it has none here.
func (l LinkType) Name() string {
	if r := l.rule(); r != nil {
		return r.name
	}
	return foreignLinks[l]
}

// String returns the link type's name, or its number.
func (l LinkType) String() string {
	if name := l.Name(); name != "" {
		return name
	}
	return "link-" + decimal(uint16(l))
}

// link names the first header of a frame of link type l.
func (w *walk) link(l LinkType) Layer {
	r := l.rule()
	if r == nil {
		return w.stop(UnknownLink)
	}
	return w.skip(int(r.skip), r.next)
}

// linkHeader parses the link headers that are more than a number of octets to
// step over.
func (w *walk) linkHeader(l Layer) Layer {
	switch l {
	case LayerEthernet:
		return w.ethernet()
	case LayerSLL:
		return w.sll(16, 14)
	case LayerSLL2:
		return w.sll(20, 0)
	case LayerNull:
		return w.null()
	case LayerCHDLC:
		return w.chdlc()
	case LayerFrameRelay:
		return w.frameRelay()
	case LayerRadiotap:
		return w.radiotap()
	case LayerPrism:
		return w.prism()
	case LayerAVS:
		return w.avs()
	case LayerPPI:
		return w.ppi()
	case LayerPFLOG:
		return w.pflog()
	case LayerTokenRing:
		return w.tokenRing()
	case LayerATM:
		return w.atm()
	case LayerPKTAP:
		return w.pktap()
	case LayerIEEE1394:
		return w.sll(18, 16)
	}
	return w.erf()
}

// sll parses Linux's cooked header of n octets, whose protocol is at off.
func (w *walk) sll(n, off int) Layer {
	h := w.take(n)
	if h == nil {
		return w.stop(ShortLink)
	}
	const llc = 4 // LINUX_SLL_P_802_2
	t := binary.BigEndian.Uint16(h[off:])
	if t == llc {
		return LayerLLC
	}
	return w.etherType(t)
}

// null parses the BSD loopback header: an address family in the byte order of
// the machine that wrote it. The systems agree on 2 for IPv4, and on nothing
// for IPv6.
func (w *walk) null() Layer {
	h := w.take(4)
	if h == nil {
		return w.stop(ShortLink)
	}
	family := binary.LittleEndian.Uint32(h)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(h)
	}
	switch family {
	case 2, 10, 24, 26, 28, 30:
		return layerIP
	}
	return w.stop(NotIP)
}

// chdlc parses Cisco's HDLC header: unicast or multicast, then an EtherType.
func (w *walk) chdlc() Layer {
	h := w.take(4)
	if h == nil {
		return w.stop(ShortLink)
	}
	if h[0] != 0x0f && h[0] != 0x8f {
		return w.stop(NotIP)
	}
	return w.etherType(binary.BigEndian.Uint16(h[2:]))
}

// frameRelay parses a Q.922 address of two to four octets, then either RFC
// 2427's control octet and NLPID, or Cisco's EtherType.
func (w *walk) frameRelay() Layer {
	b, i := w.rest(), 1
	for i < 4 && i < len(b) && b[i]&1 == 0 {
		i++
	}
	if len(b) < i+3 {
		return w.stop(ShortLink)
	}
	b = b[i+1:]
	w.off += i + 1
	if b[0] != 3 {
		return w.typed(binary.BigEndian.Uint16(w.take(2)))
	}
	w.off++
	if b[1] == 0 { // RFC 2427 §3: a pad octet aligns the rest
		w.off++
	}
	h := w.take(1)
	if h == nil {
		return w.stop(ShortLink)
	}
	switch h[0] {
	case 0xcc, 0x8e:
		return layerIP
	case 0x80:
		return w.snap(0)
	}
	return w.stop(NotIP)
}

// pflog steps over OpenBSD's packet filter header, which begins with its own
// length before padding.
func (w *walk) pflog() Layer {
	b := w.rest()
	if len(b) == 0 {
		return w.stop(ShortLink)
	}
	return w.skip((int(b[0])+3)&^3, layerIP)
}

// tokenRing steps over IEEE 802.5's header and the routing information that
// the source address's first bit announces.
func (w *walk) tokenRing() Layer {
	h := w.take(14)
	if h == nil {
		return w.stop(ShortLink)
	}
	if h[8]&0x80 == 0 {
		return LayerLLC
	}
	b := w.rest()
	if len(b) == 0 {
		return w.stop(ShortLink)
	}
	return w.skip(int(b[0]&0x1f), LayerLLC)
}

// atm parses RFC 2684's encapsulations with an LLC header: routed, or bridged
// Ethernet behind two octets of padding.
func (w *walk) atm() Layer {
	b := w.rest()
	if len(b) < 8 || [6]byte(b) != [6]byte{0xaa, 0xaa, 3, 0, 0x80, 0xc2} {
		return LayerLLC
	}
	w.off += 3
	return w.snap(2)
}

// pktap steps over Darwin's header, which names its length and the link type of
// the frame behind it.
func (w *walk) pktap() Layer {
	b := w.rest()
	if len(b) < 12 {
		return w.stop(ShortLink)
	}
	return w.nested(binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[8:]))
}

// nested steps over n octets to a frame of another link type.
func (w *walk) nested(n, link uint32) Layer {
	if n < 8 || n > uint32(w.end-w.off) {
		return w.stop(ShortLink)
	}
	if link > 0xffff {
		return w.stop(UnknownLink)
	}
	w.off += int(n)
	return w.link(LinkType(link))
}

// erf parses the record header of Endace cards, its extension headers, and the
// two octets that pad an Ethernet frame.
func (w *walk) erf() Layer {
	h := w.take(16)
	if h == nil {
		return w.stop(ShortLink)
	}
	for more := h[8]; more&0x80 != 0; {
		ext := w.take(8)
		if ext == nil {
			return w.stop(ShortLink)
		}
		more = ext[0]
	}
	switch h[8] & 0x7f {
	case 1: // TYPE_HDLC_POS
		return LayerPPP
	case 2: // TYPE_ETH
		return w.skip(2, LayerEthernet)
	case 22, 23: // TYPE_IPV4, TYPE_IPV6
		return layerIP
	}
	return w.stop(NotIP)
}
