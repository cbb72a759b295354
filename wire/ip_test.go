package wire

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// patched returns a copy of b with octets written over it at off.
func patched(b []byte, off int, octets ...byte) []byte {
	c := append([]byte(nil), b...)
	copy(c[off:], octets)
	return c
}

func TestRFC791Header(t *testing.T) {
	options := join(uint8(0x46), inner4[1:2], uint16(len(inner4)+4), inner4[4:20], "\x01\x01\x01\x00", inner4[20:])
	options[10], options[11] = 0, 0
	binary.BigEndian.PutUint16(options[10:], ^slowSum(options[:24]))
	tests := []struct {
		name  string
		data  []byte
		marks Marks
	}{
		{"§3.1 options", options, 0},
		{"§3.1 a wrong header checksum is marked", patched(inner4, 11, inner4[11]+1), MarkIPChecksum},
		{"a total length of 0 is the captured length", patched(inner4, 2, 0, 0), MarkLengthZero | MarkIPChecksum},
		{"a total length beyond the capture", inner4[:len(inner4)-1], MarkTruncated},
		{"octets behind the total length are not the packet's", join(inner4, zeros(6)), 0},
	}
	for _, test := range tests {
		for _, link := range []LinkType{LinkRaw, LinkEthernet} {
			data := test.data
			if link == LinkEthernet {
				data = ether(0x0800, data)
			}
			p := parse(Parser{}, link, data)
			if p.Outcome != Whole || p.Marks != test.marks || p.PayloadLen != uint32(len(tcpText)) || p.TTL != 64 {
				t.Errorf("%s: %v marks %b, %d octets", test.name, p.Outcome, p.Marks, p.PayloadLen)
			}
		}
	}
	long := join(patched(inner4, 2, 0, 0), zeros(ipv4Max))
	if p := parse(Parser{}, LinkRaw, long); p.Outcome != BadNetwork {
		t.Errorf("%d octets: %v", len(long), p.Outcome)
	}
	outer := ether(0x0800, patched(over4(ProtoIPv4, inner4), 10, 0xba, 0xad))
	if p := parse(Parser{}, LinkEthernet, outer); p.Marks != MarkOuterPartial {
		t.Errorf("outer checksum: marks %b", p.Marks)
	}
}

// TestRFC4302TransportMode: what an authentication header protects in place is
// a flow like any other.
func TestRFC4302TransportMode(t *testing.T) {
	data := ether(0x0800, ip(client4.Addr(), server4.Addr(), ProtoAH, join("\x06\x04", zeros(22), inner4[20:])))
	p := parse(Parser{}, LinkEthernet, data)
	wantInner(t, &p, data)
	if p.Encap() != "ip4/ah" || p.NetworkOff != 14 || p.TransportOff != 14+20+24 {
		t.Errorf("%s, transport at %d", p.Encap(), p.TransportOff)
	}
	for n := range data {
		cut := parse(Parser{}, LinkEthernet, data[:n])
		wantSane(t, &cut, data[:n])
	}
}

// TestLengthOf802_3: octets behind an LLC frame's length are padding, whatever
// the IP header claims.
func TestLengthOf802_3(t *testing.T) {
	data := ether(uint16(8+len(inner4)-5), snap(0x0800, inner4))
	p := parse(Parser{}, LinkEthernet, data)
	if p.Outcome != Whole || p.Marks != MarkTruncated || p.PayloadLen-p.Captured != 5 {
		t.Errorf("%v marks %b, %d of %d octets", p.Outcome, p.Marks, p.Captured, p.PayloadLen)
	}
}

func TestRFC791Fragment(t *testing.T) {
	first := patched(inner4[:20+8], 2, 0, 28, 0x12, 0x34, 0x20, 0)
	later := patched(inner4[:20+16], 2, 0, 36, 0x12, 0x34, 0, 3)
	tests := []struct {
		data []byte
		want FragmentInfo
		n    uint32
	}{
		{first, FragmentInfo{0x1234, 0, true}, 8},
		{later, FragmentInfo{0x1234, 24, false}, 16},
		{patched(inner4, 4, 0x12, 0x34, 0x20, 0), FragmentInfo{0x1234, 0, true}, uint32(len(inner4) - 20)},
		{patched(later, 6, 0x3f, 0xff), FragmentInfo{0x1234, 65528, true}, 16},
	}
	for _, test := range tests {
		data := ether(0x0800, test.data)
		p := parse(Parser{}, LinkEthernet, data)
		if p.Outcome != Fragment || p.Fragment(data) != test.want || p.PayloadLen != test.n || p.Captured != test.n ||
			p.TransportOff != 34 || p.PayloadOff != 34 || p.Key.Proto != ProtoTCP || p.Src() != netip.AddrPortFrom(client4.Addr(), 0) {
			t.Errorf("%+v", p)
		}
		if VerifyTransport(&p, data) != SumUnknown {
			t.Error("a fragment has no checksum")
		}
	}
}

// v6 writes an IPv6 packet of client6 and server6 whose extension headers and
// upper layer are body.
func v6(next Proto, body ...any) []byte {
	return ip(client6.Addr(), server6.Addr(), next, join(body...))
}

func TestRFC8200ExtensionHeaders(t *testing.T) {
	segment := inner6[40:]
	tests := []struct {
		name string
		data []byte
	}{
		{"§4.3 hop-by-hop options", v6(ProtoHopByHop, "\x06\x00\x01\x04", zeros(4), segment)},
		{"§4.6 destination options", v6(ProtoDestOpts, "\x06\x01\x01\x0c", zeros(12), segment)},
		{"§4.1 several", v6(ProtoHopByHop, "\x3c\x00\x01\x04", zeros(4), "\x06\x00\x01\x04", zeros(4), segment)},
		{"RFC 6275 mobility", v6(ProtoMobility, "\x06\x00", zeros(6), segment)},
		{"RFC 7401 host identity", v6(ProtoHIP, "\x06\x00", zeros(6), segment)},
		{"RFC 5533 shim", v6(ProtoShim6, "\x06\x00", zeros(6), segment)},
		{"RFC 4302 authentication", v6(ProtoAH, "\x06\x04", zeros(22), segment)},
		{"RFC 6946 atomic fragment", v6(ProtoFragment, "\x06\x00\x00\x00", uint32(7), segment)},
		{"§4.4 routing header without segments left", v6(ProtoRouting, "\x06\x02\x00\x00", zeros(20), segment)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := ether(0x86dd, test.data)
			p := parse(Parser{}, LinkEthernet, data)
			wantInner(t, &p, data)
			for n := range data {
				cut := parse(Parser{}, LinkEthernet, data[:n])
				wantSane(t, &cut, data[:n])
			}
		})
	}
	if p := parse(Parser{}, LinkRaw, v6(59, zeros(9))); p.Outcome != Whole || p.Key.Proto != 59 || p.PayloadLen != 9 {
		t.Errorf("§4.7 no next header: %+v", p)
	}
	many := segment
	next := ProtoTCP
	for range extensionsMax + 1 {
		many, next = join(uint8(next), uint8(0), zeros(6), many), ProtoDestOpts
	}
	if p := parse(Parser{}, LinkRaw, v6(next, many)); p.Outcome != TooDeep {
		t.Errorf("%d extension headers: %v", extensionsMax+1, p.Outcome)
	}
}

// TestRFC8200RoutingChecksum: the transport checksum covers the final
// destination (§8.1), which is server6 while the packet is under way.
func TestRFC8200RoutingChecksum(t *testing.T) {
	final := server6.Addr().AsSlice()
	tests := []struct {
		name string
		ext  []byte
		off  int // of the final destination in the header
	}{
		{"RFC 2460 §4.4 type 0", join("\x06\x04\x00\x01", zeros(4), outerB6.AsSlice(), final), 24},
		{"RFC 6275 §6.4 type 2", join("\x06\x02\x02\x01", zeros(4), final), 8},
		{"RFC 8754 §2 type 4", join("\x06\x04\x04\x01\x01\x00\x00\x00", final, outerB6.AsSlice()), 8},
	}
	for _, test := range tests {
		data := ether(0x86dd, ip(client6.Addr(), outerA6, ProtoRouting, join(test.ext, inner6[40:])))
		p := parse(Parser{}, LinkEthernet, data)
		if p.Outcome != Whole || p.Marks != MarkRouting || int(p.RouteOff) != 14+40+test.off {
			t.Errorf("%s: %v marks %b route %d", test.name, p.Outcome, p.Marks, p.RouteOff)
		}
		if p.Dst().Addr() != outerA6 || VerifyTransport(&p, data) != SumGood {
			t.Errorf("%s: to %v, checksum %v", test.name, p.Dst(), VerifyTransport(&p, data))
		}
	}
}

func TestRFC8200Fragment(t *testing.T) {
	tests := []struct {
		offset string // with the M flag, as in the header
		want   FragmentInfo
	}{
		{"\x00\x01", FragmentInfo{0xabcdef01, 0, true}},
		{"\x00\x19", FragmentInfo{0xabcdef01, 24, true}},
		{"\x00\x1e", FragmentInfo{0xabcdef01, 24, false}}, // the reserved bits do not count
	}
	for _, test := range tests {
		header := join("\x06\x00", test.offset, uint32(0xabcdef01))
		data := ether(0x86dd, v6(ProtoDestOpts, "\x2c\x00\x01\x04", zeros(4), header, inner6[40:]))
		p := parse(Parser{}, LinkEthernet, data)
		if p.Outcome != Fragment || p.Fragment(data) != test.want || p.Key.Proto != ProtoTCP || p.Key.Port != [2]uint16{} ||
			string(p.Payload(data)) != string(inner6[40:]) {
			t.Errorf("%+v", p)
		}
	}
}

func TestRFC2675Jumbogram(t *testing.T) {
	body := join("\x06\x00\xc2\x04", uint32(0), inner6[40:])
	binary.BigEndian.PutUint32(body[4:], uint32(len(body)))
	jumbo := patched(v6(ProtoHopByHop, body), 4, 0, 0)
	p := parse(Parser{}, LinkRaw, jumbo)
	wantInner(t, &p, jumbo)
	if p := parse(Parser{}, LinkRaw, patched(jumbo, 44, 0xff)); p.Outcome != BadNetwork {
		t.Errorf("a length of 4 GiB: %v", p.Outcome)
	}
	zero := patched(inner6, 4, 0, 0)
	if p := parse(Parser{}, LinkRaw, zero); p.Outcome != Whole || p.Marks != MarkLengthZero || p.PayloadLen != uint32(len(tcpText)) {
		t.Errorf("payload length 0 without the option: %+v", p)
	}
}

// TestResume: a datagram put together from fragments keeps what surrounded them.
func TestResume(t *testing.T) {
	ps := Parser{Scope: ScopeVLAN | ScopeTunnel}
	whole := inner4
	piece := patched(whole, 6, 0x20, 0)
	wrap := func(b []byte) []byte {
		return ether(0x8100, vlan(5, 0x0800, over4(ProtoUDP, udp(9, 4789, join("\x08\x00\x00\x00\x00\x00\x2a\x00", ether(0x0800, b))))))
	}
	for _, s := range []Scope{0, ScopeVLAN, ScopeVLAN | ScopeTunnel} {
		ps.Scope = s
		want := parse(ps, LinkEthernet, wrap(whole))
		p := parse(ps, LinkEthernet, wrap(piece))
		if p.Outcome != Fragment || p.Key.Scope == 0 {
			t.Fatalf("%v scope %x", p.Outcome, p.Key.Scope)
		}
		ps.Resume(&p, &p, whole)
		wantInner(t, &p, whole)
		if p.Key != want.Key || p.Encap() != want.Encap() || p.VLAN != want.VLAN || p.NetworkOff != 0 {
			t.Errorf("%+v %s\nwant %+v %s", p.Key, p.Encap(), want.Key, want.Encap())
		}
	}
}

// TestHeadersAreNear: offsets have 16 bits, so a header that begins too far into
// the frame is not looked for.
func TestHeadersAreNear(t *testing.T) {
	for _, test := range []struct {
		far  int
		want Outcome
	}{{1 << 10, Whole}, {headMax - etherLen - ipv4Len, Whole}, {headMax + 1, TooDeep}, {1 << 20, TooDeep}} {
		head := make([]byte, test.far)
		binary.LittleEndian.PutUint32(head, uint32(test.far))
		binary.LittleEndian.PutUint32(head[8:], uint32(LinkEthernet))
		data := join(head, ether(0x0800, inner4))
		p := parse(Parser{}, LinkPKTAP, data)
		wantSane(t, &p, data)
		if p.Outcome != test.want || p.Outcome == Whole && int(p.NetworkOff) != test.far+etherLen {
			t.Errorf("a header at %d: %v at %d", test.far, p.Outcome, p.NetworkOff)
		}
	}
}
