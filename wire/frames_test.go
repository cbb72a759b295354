package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// The frames of the tests are put together from inside to outside, by functions
// that share nothing with the parser.

// join puts pieces behind one another: strings, octets, and numbers in network
// byte order.
func join(pieces ...any) []byte {
	var b []byte
	for _, p := range pieces {
		switch p := p.(type) {
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		case uint8:
			b = append(b, p)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		default:
			panic("join: no such piece")
		}
	}
	return b
}

// zeros returns n octets of 0.
func zeros(n int) []byte { return make([]byte, n) }

// The endpoints of the flow that every frame of the tables carries, one pair
// per IP version, and those of the tunnels around it.
var (
	client4 = netip.MustParseAddrPort("192.0.2.1:54321")
	server4 = netip.MustParseAddrPort("198.51.100.7:443")
	client6 = netip.MustParseAddrPort("[2001:db8::1]:54321")
	server6 = netip.MustParseAddrPort("[2001:db8:7::443]:443")
	outerA  = netip.MustParseAddr("10.1.1.1")
	outerB  = netip.MustParseAddr("10.2.2.2")
	outerA6 = netip.MustParseAddr("fd00::a")
	outerB6 = netip.MustParseAddr("fd00::b")
)

// ip writes an IPv4 or IPv6 header, by the family of src, before body.
func ip(src, dst netip.Addr, proto Proto, body []byte) []byte {
	if src.Is4() {
		h := join(uint16(0x4500), uint16(20+len(body)), uint16(0x1234), uint16(0x4000), uint8(64), uint8(proto),
			uint16(0), src.AsSlice(), dst.AsSlice())
		binary.BigEndian.PutUint16(h[10:], ^slowSum(h))
		return append(h, body...)
	}
	return join(uint32(0x60012345), uint16(len(body)), uint8(proto), uint8(63), src.AsSlice(), dst.AsSlice(), body)
}

// over4 and over6 carry body between the tunnels' endpoints.
func over4(proto Proto, body []byte) []byte { return ip(outerA, outerB, proto, body) }
func over6(proto Proto, body []byte) []byte { return ip(outerA6, outerB6, proto, body) }

// checksummed fills the two octets at off of b, the upper-layer packet of src
// and dst, with its checksum.
func checksummed(src, dst netip.Addr, proto Proto, b []byte, off int) []byte {
	pseudo := join(src.AsSlice(), dst.AsSlice(), uint32(len(b)), uint32(proto))
	binary.BigEndian.PutUint16(b[off:], ^slowSum(join(pseudo, b)))
	return b
}

// tcpText is the text of the segments in the tables.
const tcpText = "GET / HTTP/1.1\r\n\r\n"

// tcpOptions is the usual layout: NOP, NOP, timestamp.
var tcpOptions = join(uint32(timestampLayout), uint32(1000), uint32(2000))

// tcp writes a segment with options and text, PSH and ACK set.
func tcp(src, dst netip.AddrPort, options []byte, text string) []byte {
	b := join(src.Port(), dst.Port(), uint32(0xfffffff0), uint32(77), uint8((20+len(options))<<2), uint8(0x18),
		uint16(501), uint16(0), uint16(3), options, text)
	return checksummed(src.Addr(), dst.Addr(), ProtoTCP, b, 16)
}

// udp writes a datagram of the tunnels' IPv4 endpoints.
func udp(sp, dp uint16, body []byte) []byte {
	return checksummed(outerA, outerB, ProtoUDP, join(sp, dp, uint16(8+len(body)), uint16(0), body), 6)
}

// ether writes an Ethernet header before body.
func ether(t uint16, body []byte) []byte {
	return join("\x02\x00\x00\x00\x00\x02", "\x02\x00\x00\x00\x00\x01", t, body)
}

// vlan writes a tag and the EtherType behind it.
func vlan(id, t uint16, body []byte) []byte { return join(id|0x6000, t, body) }

// snap writes LLC and SNAP headers.
func snap(t uint16, body []byte) []byte { return join("\xaa\xaa\x03\x00\x00\x00", t, body) }

// The packets within all others.
var (
	inner4 = ip(client4.Addr(), server4.Addr(), ProtoTCP, tcp(client4, server4, tcpOptions, tcpText))
	inner6 = ip(client6.Addr(), server6.Addr(), ProtoTCP, tcp(client6, server6, tcpOptions, tcpText))
)

// frame is one row of the tables: a frame whose innermost packet is inner4 or
// inner6.
type frame struct {
	name  string
	encap string // as Encap returns it
	link  LinkType
	data  []byte
}

// wifiHeader is the header of a QoS data frame from the distribution system.
func wifiHeader(flags uint8) []byte {
	h := join(uint8(0x88), flags, zeros(22))
	if flags&3 == 3 {
		h = append(h, zeros(6)...)
	}
	h = append(h, 0, 0)
	if flags&0x80 != 0 {
		h = append(h, zeros(4)...)
	}
	return h
}

// radiotapOf writes a radiotap header with a timestamp and flags.
func radiotapOf(flags uint8) []byte {
	return join("\x00\x00\x19\x00", "\x03\x00\x00\x80", "\x00\x00\x00\x00", zeros(4), zeros(8), flags)
}

// linkFrames has each link type, and each form that one takes.
var linkFrames = []frame{
	{"ethernet", "ip4", LinkEthernet, ether(0x0800, inner4)},
	{"ethernet v6", "ip6", LinkEthernet, ether(0x86dd, inner6)},
	{"ethernet padded", "ip4", LinkEthernet, join(ether(0x0800, inner4), zeros(9))},
	{"ethernet llc snap", "ip4", LinkEthernet, ether(uint16(8+len(inner4)), join(snap(0x0800, inner4), zeros(4)))},
	{"ethernet llc ip", "ip4", LinkEthernet, ether(uint16(3+len(inner4)), join("\x06\x06\x03", inner4))},
	{"null little-endian", "ip4", LinkNull, join("\x02\x00\x00\x00", inner4)},
	{"null big-endian", "ip6", LinkNull, join("\x00\x00\x00\x1e", inner6)},
	{"loop", "ip6", LinkLoop, join("\x00\x00\x00\x18", inner6)},
	{"token ring", "ip4", LinkTokenRing, join(zeros(14), snap(0x0800, inner4))},
	{"token ring routed", "ip4", LinkTokenRing, join(zeros(8), uint8(0x80), zeros(5), "\x06\x00\x00\x00\x00\x00", snap(0x0800, inner4))},
	{"slip", "ip4", LinkSLIP, join(zeros(16), inner4)},
	{"ppp", "ip4", LinkPPP, join("\x00\x21", inner4)},
	{"ppp hdlc", "ip6", LinkPPPHDLC, join("\xff\x03\x00\x57", inner6)},
	{"ppp compressed", "ip4", LinkPPP, join("\x21", inner4)},
	{"ppp mpls", "mpls/ip4", LinkPPP, join("\x02\x81", uint32(100<<12|0x140), inner4)},
	{"ppp direction", "ip4", LinkPPPDir, join("\x00\xff\x03\x00\x21", inner4)},
	{"ppp pppd", "ip4", LinkPPPD, join("\x01\x03\x00\x21", inner4)},
	{"cisco hdlc as ppp", "ip4", LinkPPPHDLC, join("\x0f\x00\x08\x00", inner4)},
	{"fddi", "ip4", LinkFDDI, join(zeros(13), snap(0x0800, inner4))},
	{"pppoe", "pppoe/ip4", LinkPPPoE, join("\x11\x00\x00\x01", uint16(2+len(inner4)), "\x00\x21", inner4)},
	{"atm routed", "ip4", LinkATM1483, snap(0x0800, inner4)},
	{"atm bridged", "ip4", LinkATM, join("\xaa\xaa\x03\x00\x80\xc2\x00\x07\x00\x00", ether(0x0800, inner4))},
	{"atm clip", "ip4", LinkATMClip, snap(0x0800, inner4)},
	{"sun atm", "ip4", LinkSunATM, join(zeros(4), snap(0x0800, inner4))},
	{"raw v4", "ip4", LinkRaw, inner4},
	{"raw v6", "ip6", LinkRawBSD, inner6},
	{"raw openbsd", "ip4", LinkRawOpenBSD, inner4},
	{"ipv4", "ip4", LinkIPv4, inner4},
	{"ipv6", "ip6", LinkIPv6, inner6},
	{"c-hdlc", "ip4", LinkCHDLC, join("\x0f\x00\x08\x00", inner4)},
	{"c-hdlc multicast", "ip6", LinkCHDLC, join("\x8f\x00\x86\xdd", inner6)},
	{"frame relay", "ip4", LinkFrameRelay, join("\x18\x41\x03\xcc", inner4)},
	{"frame relay v6", "ip6", LinkFrameRelay, join("\x18\x40\x80\x41\x03\x8e", inner6)},
	{"frame relay snap", "ip4", LinkFrameRelay, join("\x18\x41\x03\x00\x80\x00\x00\x00\x08\x00", inner4)},
	{"frame relay cisco", "ip4", LinkFrameRelay, join("\x18\x41\x08\x00", inner4)},
	{"enc", "ip4", LinkENC, join(zeros(12), inner4)},
	{"sll", "ip4", LinkSLL, join(zeros(14), "\x08\x00", inner4)},
	{"sll llc", "ip4", LinkSLL, join(zeros(14), "\x00\x04", snap(0x0800, inner4))},
	{"sll2", "ip6", LinkSLL2, join("\x86\xdd", zeros(18), inner6)},
	{"pflog", "ip4", LinkPFLOG, join(uint8(61), zeros(63), inner4)},
	{"ip over fibre channel", "ip4", LinkIPoverFC, join(zeros(16), snap(0x0800, inner4))},
	{"firewire", "ip4", LinkIEEE1394, join(zeros(16), "\x08\x00", inner4)},
	{"netanalyzer", "ip4", LinkNetAnalyzer, join(zeros(4), ether(0x0800, inner4))},
	{"epon", "ip4", LinkEPON, join(zeros(8), ether(0x0800, inner4))},
	{"ipnet", "ip4", LinkIPNET, join(zeros(24), inner4)},
	{"pktap", "ip4", LinkPKTAP, join("\x6c\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00", zeros(96), ether(0x0800, inner4))},
	{"erf ethernet", "ip4", LinkERF, join(zeros(8), uint8(2), zeros(7), zeros(2), ether(0x0800, inner4))},
	{"erf extended", "ip4", LinkERF, join(zeros(8), uint8(0x82), zeros(7), uint8(0x80), zeros(7), zeros(8), zeros(2), ether(0x0800, inner4))},
	{"erf ppp", "ip4", LinkERF, join(zeros(8), uint8(1), zeros(7), "\xff\x03\x00\x21", inner4)},
	{"erf ipv6", "ip6", LinkERF, join(zeros(8), uint8(23), zeros(7), inner6)},
	{"wifi", "wifi/ip4", LinkWiFi, join(wifiHeader(2), snap(0x0800, inner4))},
	{"wifi bridge ht", "wifi/ip6", LinkWiFi, join(wifiHeader(0x83), snap(0x86dd, inner6))},
	{"radiotap", "wifi/ip4", LinkRadiotap, join(radiotapOf(0), wifiHeader(2), snap(0x0800, inner4))},
	{"radiotap padded", "wifi/ip4", LinkRadiotap, join(radiotapOf(0x20), wifiHeader(2), zeros(2), snap(0x0800, inner4))},
	{"prism", "wifi/ip4", LinkPrism, join(zeros(144), wifiHeader(2), snap(0x0800, inner4))},
	{"prism avs", "wifi/ip4", LinkPrism, join("\x80\x21\x10\x01", uint32(64), zeros(56), wifiHeader(2), snap(0x0800, inner4))},
	{"avs", "wifi/ip4", LinkAVS, join(uint32(0x80211001), uint32(64), zeros(56), wifiHeader(2), snap(0x0800, inner4))},
	{"ppi wifi", "wifi/ip4", LinkPPI, join("\x00\x00\x08\x00\x69\x00\x00\x00", wifiHeader(2), snap(0x0800, inner4))},
	{"ppi ethernet", "ip4", LinkPPI, join("\x00\x00\x08\x00\x01\x00\x00\x00", ether(0x0800, inner4))},
}

// label is an MPLS label, the last of its stack.
const label = uint32(100<<12 | 0x140)

// layerFrames has each encapsulation between Ethernet and IP.
var layerFrames = []frame{
	{"vlan", "vlan100/ip4", LinkEthernet, ether(0x8100, vlan(100, 0x0800, inner4))},
	{"qinq", "vlan7/vlan100/ip6", LinkEthernet, ether(0x88a8, vlan(7, 0x8100, vlan(100, 0x86dd, inner6)))},
	{"vlan llc", "vlan100/ip4", LinkEthernet, ether(0x9100, vlan(100, uint16(8+len(inner4)), snap(0x0800, inner4)))},
	{"three tags", "vlan1/vlan2/vlan4094/ip4", LinkEthernet, ether(0x9200, vlan(1, 0x9100, vlan(2, 0x8100, vlan(4094, 0x0800, inner4))))},
	{"pbb", "vlan9/pbb/vlan5/ip4", LinkEthernet, ether(0x88a8, vlan(9, 0x88e7, join(uint32(0x1234), ether(0x8100, vlan(5, 0x0800, inner4)))))},
	{"vn-tag", "vntag/vlan3/ip4", LinkEthernet, ether(0x8926, join(zeros(4), uint16(0x8100), vlan(3, 0x0800, inner4)))},
	{"e-tag", "etag/ip4", LinkEthernet, ether(0x893f, join(zeros(6), uint16(0x0800), inner4))},
	{"fabricpath", "fpath/vlan8/ip4", LinkEthernet, ether(0x8903, join(zeros(2), ether(0x8100, vlan(8, 0x0800, inner4))))},
	{"mpls", "mpls/ip4", LinkEthernet, ether(0x8847, join(uint32(20<<12|0x40), label, inner4))},
	{"mpls v6", "mpls/ip6", LinkEthernet, ether(0x8848, join(label, inner6))},
	{"pseudowire", "mpls/pw/ip4", LinkEthernet, ether(0x8847, join(label, uint8(0xfe), ether(0x0800, inner4)[1:]))},
	{"pseudowire control word", "mpls/pw/vlan2/ip4", LinkEthernet, ether(0x8847, join(label, zeros(4), ether(0x8100, vlan(2, 0x0800, inner4))))},
	{"pppoe session", "pppoe/ip6", LinkEthernet, ether(0x8864, join("\x11\x00\x00\x01", uint16(2+len(inner6)), "\x00\x57", inner6))},
	{"nsh ip", "nsh/ip4", LinkEthernet, ether(0x894f, join("\x0f\xc6\x01\x01", zeros(20), inner4))},
	{"nsh ethernet", "nsh/ip4", LinkEthernet, ether(0x894f, join("\x0f\xc2\x02\x03", zeros(4), ether(0x0800, inner4)))},
	{"nsh mpls", "nsh/mpls/ip4", LinkEthernet, ether(0x894f, join("\x0f\xc2\x02\x05", zeros(4), label, inner4))},
}

// greFrame wraps body in GRE with the given flags and optional words.
func greFrame(flags, proto uint16, optional []byte, body []byte) []byte {
	return ether(0x0800, over4(ProtoGRE, join(flags, proto, optional, body)))
}

// udpFrame wraps body in a datagram to port dp.
func udpFrame(dp uint16, body ...any) []byte {
	return ether(0x0800, over4(ProtoUDP, udp(40000, dp, join(body...))))
}

// tunnelFrames has each encapsulation over IP.
var tunnelFrames = []frame{
	{"ipip", "ip4/ipip/ip4", LinkEthernet, ether(0x0800, over4(ProtoIPv4, inner4))},
	{"6in4", "ip4/6in4/ip6", LinkEthernet, ether(0x0800, over4(ProtoIPv6, inner6))},
	{"4in6", "ip6/ipip/ip4", LinkEthernet, ether(0x86dd, over6(ProtoIPv4, inner4))},
	{"6in6", "ip6/6in4/ip6", LinkEthernet, ether(0x86dd, over6(ProtoIPv6, inner6))},
	{"ah tunnel", "ip4/ah/ipip/ip4", LinkEthernet, ether(0x0800, over4(ProtoAH, join("\x04\x04", zeros(22), inner4)))},
	{"ah tunnel v6", "ip6/ah/ipip/ip4", LinkEthernet, ether(0x86dd, over6(ProtoAH, join("\x04\x04", zeros(22), inner4)))},
	{"mpls in ip", "ip4/mplsip/mpls/ip4", LinkEthernet, ether(0x0800, over4(ProtoMPLS, join(label, inner4)))},
	{"etherip", "ip4/etherip/ip4", LinkEthernet, ether(0x0800, over4(ProtoEtherIP, join("\x30\x00", ether(0x0800, inner4))))},
	{"gre", "ip4/gre/ip4", LinkEthernet, greFrame(0, 0x0800, nil, inner4)},
	{"gre all options", "ip4/gre/ip6", LinkEthernet, greFrame(0xb000, 0x86dd, zeros(12), inner6)},
	{"gre routing", "ip4/gre/ip4", LinkEthernet, greFrame(0x4000, 0x0800, join(zeros(4), "\x08\x00\x00\x04", zeros(4), zeros(4)), inner4)},
	{"gre transparent ethernet", "ip4/gre/teb/ip4", LinkEthernet, greFrame(0x2000, 0x6558, zeros(4), ether(0x0800, inner4))},
	{"gre mpls", "ip4/gre/mpls/ip4", LinkEthernet, greFrame(0, 0x8847, label4(), inner4)},
	{"pptp", "ip4/gre/ip4", LinkEthernet, greFrame(0x3081, 0x880b, zeros(12), join("\xff\x03\x00\x21", inner4))},
	{"erspan 1", "ip4/gre/erspan1/ip4", LinkEthernet, greFrame(0, 0x88be, nil, ether(0x0800, inner4))},
	{"erspan 2", "ip4/gre/erspan/vlan6/ip4", LinkEthernet, greFrame(0x1000, 0x88be, zeros(12), ether(0x8100, vlan(6, 0x0800, inner4)))},
	{"erspan 3", "ip4/gre/erspan3/ip4", LinkEthernet, greFrame(0x1000, 0x22eb, zeros(16), ether(0x0800, inner4))},
	{"erspan 3 optional", "ip4/gre/erspan3/ip4", LinkEthernet, greFrame(0x1000, 0x22eb, join(zeros(15), uint8(1), zeros(8)), ether(0x0800, inner4))},
	{"aruba", "ip4/gre/aruba/wifi/ip4", LinkEthernet, greFrame(0, 0x8200, nil, join(wifiHeader(2), snap(0x0800, inner4)))},
	{"wccp", "ip4/gre/wccp/ip4", LinkEthernet, greFrame(0, 0x883e, nil, inner4)},
	{"wccp redirect header", "ip4/gre/wccp/ip4", LinkEthernet, greFrame(0, 0x883e, zeros(4), inner4)},
	{"gre nsh", "ip4/gre/nsh/ip4", LinkEthernet, greFrame(0, 0x894f, nil, join("\x0f\xc2\x02\x01", zeros(4), inner4))},
	{"vxlan", "ip4/vxlan/ip4", LinkEthernet, udpFrame(4789, "\x08\x00\x00\x00\x00\x00\x2a\x00", ether(0x0800, inner4))},
	{"vxlan linux", "ip4/vxlan/vlan7/ip6", LinkEthernet, udpFrame(8472, "\x08\x00\x00\x00\x00\x00\x2a\x00", ether(0x8100, vlan(7, 0x86dd, inner6)))},
	{"vxlan-gpe ip", "ip4/vxlangpe/ip4", LinkEthernet, udpFrame(4790, "\x0c\x00\x00\x01\x00\x00\x2a\x00", inner4)},
	{"vxlan-gpe nsh", "ip4/vxlangpe/nsh/ip4", LinkEthernet, udpFrame(4790, "\x0c\x00\x00\x04\x00\x00\x2a\x00", "\x0f\xc2\x02\x01", zeros(4), inner4)},
	{"vxlan-gpe ethernet", "ip4/vxlangpe/ip4", LinkEthernet, udpFrame(4790, "\x08\x00\x00\x00\x00\x00\x2a\x00", ether(0x0800, inner4))},
	{"geneve", "ip4/geneve/teb/ip4", LinkEthernet, udpFrame(6081, "\x02\x00\x65\x58\x00\x00\x2a\x00", zeros(8), ether(0x0800, inner4))},
	{"geneve ip", "ip4/geneve/ip6", LinkEthernet, udpFrame(6081, "\x00\x00\x86\xdd\x00\x00\x2a\x00", inner6)},
	{"gtp-u", "ip4/gtpu/ip4", LinkEthernet, udpFrame(2152, "\x30\xff", uint16(len(inner4)), uint32(9), inner4)},
	{"gtp-u extended", "ip4/gtpu/ip6", LinkEthernet, udpFrame(2152, "\x34\xff", uint16(len(inner6)+8), uint32(9), "\x00\x00\x00\x85", "\x01\x00\x00\x20", "\x01\x00\x00\x00", inner6)},
	{"gtp-u sequence", "ip4/gtpu/ip4", LinkEthernet, udpFrame(2152, "\x32\xff", uint16(len(inner4)+4), uint32(9), "\x00\x07\x00\x85", inner4)},
	{"teredo", "ip4/teredo/ip6", LinkEthernet, udpFrame(3544, inner6)},
	{"teredo headers", "ip4/teredo/ip6", LinkEthernet, udpFrame(3544, "\x00\x01\x01\x02", "i", "au", zeros(9), "\x00\x00", zeros(6), inner6)},
	{"l2tp", "ip4/l2tp/ip4", LinkEthernet, udpFrame(1701, "\x00\x02", zeros(4), "\x00\x21", inner4)},
	{"l2tp all options", "ip4/l2tp/ip4", LinkEthernet, udpFrame(1701, "\x4a\x02", zeros(10), uint16(3), "pad", "\xff\x03\x00\x21", inner4)},
	{"ayiya", "ip4/ayiya/ip6", LinkEthernet, udpFrame(5072, "\x41\x51\x01\x29", zeros(4), zeros(16), zeros(20), inner6)},
	{"mpls in udp", "ip4/mplsudp/mpls/ip4", LinkEthernet, udpFrame(6635, label, inner4)},
	{"tzsp", "ip4/tzsp/ip4", LinkEthernet, udpFrame(37008, "\x01\x00\x00\x01", "\x00\x0a\x02xx\x01", ether(0x0800, inner4))},
	{"nested", "vlan3/ip4/geneve/ip4/gre/ip4", LinkEthernet, ether(0x8100, vlan(3, 0x0800, over4(ProtoUDP, udp(40000, 6081, join("\x00\x00\x08\x00", zeros(4), over4(ProtoGRE, join(uint32(0x0800), inner4)))))))},
}

func label4() []byte { return join(label) }

// allFrames is every frame that carries inner4 or inner6.
var allFrames = slices.Concat(linkFrames, layerFrames, tunnelFrames)
