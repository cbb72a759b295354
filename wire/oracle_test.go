package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// gopacket's layers are an independent decoder, and the oracle for the frames
// that it knows how to reach.
var oracleFrames = map[string]gopacket.LayerType{
	"ethernet": layers.LayerTypeEthernet, "ethernet v6": layers.LayerTypeEthernet,
	"ethernet padded": layers.LayerTypeEthernet, "ethernet llc snap": layers.LayerTypeEthernet,
	"null little-endian": layers.LayerTypeLoopback, "ppp": layers.LayerTypePPP,
	"raw v4": layers.LayerTypeIPv4, "raw v6": layers.LayerTypeIPv6, "sll": layers.LayerTypeLinuxSLL,
	"vlan": layers.LayerTypeEthernet, "qinq": layers.LayerTypeEthernet, "mpls": layers.LayerTypeEthernet,
	"mpls v6": layers.LayerTypeEthernet, "pppoe session": layers.LayerTypeEthernet,
	"ipip": layers.LayerTypeEthernet, "6in4": layers.LayerTypeEthernet, "4in6": layers.LayerTypeEthernet,
	"6in6": layers.LayerTypeEthernet, "gre": layers.LayerTypeEthernet, "gre all options": layers.LayerTypeEthernet,
	"etherip": layers.LayerTypeEthernet, "gre transparent ethernet": layers.LayerTypeEthernet,
	"erspan 2": layers.LayerTypeEthernet, "vxlan": layers.LayerTypeEthernet, "geneve": layers.LayerTypeEthernet,
	"geneve ip": layers.LayerTypeEthernet, "gtp-u": layers.LayerTypeEthernet, "gtp-u extended": layers.LayerTypeEthernet,
}

// oracle decodes the innermost TCP segment with gopacket; it reports false if
// gopacket finds none, or one that it cannot decode to its end.
func oracle(first gopacket.LayerType, data []byte) (src, dst netip.AddrPort, tcp *layers.TCP, ok bool) {
	packet := gopacket.NewPacket(data, first, gopacket.DecodeOptions{NoCopy: true})
	var a, b netip.Addr
	for _, l := range packet.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			a, _ = netip.AddrFromSlice(l.SrcIP.To4())
			b, _ = netip.AddrFromSlice(l.DstIP.To4())
		case *layers.IPv6:
			a, _ = netip.AddrFromSlice(l.SrcIP)
			b, _ = netip.AddrFromSlice(l.DstIP)
		case *layers.TCP:
			tcp, ok = l, true
		}
	}
	if !ok || packet.ErrorLayer() != nil {
		return src, dst, nil, false
	}
	return netip.AddrPortFrom(a, uint16(tcp.SrcPort)), netip.AddrPortFrom(b, uint16(tcp.DstPort)), tcp, true
}

// TestGopacketAgrees compares each frame that gopacket decodes at each length
// that a snaplen may cut it to, with lengths, ports, flags and options spoilt.
func TestGopacketAgrees(t *testing.T) {
	segments := 0
	for _, f := range allFrames {
		first, known := oracleFrames[f.name]
		if !known {
			continue
		}
		if _, _, _, ok := oracle(first, f.data); !ok {
			t.Errorf("%s: gopacket finds no segment", f.name)
		}
		for n := range len(f.data) + 1 {
			segments += wantOracle(t, f.name, f.link, first, f.data[:n:n])
		}
		transport := int(parsePtrLink(f.link, f.data).TransportOff)
		for i := transport; i < transport+32; i++ {
			if i == transport+12 {
				continue // the data offset: gopacket decodes what contradicts the packet
			}
			segments += wantOracle(t, f.name, f.link, first, patched(f.data, i, f.data[i]^0x41))
		}
	}
	if segments < 1000 {
		t.Errorf("only %d segments were compared", segments)
	}
}

func parsePtrLink(link LinkType, data []byte) *Packet {
	p := parse(Parser{}, link, data)
	return &p
}

// wantOracle compares one frame, and returns 1 if gopacket found a segment.
func wantOracle(t *testing.T, name string, link LinkType, first gopacket.LayerType, data []byte) int {
	t.Helper()
	src, dst, tcp, ok := oracle(first, data)
	if !ok {
		return 0
	}
	p := parse(Parser{}, link, data)
	s := &p.Segment
	flags := Flags(0)
	for i, set := range [...]bool{tcp.FIN, tcp.SYN, tcp.RST, tcp.PSH, tcp.ACK, tcp.URG, tcp.ECE, tcp.CWR, tcp.NS} {
		if set {
			flags |= 1 << i
		}
	}
	switch {
	case p.Outcome != Whole || p.Src() != src || p.Dst() != dst:
		t.Fatalf("%s at %d: %v %v > %v, gopacket %v > %v", name, len(data), p.Outcome, p.Src(), p.Dst(), src, dst)
	case uint32(s.Seq) != tcp.Seq || uint32(s.Ack) != tcp.Ack || s.Wnd != tcp.Window || s.Urg != tcp.Urgent || s.Flags != flags:
		t.Fatalf("%s at %d: %+v, gopacket %+v", name, len(data), s, tcp)
	case !bytes.Equal(p.Payload(data), tcp.Payload):
		t.Fatalf("%s at %d: payload %q, gopacket %q", name, len(data), p.Payload(data), tcp.Payload)
	}
	for _, o := range tcp.Options {
		if o.OptionType == layers.TCPOptionKindTimestamps && len(o.OptionData) == 8 && s.Opts&OptTimestamp == 0 {
			t.Fatalf("%s at %d: no timestamp", name, len(data))
		}
	}
	return 1
}
