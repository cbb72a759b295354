package wire

import (
	"math"
	"net/netip"
	"testing"
)

// garbage is what a Packet may hold from an earlier use.
func garbage() Packet {
	p := Packet{
		NetworkOff: math.MaxUint16, TransportOff: 7, PayloadOff: math.MaxUint16, PayloadLen: 9,
		Captured: 1 << 30, OuterOff: 99, RouteOff: 3, Outcome: 200, Sender: 1, TTL: 2, ICMPType: 3,
		ICMPCode: 4, Depth: 250, Marks: 0xffff, VLAN: 5, VLANs: [vlanMax]uint16{6, 7, 8},
	}
	for i := range p.Stack {
		p.Stack[i] = LayerOther
	}
	p.Segment = Segment{1, 2, 3, 4, 5, 6, 0x1ff, 7, 0xff, 8, 9}
	p.Key = FlowKey{Port: [2]uint16{1, 2}, Proto: 3, Version: 9, Scope: 4}
	for i := range 16 {
		p.Key.Addr[0][i], p.Key.Addr[1][i] = 0xaa, 0xbb
	}
	return p
}

// parse parses into a Packet that holds garbage.
func parse(ps Parser, link LinkType, data []byte) Packet {
	p := garbage()
	ps.Parse(&p, link, data)
	return p
}

// wantInner fails unless p is the flow of inner4 or inner6 with its segment.
func wantInner(t *testing.T, p *Packet, data []byte) {
	t.Helper()
	src, dst := client4, server4
	if p.Key.Version == 6 {
		src, dst = client6, server6
	}
	if p.Outcome != Whole || p.Src() != src || p.Dst() != dst || p.Key.Proto != ProtoTCP {
		t.Fatalf("%v %v %v > %v, want %v > %v", p.Outcome, p.Key.Proto, p.Src(), p.Dst(), src, dst)
	}
	want := Segment{
		Seq: 0xfffffff0, Ack: 77, Len: uint32(len(tcpText)), TSVal: 1000, TSEcr: 2000,
		Wnd: 501, Urg: 3, Flags: PSH | ACK, Opts: OptTimestamp,
	}
	if p.Segment != want {
		t.Errorf("segment %+v, want %+v", p.Segment, want)
	}
	if got := string(p.Payload(data)); got != tcpText {
		t.Errorf("payload %q, want %q", got, tcpText)
	}
	if p.Marks&^MarkOuterPartial != 0 {
		t.Errorf("marks %b", p.Marks)
	}
	if got := VerifyTransport(p, data); got != SumGood {
		t.Errorf("checksum %v", got)
	}
}

func TestEveryEncapsulation(t *testing.T) {
	for _, f := range allFrames {
		t.Run(f.name, func(t *testing.T) {
			p := parse(Parser{}, f.link, f.data)
			wantInner(t, &p, f.data)
			if got := p.Encap(); got != f.encap {
				t.Errorf("encap %q, want %q", got, f.encap)
			}
			if p.Key.Scope != 0 {
				t.Errorf("scope %x without being asked for", p.Key.Scope)
			}
		})
	}
}

// wantSane fails unless p keeps the promises that its comments make about any
// octets whatever.
func wantSane(t *testing.T, p *Packet, data []byte) {
	t.Helper()
	n := uint32(len(data))
	switch {
	case uint32(max(p.NetworkOff, p.TransportOff, p.PayloadOff, p.OuterOff, p.RouteOff)) > n:
		t.Fatalf("an offset lies beyond %d octets: %+v", n, p)
	case p.Captured > p.PayloadLen || p.Captured > n-uint32(p.PayloadOff):
		t.Fatalf("%d octets of %d captured in a frame of %d from %d", p.Captured, p.PayloadLen, n, p.PayloadOff)
	case int(p.Depth) > len(p.Stack) || p.Outcome >= outcomeCount || p.Sender > 1:
		t.Fatalf("depth %d outcome %d sender %d", p.Depth, p.Outcome, p.Sender)
	case p.OuterOff > p.NetworkOff || p.NetworkOff > p.TransportOff || p.TransportOff > p.PayloadOff:
		t.Fatalf("offsets are not in order: %+v", p)
	case p.Outcome == Whole && p.Marks&MarkRouting != 0 && uint32(p.RouteOff)+16 > n:
		t.Fatalf("a routing address at %d of %d", p.RouteOff, n)
	case p.Outcome <= Fragment && p.Key.Version != 4 && p.Key.Version != 6:
		t.Fatalf("version %d", p.Key.Version)
	case p.Outcome == Whole && p.Key.Proto == ProtoTCP && p.Marks&MarkICMPError == 0 && n-uint32(p.TransportOff) < tcpLen:
		t.Fatalf("a TCP header of %d octets", n-uint32(p.TransportOff))
	case p.Outcome == Whole && p.Key.Proto == ProtoTCP && p.Marks&MarkICMPError == 0 && p.Segment.Len != p.PayloadLen:
		t.Fatalf("segment of %d octets, payload of %d", p.Segment.Len, p.PayloadLen)
	}
	p.Payload(data)
	p.Transport(data)
	p.Encap()
	VerifyTransport(p, data)
}

// TestEveryTruncation cuts each frame at each length, as a snaplen would: as
// soon as the TCP header is there the flow is, and before that, nothing is.
func TestEveryTruncation(t *testing.T) {
	for _, f := range allFrames {
		whole := parse(Parser{}, f.link, f.data)
		for n := range f.data {
			cut := f.data[:n:n]
			p := parse(Parser{}, f.link, cut)
			wantSane(t, &p, cut)
			got := p.Outcome == Whole && p.Key.Proto == ProtoTCP
			if want := n >= int(whole.TransportOff)+tcpLen; got != want {
				t.Fatalf("%s at %d of %d: %v %v, want TCP %v", f.name, n, len(f.data), p.Outcome, p.Key, want)
			}
			if !got {
				continue
			}
			truncated := n < int(whole.PayloadOff)+int(whole.PayloadLen)
			if p.Marks&MarkTruncated != 0 != truncated || p.Key != whole.Key || p.PayloadLen != whole.PayloadLen {
				t.Fatalf("%s at %d of %d: %+v", f.name, n, len(f.data), p)
			}
			if v := VerifyTransport(&p, cut); truncated && v != SumUnknown {
				t.Fatalf("%s at %d of %d: checksum %v", f.name, n, len(f.data), v)
			}
		}
	}
}

// TestEveryOctetSpoilt sets each octet of each frame to values that make
// lengths lie: nothing may panic or point outside the frame.
func TestEveryOctetSpoilt(t *testing.T) {
	for _, f := range allFrames {
		spoilt := append([]byte(nil), f.data...)
		for i := range min(len(spoilt), len(spoilt)-len(tcpText)) {
			for _, v := range [...]byte{0, 1, 0x7f, 0xff, f.data[i] ^ 0x10} {
				spoilt[i] = v
				p := parse(Parser{}, f.link, spoilt)
				wantSane(t, &p, spoilt)
			}
			spoilt[i] = f.data[i]
		}
	}
}

func TestFastPathIsTheWalk(t *testing.T) {
	ps := Parser{Scope: ScopeVLAN}
	fast := 0
	for _, f := range allFrames {
		for n := 0; n <= len(f.data); n++ {
			cut := f.data[:n:n]
			a, b := garbage(), garbage()
			if f.link == LinkEthernet && ps.fast(&a, cut) {
				fast++
			}
			ps.Parse(&a, f.link, cut)
			slowParse(&ps, &b, f.link, cut)
			if a != b {
				t.Fatalf("%s at %d:\n%+v\n%+v", f.name, n, a, b)
			}
		}
	}
	if fast < 6 {
		t.Errorf("only %d frames took the fast path", fast)
	}
}

func TestUnknownLinkType(t *testing.T) {
	for _, l := range []LinkType{2, 147, LinkSLL2 + 1, 0xffff} {
		if p := parse(Parser{}, l, inner4); p.Outcome != UnknownLink || l.Supported() {
			t.Errorf("%v: %v", l, p.Outcome)
		}
	}
	if got := LinkType(147).String(); got != "link-147" {
		t.Error(got)
	}
	for i, r := range linkRules {
		if !r.link.Supported() || r.link.String() != r.name || i > 0 && linkRules[i-1].link >= r.link {
			t.Errorf("rule of %v", r.link)
		}
	}
}

// TestOutcomes has what is not an IP packet, and the names of the counters.
func TestOutcomes(t *testing.T) {
	short := ip(client4.Addr(), server4.Addr(), ProtoTCP, zeros(19))
	offset := append([]byte(nil), inner4...)
	offset[32] = 0x40 // a TCP header of 16 octets
	beyond := append([]byte(nil), inner4...)
	beyond[32] = 0xf0 // one of 60 in 50
	tests := []struct {
		name string
		link LinkType
		data []byte
		want Outcome
	}{
		{"not-ip", LinkEthernet, ether(0x0806, zeros(28)), NotIP},
		{"not-ip", LinkEthernet, ether(38, join("\x42\x42\x03", zeros(35))), NotIP},
		{"not-ip", LinkWiFi, join("\x80\x00", zeros(60)), NotIP},
		{"not-ip", LinkWiFi, join("\x08\x42", zeros(60)), NotIP},
		{"not-ip", LinkNull, join("\x00\x00\x00\x07", zeros(60)), NotIP},
		{"not-ip", LinkPPP, join("\xc0\x21", zeros(60)), NotIP},
		{"short-link", LinkEthernet, zeros(13), ShortLink},
		{"short-link", LinkEthernet, ether(0x8100, zeros(3)), ShortLink},
		{"short-network", LinkRaw, inner4[:19], ShortNetwork},
		{"short-network", LinkRaw, nil, ShortNetwork},
		{"bad-network", LinkRaw, join(uint8(0x44), inner4[1:]), BadNetwork},
		{"bad-network", LinkRaw, join(uint8(0x35), inner4[1:]), BadNetwork},
		{"bad-network", LinkRaw, join(uint8(0x46), inner4[1:2], uint16(23), inner4[4:]), BadNetwork},
		{"short-transport", LinkRaw, short, ShortTransport},
		{"bad-transport", LinkRaw, offset, BadTransport},
		{"bad-transport", LinkRaw, beyond, BadTransport},
	}
	for _, test := range tests {
		p := parse(Parser{}, test.link, test.data)
		wantSane(t, &p, test.data)
		if p.Outcome != test.want || p.Outcome.String() != test.name {
			t.Errorf("%v % x: %v, want %v", test.link, test.data, p.Outcome, test.name)
		}
		if o := p.Outcome; o == ShortTransport || o == BadTransport {
			if p.Src().Addr() != client4.Addr() || p.Key.Proto != ProtoTCP || p.Key.Port != [2]uint16{} {
				t.Errorf("%v: key %+v", o, p.Key)
			}
		}
	}
	for o := range outcomeCount {
		if o.String() == "" {
			t.Errorf("outcome %d has no name", o)
		}
	}
}

// TestTooDeep: nested headers cost no more than depthMax of them.
func TestTooDeep(t *testing.T) {
	tags, tunnels, labels := inner4, inner4, inner4
	for range depthMax {
		tags = vlan(1, 0x8100, tags)
		tunnels = over4(ProtoIPv4, tunnels)
		labels = join(uint32(0x1000), labels)
	}
	for name, data := range map[string][]byte{
		"tags": ether(0x8100, tags), "tunnels": ether(0x0800, tunnels), "labels": ether(0x8847, labels),
	} {
		if p := parse(Parser{}, LinkEthernet, data); p.Outcome != TooDeep {
			t.Errorf("%s: %v", name, p.Outcome)
		}
	}
	deep := inner4
	for range 20 {
		deep = over4(ProtoIPv4, deep)
	}
	p := parse(Parser{}, LinkEthernet, ether(0x0800, deep))
	wantInner(t, &p, ether(0x0800, deep))
	if p.Depth != stackMax || p.OuterOff != etherLen || p.NetworkOff != etherLen+20*20 {
		t.Errorf("depth %d, outer %d, network %d", p.Depth, p.OuterOff, p.NetworkOff)
	}
}

// TestFailedTunnelIsAFlow: a tunnel port or protocol whose payload leads to no
// IP packet leaves the tunnel's own packet as the flow.
func TestFailedTunnelIsAFlow(t *testing.T) {
	arp := ether(0x0806, zeros(28))
	tests := []struct {
		name  string
		data  []byte
		proto Proto
		port  uint16
	}{
		{"vxlan without the flag", udpFrame(4789, zeros(8), arp), ProtoUDP, 4789},
		{"vxlan with arp", udpFrame(4789, "\x08", zeros(7), arp), ProtoUDP, 4789},
		{"vxlan cut", udpFrame(4789, "\x08\x00"), ProtoUDP, 4789},
		{"vxlan with half an ip header", udpFrame(4789, "\x08", zeros(7), ether(0x0800, inner4[:10])), ProtoUDP, 4789},
		{"vxlan with a bad tcp offset", udpFrame(4789, "\x08", zeros(7), ether(0x0800, join(inner4[:32], zeros(40)))), ProtoUDP, 4789},
		{"gtp echo", udpFrame(2152, "\x32\x01\x00\x04", zeros(8)), ProtoUDP, 2152},
		{"gtp endless extension", udpFrame(2152, "\x34\xff", zeros(9), "\x85\x00\x00"), ProtoUDP, 2152},
		{"geneve oam", udpFrame(6081, "\x00\x80\x99\x99", zeros(4)), ProtoUDP, 6081},
		{"teredo bubble", udpFrame(3544, "xx"), ProtoUDP, 3544},
		{"l2tp control", udpFrame(1701, "\xc8\x02", zeros(10)), ProtoUDP, 1701},
		{"ayiya echo", udpFrame(5072, "\x41\x51\x02\x29", zeros(60)), ProtoUDP, 5072},
		{"tzsp keep-alive", udpFrame(37008, "\x01\x04\x00\x01"), ProtoUDP, 37008},
		{"mpls nowhere", udpFrame(6635, "\x00\x00"), ProtoUDP, 6635},
		{"gre keep-alive", greFrame(0, 0, nil, nil), ProtoGRE, 0},
		{"gre with isis", greFrame(0, 0x00fe, nil, zeros(40)), ProtoGRE, 0},
		{"ipip nowhere", ether(0x0800, over4(ProtoIPv4, zeros(40))), ProtoIPv4, 0},
	}
	for _, test := range tests {
		p := parse(Parser{}, LinkEthernet, test.data)
		wantSane(t, &p, test.data)
		if p.Outcome != Whole || p.Key.Proto != test.proto || p.Marks != MarkOpaque ||
			p.Src().Addr() != outerA || p.Dst() != netip.AddrPortFrom(outerB, test.port) {
			t.Errorf("%s: %v %v > %v proto %v marks %b", test.name, p.Outcome, p.Src(), p.Dst(), p.Key.Proto, p.Marks)
		}
		if test.proto == ProtoUDP && VerifyTransport(&p, test.data) != SumGood {
			t.Errorf("%s: checksum %v", test.name, VerifyTransport(&p, test.data))
		}
	}
}

// TestScope: identifiers enter the key where they are asked for, and are the
// same in both directions.
func TestScope(t *testing.T) {
	in := func(id, vni uint16) []byte {
		return ether(0x8100, vlan(id, 0x0800, over4(ProtoUDP, udp(9, 4789, join("\x08\x00\x00\x00\x00", vni, uint8(0), ether(0x0800, inner4))))))
	}
	key := func(s Scope, data []byte) FlowKey {
		p := parse(Parser{Scope: s}, LinkEthernet, data)
		wantInner(t, &p, data)
		return p.Key
	}
	plain := key(0, ether(0x0800, inner4))
	if key(0, in(1, 2)) != plain || key(ScopeVLAN|ScopeTunnel, ether(0x0800, inner4)) != plain {
		t.Error("scope without identifiers, or identifiers without scope")
	}
	if key(ScopeVLAN|ScopeTunnel, ether(0x8100, vlan(0, 0x0800, inner4))) != plain {
		t.Error("a priority tag is no VLAN (IEEE 802.1Q §9.6)")
	}
	for _, s := range []Scope{ScopeVLAN, ScopeTunnel, ScopeVLAN | ScopeTunnel} {
		if key(s, in(1, 2)) == plain {
			t.Errorf("scope %b changes nothing", s)
		}
		if got := key(s, in(1, 2)) == key(s, in(3, 2)); got != (s&ScopeVLAN == 0) {
			t.Errorf("scope %b, other VLAN: same key %v", s, got)
		}
		if got := key(s, in(1, 2)) == key(s, in(1, 3)); got != (s&ScopeTunnel == 0) {
			t.Errorf("scope %b, other VNI: same key %v", s, got)
		}
	}
	a := key(ScopeVLAN, ether(0x8100, vlan(1, 0x8100, vlan(2, 0x0800, inner4))))
	if a == key(ScopeVLAN, ether(0x8100, vlan(2, 0x8100, vlan(1, 0x0800, inner4)))) {
		t.Error("the order of tags does not count")
	}
}

// TestNVGREScope: the last octet of an NVGRE key is entropy (RFC 7637 §3.2),
// that of another GRE key is not.
func TestNVGREScope(t *testing.T) {
	key := func(word uint32, proto uint16, body []byte) FlowKey {
		return parsePtr(Parser{Scope: ScopeTunnel}, greFrame(0x2000, proto, join(word), body)).Key
	}
	nvgre := ether(0x0800, inner4)
	if key(0x1234501, 0x6558, nvgre) != key(0x12345ff, 0x6558, nvgre) {
		t.Error("NVGRE: the flow identifier is in the key")
	}
	if key(0x1234501, 0x6558, nvgre) == key(0x1234601, 0x6558, nvgre) {
		t.Error("NVGRE: the network is not in the key")
	}
	if key(1, 0x0800, inner4) == key(2, 0x0800, inner4) {
		t.Error("GRE: the key is not in the key")
	}
}

func parsePtr(ps Parser, data []byte) *Packet {
	p := parse(ps, LinkEthernet, data)
	return &p
}
