package filter

import (
	"testing"
	"unsafe"

	"github.com/mbox-stack/mbox/wire"
)

// cat joins the headers of a frame.
func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

var (
	etherHeader = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	innerEther  = []byte{6, 0, 0, 0, 0, 2, 6, 0, 0, 0, 0, 1}
)

// ipv4Header returns a header for n octets of payload between 10.0.0.<from> and
// 10.0.0.<to>.
func ipv4Header(proto, from, to byte, n int) []byte {
	return []byte{0x45, 0, byte((n + 20) >> 8), byte(n + 20), 0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, from, 10, 0, 0, to}
}

// tcpSegment is a SYN from port 1000 to port 80.
var tcpSegment = []byte{0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0}

func udpHeader(dst uint16, n int) []byte {
	return []byte{0xc0, 0, byte(dst >> 8), byte(dst), 0, byte(n + 8), 0, 0}
}

// TestInnermost goes through the table in doc.go, where innermost differs from
// outermost, and what is around it.
func TestInnermost(t *testing.T) {
	inner := cat(ipv4Header(6, 1, 2, len(tcpSegment)), tcpSegment)
	ip := []byte{8, 0}
	vxlan := cat([]byte{8, 0, 0, 0, 0, 0, 5, 0}, innerEther, ip, inner)
	gre := cat([]byte{0, 0, 8, 0}, inner)
	frames := map[string][]byte{
		"plain": cat(etherHeader, ip, inner),
		"vlan":  cat(etherHeader, []byte{0x81, 0, 0, 5}, ip, inner),
		"qinq":  cat(etherHeader, []byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 6}, ip, inner),
		"9200":  cat(etherHeader, []byte{0x92, 0, 0, 5}, ip, inner),
		"gre":   cat(etherHeader, ip, ipv4Header(47, 8, 9, len(gre)), gre),
		"ipip":  cat(etherHeader, ip, ipv4Header(4, 8, 9, len(inner)), inner),
		"vxlan": cat(etherHeader, []byte{0x81, 0, 0, 5}, ip, ipv4Header(17, 8, 9, len(vxlan)+8), udpHeader(4789, len(vxlan)), vxlan),
		"mpls":  cat(etherHeader, []byte{0x88, 0x47, 0, 1, 0x41, 64}, inner),
		"pppoe": cat(etherHeader, []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, byte(len(inner) + 2), 0, 0x21}, inner),
		"snap":  cat(etherHeader, []byte{0, byte(len(inner) + 8), 0xaa, 0xaa, 3, 0, 0, 0}, ip, inner),
		"arp":   cat(etherHeader, []byte{0x81, 0, 0, 5, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 6, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2}),
	}
	for _, c := range []struct {
		frame string
		yes   []string
		no    []string
	}{
		{"plain", []string{"tcp", "host 10.0.0.1", "ether src 2:0:0:0:0:1"}, []string{"vlan", "not tcp"}},
		{"vlan", []string{"tcp", "vlan and tcp", "vlan 5", "vlan 5 or vlan 6", "vlan 6 or vlan 5", "ether proto 0x800", "ether src 2:0:0:0:0:1", "ether[12:2] = 0x8100"},
			[]string{"vlan 6", "vlan and vlan", "vlan 5 and vlan 5"}},
		{"qinq", []string{"tcp port 80", "vlan 5 and vlan 6", "vlan and vlan 6", "vlan 5 and tcp", "vlan and ether dst 2:0:0:0:0:2"},
			[]string{"vlan 6", "vlan 6 and vlan 5", "vlan and vlan and vlan"}},
		{"9200", []string{"vlan 5 and tcp"}, []string{"vlan 6"}},
		{"gre", []string{"tcp", "host 10.0.0.1", "tcp[tcpflags] = tcp-syn", "ether src 2:0:0:0:0:1"}, []string{"ip proto 47", "host 10.0.0.8"}},
		{"ipip", []string{"tcp", "dst host 10.0.0.2", "tcp dst port 80"}, []string{"ip proto 4", "host 10.0.0.8"}},
		{"vxlan", []string{"tcp", "ether src 6:0:0:0:0:1", "vlan 5", "vlan 5 and tcp", "ether[0] = 6"}, []string{"udp", "port 4789", "ether src 2:0:0:0:0:1", "vlan and vlan"}},
		{"mpls", []string{"tcp", "ip", "ether proto 0x8847", "ether src 2:0:0:0:0:1", "ip[9] = 6"}, []string{"not ip"}},
		{"pppoe", []string{"tcp", "ether proto 0x8864"}, []string{"arp"}},
		{"snap", []string{"ip", "tcp port 80", "ether proto 0xaa"}, []string{"ip6"}},
		{"arp", []string{"arp", "host 10.0.0.1", "arp dst host 10.0.0.2", "vlan 5 and arp", "arp[7] = 1"}, []string{"ip", "ip host 10.0.0.1"}},
	} {
		data := frames[c.frame]
		var p wire.Packet
		new(wire.Parser).Parse(&p, wire.LinkEthernet, data)
		check(t, c.frame, &p, data, c.yes, true)
		check(t, c.frame, &p, data, c.no, false)
	}
}

func check(t *testing.T, name string, p *wire.Packet, data []byte, exprs []string, want bool) {
	t.Helper()
	for _, text := range exprs {
		prog, err := Compile(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := prog.Match(p, data); got != want {
			t.Errorf("%s: %q is %v, want %v (%s)", name, text, got, want, p.Encap())
		}
	}
}

// TestOtherLinks matches behind link headers that are not Ethernet.
func TestOtherLinks(t *testing.T) {
	inner := cat(ipv4Header(6, 1, 2, len(tcpSegment)), tcpSegment)
	arp := []byte{0, 1, 8, 0, 6, 4, 0, 1, 6, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2}
	sll := []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
	sll2 := func(t byte) []byte {
		return []byte{8, t, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
	}
	for _, c := range []struct {
		name string
		link wire.LinkType
		data []byte
		yes  []string
		no   []string
	}{
		{"raw", wire.LinkRaw, inner, []string{"ip", "tcp port 80", "not ether host 1:2:3:4:5:6"}, []string{"arp", "ether[0] = 0x45", "ether proto 0x9000", "vlan", "multicast"}},
		{"sll", wire.LinkSLL, cat(sll, []byte{8, 0}, inner), []string{"tcp port 80", "not arp"}, []string{"ether host 2:0:0:0:0:1"}},
		{"sll arp", wire.LinkSLL, cat(sll, []byte{8, 6}, arp), []string{"arp", "host 10.0.0.1", "arp[7] = 1"}, []string{"ip", "rarp"}},
		{"sll vlan arp", wire.LinkSLL, cat(sll, []byte{0x81, 0, 0, 5, 8, 6}, arp), []string{"arp host 10.0.0.1", "vlan 5"}, []string{"vlan 6"}},
		{"sll2", wire.LinkSLL2, cat(sll2(0), inner), []string{"tcp port 80"}, []string{"arp"}},
		{"sll2 arp", wire.LinkSLL2, cat(sll2(6), arp), []string{"arp", "dst host 10.0.0.2"}, []string{"ip"}},
		{"empty", wire.LinkEthernet, nil, []string{"len = 0", ""}, []string{"ip", "not ip", "ether host 1:2:3:4:5:6", "not vlan"}},
		{"unknown", wire.LinkType(999), inner, []string{"not ip", "not arp", "not vlan", "not ether host 1:2:3:4:5:6"}, []string{"ip", "arp", "ether[0] = 0x45"}},
	} {
		var p wire.Packet
		new(wire.Parser).Parse(&p, c.link, c.data)
		check(t, c.name, &p, c.data, c.yes, true)
		check(t, c.name, &p, c.data, c.no, false)
	}
}

// TestDatagram matches a reassembled datagram, which begins with its IP header
// although the fragment's layers are remembered with it.
func TestDatagram(t *testing.T) {
	inner := cat(ipv4Header(6, 1, 2, len(tcpSegment)), tcpSegment)
	fragment := cat(etherHeader, []byte{0x81, 0, 0, 5, 8, 0}, inner)
	fragment[18+6] = 0x20
	var p wire.Packet
	parser := new(wire.Parser)
	parser.Parse(&p, wire.LinkEthernet, fragment)
	if p.Outcome != wire.Fragment {
		t.Fatal(p.Outcome)
	}
	check(t, "fragment", &p, fragment, []string{"tcp", "tcp dst port 80", "ip[6] & 0x20 != 0"}, true)
	parser.Resume(&p, &p, inner)
	check(t, "datagram", &p, inner, []string{"tcp dst port 80", "vlan 5", "tcp[13] = 2", "host 10.0.0.1"}, true)
	check(t, "datagram", &p, inner, []string{"ether src 2:0:0:0:0:1", "ether[0] = 0x45", "udp", "vlan 6", "ether proto 0x9000"}, false)
}

// TestMatchFlow orients flows from their client to their server.
func TestMatchFlow(t *testing.T) {
	var k wire.FlowKey
	k.Version, k.Proto = 4, wire.ProtoTCP
	k.Addr[0] = [16]byte{10: 0xff, 11: 0xff, 12: 10, 13: 0, 14: 0, 15: 1}
	k.Addr[1] = [16]byte{10: 0xff, 11: 0xff, 12: 10, 13: 0, 14: 0, 15: 2}
	k.Port = [2]uint16{80, 1000} // 10.0.0.1 is the server
	for _, text := range []string{
		"", "tcp", "ip", "dst port 80", "src host 10.0.0.2", "src host 10.0.0.2 and dst port 80", "net 10", "portrange 1-80",
		"not src port 80", "src and dst net 10.0.0.0/30", "proto 6", "not ip6", "tcp dst port http", "2 > 1",
	} {
		p, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if !p.MatchFlow(&k, 1) {
			t.Errorf("%q does not match", text)
		}
	}
	for _, text := range []string{
		"udp", "src port 80", "dst host 10.0.0.2", "src and dst port 80", "host 10.0.0.3", "ip6", "net fe80::/10", "icmp6", "ip proto 17", "1 > 2",
	} {
		p, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if p.MatchFlow(&k, 1) {
			t.Errorf("%q matches", text)
		}
	}
	var zero Program
	if zero.MatchFlow(&k, 0) || zero.Match(&wire.Packet{Outcome: wire.NotIP}, nil) {
		t.Error("the zero Program matches")
	}
}

// TestWireLength tells what was captured from what was on the wire.
func TestWireLength(t *testing.T) {
	var p wire.Packet
	prog, err := Compile("greater 100 and len = 1514")
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 60)
	if prog.Match(&p, data) || !prog.MatchWire(&p, data, 1514) {
		t.Error("len is the length on the wire")
	}
}

// hotExprs are what the allocation test and the benchmarks run.
var hotExprs = []string{
	"tcp port 80", "tcp", "host 10.0.0.1", "net 10.0.0.0/8 and not port 22", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", "vlan 5 and tcp", "ether host 2:0:0:0:0:1", "host fe80::1 or arp",
}

func TestNoAllocs(t *testing.T) {
	data := cat(etherHeader, []byte{8, 0}, ipv4Header(6, 1, 2, len(tcpSegment)), tcpSegment)
	var p wire.Packet
	new(wire.Parser).Parse(&p, wire.LinkEthernet, data)
	for _, text := range hotExprs {
		prog, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { prog.Match(&p, data) }); n != 0 {
			t.Errorf("%q: Match allocates %v times", text, n)
		}
		if prog.FlowOnly() != nil {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { prog.MatchFlow(&p.Key, p.Sender) }); n != 0 {
			t.Errorf("%q: MatchFlow allocates %v times", text, n)
		}
	}
}

// TestSizes keeps a test to two cache lines, of which the first decides
// nearly everything.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(test{}); n > 128 {
		t.Errorf("a test has %d octets", n)
	}
	if n := unsafe.Offsetof(test{}.mac); n > 64 {
		t.Errorf("the hot part of a test has %d octets", n)
	}
}

// BenchmarkMatch matches one packet again and again: what the instructions
// cost, without what memory and unforeseen branches do.
func BenchmarkMatch(b *testing.B) {
	data := cat(etherHeader, []byte{8, 0}, ipv4Header(6, 1, 2, len(tcpSegment)), tcpSegment)
	var p wire.Packet
	new(wire.Parser).Parse(&p, wire.LinkEthernet, data)
	for _, text := range hotExprs {
		prog, err := Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				prog.Match(&p, data)
			}
		})
		if prog.FlowOnly() == nil {
			b.Run("flow "+text, func(b *testing.B) {
				for b.Loop() {
					prog.MatchFlow(&p.Key, p.Sender)
				}
			})
		}
	}
}
