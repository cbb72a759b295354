package wire

import (
	"net/netip"
	"slices"
	"testing"
)

func TestRFC9293Options(t *testing.T) {
	tests := []struct {
		name    string
		options string
		want    Segment
	}{
		{"§3.7.1 MSS", "\x02\x04\x05\xb4", Segment{Opts: OptMSS, MSS: 1460}},
		{"RFC 7323 §2 window scale", "\x01\x03\x03\x0e", Segment{Opts: OptWScale, WScale: 14}},
		{"RFC 7323 §3 timestamps", "\x01\x01\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x06", Segment{Opts: OptTimestamp, TSVal: 5, TSEcr: 6}},
		{"RFC 7323 §3 elsewhere", "\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x06\x01\x00", Segment{Opts: OptTimestamp, TSVal: 5, TSEcr: 6}},
		{"RFC 2018 §2 SACK permitted", "\x04\x02\x00\x00", Segment{Opts: OptSACKOK}},
		{"RFC 2018 §3 SACK", "\x01\x01\x05\x0a\x00\x00\x00\x01\x00\x00\x00\x02", Segment{Opts: OptSACK}},
		{"RFC 7413 §4.1.1 cookie", "\x22\x0acookie12\x00\x00", Segment{Opts: OptTFO}},
		{"RFC 7413 §4.1.1 request", "\x22\x02\x00\x00", Segment{Opts: OptTFO}},
		{"RFC 8684 §3 MPTCP", "\x1e\x04\x00\x00", Segment{Opts: OptMPTCP}},
		{"a SYN of Linux", "\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x00\x01\x03\x03\x07",
			Segment{Opts: OptMSS | OptSACKOK | OptTimestamp | OptWScale, MSS: 1460, TSVal: 5, WScale: 7}},
		{"§3.2 what follows the end is padding", "\x00\x02\x04\x05", Segment{}},
		{"unknown kinds are stepped over", "\xfd\x04zz\x02\x04\x05\xb4", Segment{Opts: OptMSS, MSS: 1460}},
		{"a length of 0", "\x02\x00\x05\xb4", Segment{Opts: OptMalformed}},
		{"a length of 1", "\xfd\x01\x00\x00", Segment{Opts: OptMalformed}},
		{"a length beyond the header", "\x01\x01\x02\x04", Segment{Opts: OptMalformed}},
		{"a kind without a length", "\x01\x01\x01\x02", Segment{Opts: OptMalformed}},
		{"an MSS of three octets", "\x02\x03\x05\x00", Segment{Opts: OptMalformed}},
		{"a window scale of none", "\x03\x02\x00\x00", Segment{Opts: OptMalformed}},
		{"a SACK of nothing", "\x05\x02\x00\x00", Segment{Opts: OptMalformed}},
		{"a malformed one does not spoil the next", "\x03\x02\x04\x02", Segment{Opts: OptMalformed | OptSACKOK}},
	}
	for _, test := range tests {
		data := ip(client4.Addr(), server4.Addr(), ProtoTCP, tcp(client4, server4, []byte(test.options), tcpText))
		p := parse(Parser{}, LinkRaw, data)
		want := test.want
		want.Seq, want.Ack, want.Wnd, want.Urg, want.Flags, want.Len = 0xfffffff0, 77, 501, 3, PSH|ACK, uint32(len(tcpText))
		if p.Segment != want {
			t.Errorf("%s: %+v, want %+v", test.name, p.Segment, want)
		}
	}
}

// TestOptionsCutBySnaplen: what was not captured is not malformed.
func TestOptionsCutBySnaplen(t *testing.T) {
	options := "\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x00\x01\x03\x03\x07"
	data := ip(client4.Addr(), server4.Addr(), ProtoTCP, tcp(client4, server4, []byte(options), ""))
	for n := 40; n <= len(data); n++ {
		p := parse(Parser{}, LinkRaw, data[:n])
		if p.Outcome != Whole || p.Segment.Opts&OptMalformed != 0 || p.PayloadLen != 0 || int(p.PayloadOff) != n {
			t.Fatalf("%d octets: %v %+v", n, p.Outcome, p.Segment)
		}
		if got, want := VerifyTransport(&p, data[:n]), SumUnknown; n < len(data) && got != want {
			t.Fatalf("%d octets: checksum %v", n, got)
		}
		if got := p.Segment.Opts&OptMSS != 0; got != (n >= 44) {
			t.Fatalf("%d octets: MSS %v", n, got)
		}
	}
}

func TestRFC768Length(t *testing.T) {
	tests := []struct {
		name  string
		field uint16
		want  uint32
		marks Marks
		sum   Sum
	}{
		{"all of the packet", 8 + 12, 12, 0, SumGood},
		{"less than the packet", 8 + 4, 4, 0, SumBad},
		{"only the header", 8, 0, 0, SumBad},
		{"less than the header", 7, 12, MarkUDPLength, SumUnknown},
		{"none", 0, 12, MarkUDPLength, SumUnknown},
		{"more than the packet", 8 + 13, 12, MarkUDPLength, SumUnknown},
	}
	for _, test := range tests {
		data := over4(ProtoUDP, udp(1000, 53, []byte("twelve octet")))
		data = patched(data, 24, byte(test.field>>8), byte(test.field))
		for _, frame := range []frame{{link: LinkRaw, data: data}, {link: LinkEthernet, data: ether(0x0800, join(data, zeros(10)))}} {
			p := parse(Parser{}, frame.link, frame.data)
			if p.Outcome != Whole || p.PayloadLen != test.want || p.Marks != test.marks || p.Captured != test.want {
				t.Errorf("%s: %v, %d octets, marks %b", test.name, p.Outcome, p.PayloadLen, p.Marks)
			}
			if got := VerifyTransport(&p, frame.data); got != test.sum {
				t.Errorf("%s: checksum %v", test.name, got)
			}
		}
	}
}

func TestTransportsAreFlows(t *testing.T) {
	echo := join("\x08\x00\x00\x00", uint16(0x4242), uint16(1), "ping")
	echo6 := checksummed(outerA6, outerB6, ProtoICMPv6, join("\x81\x00\x00\x00", uint16(0x4242), uint16(1), "pong"), 2)
	solicit := checksummed(outerA6, outerB6, ProtoICMPv6, join("\x87\x00\x00\x00", zeros(20)), 2)
	tests := []struct {
		name    string
		data    []byte
		proto   Proto
		ports   [2]uint16
		payload uint32
	}{
		{"RFC 792 echo", over4(ProtoICMP, patched(echo, 2, checksumOf(echo)...)), ProtoICMP, [2]uint16{0x4242, 0x4242}, 4},
		{"RFC 4443 §4.2 echo reply", over6(ProtoICMPv6, echo6), ProtoICMPv6, [2]uint16{0x4242, 0x4242}, 4},
		{"RFC 4861 solicitation", over6(ProtoICMPv6, solicit), ProtoICMPv6, [2]uint16{}, 16},
		{"RFC 9260 SCTP", over4(ProtoSCTP, join(uint16(5), uint16(6), zeros(4), "\x00\x00\x00\x00", "chunk")), ProtoSCTP, [2]uint16{5, 6}, 5},
		{"RFC 4303 ESP", over4(50, zeros(30)), 50, [2]uint16{}, 30},
		{"RFC 3376 IGMP", over4(2, zeros(8)), 2, [2]uint16{}, 8},
		{"an empty packet", over6(253, nil), 253, [2]uint16{}, 0},
	}
	for _, test := range tests {
		p := parse(Parser{}, LinkRaw, test.data)
		if p.Outcome != Whole || p.Key.Proto != test.proto || p.Key.Port != test.ports || p.PayloadLen != test.payload || p.Marks != 0 {
			t.Errorf("%s: %+v", test.name, p)
		}
		if p.Key.Proto == ProtoICMP || p.Key.Proto == ProtoICMPv6 {
			if got := VerifyTransport(&p, test.data); got != SumGood {
				t.Errorf("%s: checksum %v", test.name, got)
			}
		}
	}
}

// checksumOf returns the checksum of an ICMP message, whose field is not 0.
func checksumOf(b []byte) []byte {
	return join(^slowSum(patched(b, 2, 0, 0)))
}

// icmpError writes an error of outerA that quotes the packet q.
func icmpError(kind, code uint8, q []byte) []byte {
	b := join(kind, code, uint16(0), zeros(4), q)
	return over4(ProtoICMP, patched(b, 2, checksumOf(b)...))
}

func TestICMPErrorsQuoteFlows(t *testing.T) {
	ping := ip(client4.Addr(), server4.Addr(), ProtoICMP, join("\x08\x00\x00\x00", uint16(7), uint16(1)))
	v6error := func(q []byte) []byte {
		b := join("\x01\x04\x00\x00", zeros(4), q)
		return over6(ProtoICMPv6, checksummed(outerA6, outerB6, ProtoICMPv6, b, 2))
	}
	flow4, _ := slowKey(client4, server4, ProtoTCP)
	flow6, _ := slowKey(client6, server6, ProtoTCP)
	echo, _ := slowKey(netip.AddrPortFrom(client4.Addr(), 7), netip.AddrPortFrom(server4.Addr(), 7), ProtoICMP)
	none := FlowKey{}
	tests := []struct {
		name string
		data []byte
		want FlowKey
	}{
		{"RFC 792 unreachable", icmpError(3, 3, inner4), flow4},
		{"RFC 792: 64 bits of the datagram", icmpError(11, 0, inner4[:28]), flow4},
		{"RFC 792 source quench", icmpError(4, 0, inner4[:28]), flow4},
		{"RFC 792 redirect", icmpError(5, 1, inner4[:28]), flow4},
		{"RFC 792 parameter problem", icmpError(12, 0, inner4[:28]), flow4},
		{"of an echo", icmpError(3, 1, ping), echo},
		{"of a first fragment", icmpError(11, 1, patched(inner4[:28], 6, 0x20)), flow4},
		{"RFC 4443 §3.1", v6error(inner6), flow6},
		{"RFC 4443 with extension headers", v6error(v6(ProtoDestOpts, "\x06\x00\x01\x04", zeros(4), inner6[40:])), flow6},
		{"ports were not quoted", icmpError(3, 3, inner4[:23]), none},
		{"a later fragment has none", icmpError(11, 1, patched(inner4[:28], 7, 9)), none},
		{"no IP", icmpError(3, 3, zeros(40)), none},
		{"a protocol without ports", icmpError(3, 2, over4(50, zeros(8))), none},
		{"an echo quotes nothing", icmpError(8, 0, inner4), none},
	}
	for _, test := range tests {
		p := parse(Parser{}, LinkRaw, test.data)
		wantSane(t, &p, test.data)
		if quoted := p.Marks&MarkICMPError != 0; p.Outcome != Whole || quoted != (test.want != none) {
			t.Errorf("%s: %v marks %b", test.name, p.Outcome, p.Marks)
		}
		if test.want != none && (p.Key != test.want || p.Src().Addr() != client4.Addr() && p.Src() != client6) {
			t.Errorf("%s: %v > %v", test.name, p.Src(), p.Dst())
		}
		if got := VerifyTransport(&p, test.data); got != SumGood {
			t.Errorf("%s: checksum %v", test.name, got)
		}
		if p.ICMPType != test.data[p.TransportOff] || p.ICMPCode != test.data[p.TransportOff+1] {
			t.Errorf("%s: type %d code %d", test.name, p.ICMPType, p.ICMPCode)
		}
		if p.Segment != (Segment{}) {
			t.Errorf("%s: a segment", test.name)
		}
	}
}

func TestVerifyTransport(t *testing.T) {
	// An INIT of RFC 9260's form; its CRC32c was computed bit by bit.
	sctp := over4(ProtoSCTP, join(uint16(1), uint16(2), uint32(0), "\x00\x00\x00\x00", "\x01\x00\x00\x04"))
	copy(sctp[28:], slowCRC32c(sctp[20:]))
	v6udp := func(sum ...byte) []byte {
		b := checksummed(outerA6, outerB6, ProtoUDP, join(uint16(1), uint16(2), uint16(12), uint16(0), "data"), 6)
		return over6(ProtoUDP, patched(b, 6, sum...))
	}
	tests := []struct {
		name string
		data []byte
		want Sum
	}{
		{"TCP", inner4, SumGood},
		{"TCP over IPv6", inner6, SumGood},
		{"a changed octet", patched(inner4, len(inner4)-1, 'x'), SumBad},
		{"a changed pseudo-header", patched(inner6, 39, 9), SumBad},
		{"UDP", over4(ProtoUDP, udp(1, 2, []byte("odd"))), SumGood},
		{"RFC 768: no checksum", patched(over4(ProtoUDP, udp(1, 2, []byte("data"))), 26, 0, 0), SumUnknown},
		{"UDP over IPv6", v6udp(), SumGood},
		{"RFC 8200 §8.1: no checksum", v6udp(0, 0), SumBad},
		{"SCTP", sctp, SumGood},
		{"SCTP, changed", patched(sctp, 32, 2), SumBad},
		{"a protocol without one", over4(50, zeros(20)), SumUnknown},
		{"a truncated packet", inner4[:len(inner4)-1], SumUnknown},
		{"no packet", zeros(3), SumUnknown},
	}
	for _, test := range tests {
		p := parse(Parser{}, LinkRaw, test.data)
		if got := VerifyTransport(&p, test.data); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	names := []string{SumUnknown.String(), SumGood.String(), SumBad.String()}
	if !slices.Equal(names, []string{"unknown", "good", "bad"}) {
		t.Error(names)
	}
}

// slowCRC32c returns the CRC32c of an SCTP packet whose checksum is 0, bit by
// bit as RFC 9260 appendix A defines it.
func slowCRC32c(b []byte) []byte {
	crc := ^uint32(0)
	for _, o := range b {
		crc ^= uint32(o)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x82f63b78
			} else {
				crc >>= 1
			}
		}
	}
	crc = ^crc
	return []byte{byte(crc), byte(crc >> 8), byte(crc >> 16), byte(crc >> 24)}
}

func TestViews(t *testing.T) {
	frame := ether(0x0800, inner4)
	p := parse(Parser{}, LinkEthernet, frame)
	e, h, s := Ethernet(frame), IPv4(p.Network(frame)), TCP(p.Transport(frame))
	if e.Src().String() != "02:00:00:00:00:01" || e.Dst() != (MAC{2, 0, 0, 0, 0, 2}) || e.Type() != 0x0800 {
		t.Error(e.Src(), e.Dst(), e.Type())
	}
	if h.HeaderLen() != 20 || h.TotalLen() != uint16(len(inner4)) || h.ID() != 0x1234 || !h.DontFragment() ||
		h.MoreFragments() || h.FragmentOff() != 0 || h.TTL() != 64 || h.Proto() != ProtoTCP || h.TOS() != 0 ||
		h.Src() != client4.Addr() || h.Dst() != server4.Addr() || !IPChecksumOK(h[:20]) || h.Checksum() == 0 {
		t.Errorf("%x", h[:20])
	}
	if s.SrcPort() != 54321 || s.DstPort() != 443 || s.SeqNum() != 0xfffffff0 || s.AckNum() != 77 || s.HeaderLen() != 32 ||
		s.Flags() != PSH|ACK || !s.PSH() || !s.ACK() || s.SYN() || s.FIN() || s.RST() || s.URG() ||
		s.Window() != 501 || s.Urgent() != 3 || s.Checksum() == 0 {
		t.Errorf("%x", s)
	}
	if v, ok := s.Option(8); !ok || len(v) != 8 {
		t.Error(v, ok)
	}
	if _, ok := s.Option(2); ok {
		t.Error("an MSS")
	}
	if h := IPv6(inner6); h.Src() != client6.Addr() || h.Dst() != server6.Addr() || h.NextHeader() != ProtoTCP ||
		h.HopLimit() != 63 || h.FlowLabel() != 0x12345 || h.TrafficClass() != 0 || int(h.PayloadLen()) != len(inner6)-40 {
		t.Errorf("%x", h[:40])
	}
	if u := UDP(udp(1, 2, zeros(3))); u.SrcPort() != 1 || u.DstPort() != 2 || u.Len() != 11 || u.Checksum() == 0 {
		t.Errorf("%x", u)
	}
}

// TestNoHeaders: a frame without an IP packet has no headers to look at.
func TestNoHeaders(t *testing.T) {
	frame := ether(0x0806, zeros(28))
	p := parse(Parser{}, LinkEthernet, frame)
	if p.Network(frame) != nil || p.Transport(frame) != nil || len(p.Payload(frame)) != 0 || p.Encap() != "" {
		t.Errorf("%+v", p)
	}
}

// TestViewsOfNothing: a view that is too short reads as zeros.
func TestViewsOfNothing(t *testing.T) {
	for n := range 40 {
		b := zeros(n)
		e, h, g, s, u := Ethernet(b), IPv4(b), IPv6(b), TCP(b), UDP(b)
		sum := int(e.Type()) + h.HeaderLen() + int(h.Checksum()) + int(g.FlowLabel()) + int(g.HopLimit()) +
			int(s.SeqNum()) + int(s.Urgent()) + s.HeaderLen() + int(u.Checksum()) + int(e.Src()[0])
		if sum != 0 || h.Dst().IsValid() != (n >= 20) || g.Dst().IsValid() {
			t.Errorf("%d octets: %d %v %v", n, sum, h.Dst(), g.Dst())
		}
		for range TCP(patched(b, min(n, 12), 0xf0)).Options() {
			continue
		}
	}
}
