package wire

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

// The views read headers straight from a frame. A view is lent for as long as
// its frame is; converting octets to one checks nothing, instead each accessor
// returns zero where the header is too short for it. So a nil view is a header
// of zeros.

// field16 returns the 16 bits at off, or 0.
func field16(b []byte, off int) uint16 {
	if len(b) < off+2 {
		return 0
	}
	return binary.BigEndian.Uint16(b[off:])
}

// field32 returns the 32 bits at off, or 0.
func field32(b []byte, off int) uint32 {
	if len(b) < off+4 {
		return 0
	}
	return binary.BigEndian.Uint32(b[off:])
}

// field8 returns the octet at off, or 0.
func field8(b []byte, off int) uint8 {
	if len(b) <= off {
		return 0
	}
	return b[off]
}

// MAC is a MAC address.
type MAC [6]byte

// String returns the address as "02:00:5e:10:00:01".
func (m MAC) String() string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, o := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hex[o>>4], hex[o&15])
	}
	return string(b)
}

// Ethernet is a view of an Ethernet header (IEEE 802.3 §3.1.1).
type Ethernet []byte

// Dst returns the destination address.
func (e Ethernet) Dst() MAC { return e.mac(0) }

// Src returns the source address.
func (e Ethernet) Src() MAC { return e.mac(6) }

// Type returns the EtherType, or the length of an LLC frame.
func (e Ethernet) Type() uint16 { return field16(e, 12) }

func (e Ethernet) mac(off int) (m MAC) {
	if len(e) >= off+6 {
		m = MAC(e[off:])
	}
	return m
}

// IPv4 is a view of an IPv4 header (RFC 791 §3.1).
type IPv4 []byte

// HeaderLen returns the length of the header with its options, in octets.
func (h IPv4) HeaderLen() int { return int(field8(h, 0)&15) * 4 }

// TOS returns the type of service octet: DSCP and ECN.
func (h IPv4) TOS() uint8 { return field8(h, 1) }

// TotalLen returns the total length field, in octets.
func (h IPv4) TotalLen() uint16 { return field16(h, 2) }

// ID returns the identification field.
func (h IPv4) ID() uint16 { return field16(h, 4) }

// DontFragment returns the DF flag.
func (h IPv4) DontFragment() bool { return field8(h, 6)&0x40 != 0 }

// MoreFragments returns the MF flag.
func (h IPv4) MoreFragments() bool { return field8(h, 6)&0x20 != 0 }

// FragmentOff returns the fragment offset in octets.
func (h IPv4) FragmentOff() uint16 { return field16(h, 6) & 0x1fff * 8 }

// TTL returns the time to live.
func (h IPv4) TTL() uint8 { return field8(h, 8) }

// Proto returns the protocol field.
func (h IPv4) Proto() Proto { return Proto(field8(h, 9)) }

// Checksum returns the header checksum.
func (h IPv4) Checksum() uint16 { return field16(h, 10) }

// Src returns the source address, the zero Addr of a header that is too short.
func (h IPv4) Src() netip.Addr { return addr4(h, 12) }

// Dst returns the destination address, likewise.
func (h IPv4) Dst() netip.Addr { return addr4(h, 16) }

func addr4(h []byte, off int) netip.Addr {
	if len(h) < off+4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(h[off:]))
}

// IPv6 is a view of an IPv6 header (RFC 8200 §3).
type IPv6 []byte

// TrafficClass returns the traffic class: DSCP and ECN.
func (h IPv6) TrafficClass() uint8 { return uint8(field16(h, 0) >> 4) }

// FlowLabel returns the flow label, 20 bits.
func (h IPv6) FlowLabel() uint32 { return field32(h, 0) & 0xfffff }

// PayloadLen returns the payload length field, in octets.
func (h IPv6) PayloadLen() uint16 { return field16(h, 4) }

// NextHeader returns the type of the header that follows.
func (h IPv6) NextHeader() Proto { return Proto(field8(h, 6)) }

// HopLimit returns the hop limit.
func (h IPv6) HopLimit() uint8 { return field8(h, 7) }

// Src returns the source address, the zero Addr of a header that is too short.
func (h IPv6) Src() netip.Addr { return addr6(h, 8) }

// Dst returns the destination address, likewise.
func (h IPv6) Dst() netip.Addr { return addr6(h, 24) }

func addr6(h []byte, off int) netip.Addr {
	if len(h) < off+16 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(h[off:]))
}

// TCP is a view of a TCP header (RFC 9293 §3.1). It may reach beyond the
// header, to the end of the frame.
type TCP []byte

// SrcPort returns the source port.
func (t TCP) SrcPort() uint16 { return field16(t, 0) }

// DstPort returns the destination port.
func (t TCP) DstPort() uint16 { return field16(t, 2) }

// SeqNum returns SEG.SEQ.
func (t TCP) SeqNum() Seq { return Seq(field32(t, 4)) }

// AckNum returns SEG.ACK, whether or not ACK is set.
func (t TCP) AckNum() Seq { return Seq(field32(t, 8)) }

// HeaderLen returns the data offset in octets.
func (t TCP) HeaderLen() int { return int(field8(t, 12)>>4) * 4 }

// Flags returns the control bits.
func (t TCP) Flags() Flags { return Flags(field16(t, 12) & 0x1ff) }

// FIN returns the FIN bit.
func (t TCP) FIN() bool { return t.Flags().Has(FIN) }

// SYN returns the SYN bit.
func (t TCP) SYN() bool { return t.Flags().Has(SYN) }

// RST returns the RST bit.
func (t TCP) RST() bool { return t.Flags().Has(RST) }

// PSH returns the PSH bit.
func (t TCP) PSH() bool { return t.Flags().Has(PSH) }

// ACK returns the ACK bit.
func (t TCP) ACK() bool { return t.Flags().Has(ACK) }

// URG returns the URG bit.
func (t TCP) URG() bool { return t.Flags().Has(URG) }

// Window returns SEG.WND as sent, not scaled.
func (t TCP) Window() uint16 { return field16(t, 14) }

// Checksum returns the checksum field.
func (t TCP) Checksum() uint16 { return field16(t, 16) }

// Urgent returns the urgent pointer.
func (t TCP) Urgent() uint16 { return field16(t, 18) }

// Options yields the kind and the value of each option, NOP included, up to the
// end of the list, of the header, of what was captured, or to an option that
// breaks its own length.
func (t TCP) Options() iter.Seq2[uint8, []byte] {
	return func(yield func(uint8, []byte) bool) {
		n := t.HeaderLen() - tcpLen
		if n <= 0 || len(t) < tcpLen {
			return
		}
		b := t[tcpLen:min(tcpLen+n, len(t))]
		for len(b) > 0 {
			kind, v, l := nextOption(b, n)
			if l <= 0 || !yield(kind, v) {
				return
			}
			b, n = b[l:], n-l
		}
	}
}

// Option returns the value of the first option of a kind, and whether there is
// one.
func (t TCP) Option(kind uint8) ([]byte, bool) {
	for k, v := range t.Options() {
		if k == kind {
			return v, true
		}
	}
	return nil, false
}

// UDP is a view of a UDP header (RFC 768).
type UDP []byte

// SrcPort returns the source port.
func (u UDP) SrcPort() uint16 { return field16(u, 0) }

// DstPort returns the destination port.
func (u UDP) DstPort() uint16 { return field16(u, 2) }

// Len returns the length field, header included.
func (u UDP) Len() uint16 { return field16(u, 4) }

// Checksum returns the checksum field; 0 says that there is none.
func (u UDP) Checksum() uint16 { return field16(u, 6) }
