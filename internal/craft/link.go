package craft

import (
	"encoding/binary"
	"net/netip"
)

// MAC is an IEEE 802 address.
type MAC [6]byte

// Broadcast is the address of every station.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Tag is a VLAN tag: IEEE 802.1Q, or 802.1ad where Type says so.
type Tag struct {
	Type uint16 // EtherType of the tag; 0: 0x8100
	TCI  uint16 // priority, drop eligibility and VLAN identifier
}

// The EtherTypes that craft writes by itself.
const (
	EtherTypeIPv4 = 0x0800
	EtherTypeARP  = 0x0806
	EtherTypeVLAN = 0x8100
	EtherTypeIPv6 = 0x86dd
)

// Octets of the headers.
const (
	ethernetOctets = 14
	tagOctets      = 4
)

// ARPOp is the operation of an ARP packet (RFC 826).
type ARPOp uint16

// The operations.
const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// AppendEthernet appends a frame with the path's link header and tags, then
// body under etherType. The path needs no IP addresses and its Link is ignored.
func AppendEthernet(dst []byte, p *Path, etherType uint16, body []byte) []byte {
	start := len(dst)
	dst = append(p.appendLink(dst, etherType), body...)
	return zeros(dst, max(0, p.PadTo-(len(dst)-start)))
}

// AppendARP appends an ARP packet for IPv4 over Ethernet: a request broadcasts
// who has the path's destination address, a reply tells the destination that
// the source has its own.
func AppendARP(dst []byte, p *Path, op ARPOp) []byte {
	q := *p
	target := q.macs().dst
	if op == ARPRequest {
		q.DstMAC, target = Broadcast, MAC{}
	}
	sender := q.macs().src
	src, to := p.Src.Addr().As4(), p.Dst.Addr().As4()
	body := [28]byte{1: 1, 2: EtherTypeIPv4 >> 8, 4: 6, 5: 4, 7: byte(op)}
	copy(body[8:], sender[:])
	copy(body[14:], src[:])
	copy(body[18:], target[:])
	copy(body[24:], to[:])
	return AppendEthernet(dst, &q, EtherTypeARP, body[:])
}

// LinkOctets returns how many octets stand before the IP header: frame[n:] is
// the IP packet, which is what an ICMP error quotes.
func (p *Path) LinkOctets() int {
	if p.Link == Bare {
		return 0
	}
	return ethernetOctets + tagOctets*len(p.Tags)
}

// appendLink appends the Ethernet header and the tags.
func (p *Path) appendLink(dst []byte, etherType uint16) []byte {
	m := p.macs()
	dst = append(dst, m.dst[:]...)
	dst = append(dst, m.src[:]...)
	for _, t := range p.Tags {
		if t.Type == 0 {
			t.Type = EtherTypeVLAN
		}
		dst = binary.BigEndian.AppendUint16(dst, t.Type)
		dst = binary.BigEndian.AppendUint16(dst, t.TCI)
	}
	return binary.BigEndian.AppendUint16(dst, etherType)
}

// stations are the two ends of a frame's way over the link.
type stations struct{ src, dst MAC }

func (p *Path) macs() stations {
	m := stations{p.SrcMAC, p.DstMAC}
	if m.src == (MAC{}) {
		m.src = macOf(p.Src.Addr())
	}
	if m.dst == (MAC{}) {
		m.dst = macOf(p.Dst.Addr())
	}
	return m
}

// macOf makes a locally administered address that tells hosts apart at sight:
// its last four octets are those of the IP address.
func macOf(a netip.Addr) MAC {
	m := MAC{0: 0x02}
	if a.IsValid() {
		b := a.As16()
		copy(m[2:], b[12:])
	}
	return m
}

func etherTypeIP(v4 bool) uint16 {
	if v4 {
		return EtherTypeIPv4
	}
	return EtherTypeIPv6
}
