package craft

import (
	"encoding/binary"
	"net/netip"

	"github.com/mbox-stack/mbox/wire"
)

// Link is what stands before the IP header.
type Link uint8

// The links.
const (
	Ethernet Link = iota
	Bare          // nothing: the frame is an IP packet, as in LINKTYPE_RAW
)

// Faults are deliberate mistakes in a packet.
type Faults uint8

// The faults. All but BadIPChecksum and LengthZero concern the checksum of the
// transport header.
const (
	BadIPChecksum   Faults = 1 << iota // the IPv4 header checksum is wrong
	LengthZero                         // IP length 0, as segmentation offload leaves it
	BadChecksum                        // wrong
	PartialChecksum                    // the sum of the pseudo-header alone, as checksum offload leaves it
	NoChecksum                         // 0, which in UDP over IPv4 says that there is none
)

// Extension is an IPv6 extension header (RFC 8200 §4).
type Extension struct {
	Header wire.Proto // its number: 0 hop-by-hop, 43 routing, 60 destination options
	Body   []byte     // without next header and length; padded with zeros to 8n-2 octets
}

// Path says between which endpoints a packet travels, and what it is wrapped
// in. One is enough for all packets of one direction.
//
// The zero value has no addresses and serves AppendEthernet only. Append
// functions read a Path and may share it between goroutines.
type Path struct {
	Src, Dst       netip.AddrPort // of one family; ports where the transport has them
	SrcMAC, DstMAC MAC            // zero: made from the address
	Tags           []Tag          // outermost first
	Extensions     []Extension    // IPv6 only, in their order
	IPOptions      []byte         // IPv4 only, padded with zeros to 4n octets
	PadTo          int            // frame octets to fill up to with zeros; Ethernet's minimum is 60
	ID             uint16         // IPv4 identification
	Link           Link
	TTL            uint8 // 0: ttlDefault
	TOS            uint8 // type of service or traffic class
	DontFragment   bool  // IPv4 DF
	Faults         Faults
}

// ttlDefault is the TTL and hop limit of a Path that names none: what Linux
// and most others send.
const ttlDefault = 64

// ipLengthMax is the most octets an IPv4 total length or an IPv6 payload length
// can announce.
const ipLengthMax = 1<<16 - 1

// Octets of the fixed headers (RFC 791 §3.1, RFC 8200 §3, §4.5).
const (
	ipv4Octets     = 20
	ipv6Octets     = 40
	fragmentOctets = 8
)

// protoFragment is the number of IPv6's fragment header (RFC 8200 §4.5).
const protoFragment wire.Proto = 44

// Reverse returns the path of the answers.
func (p *Path) Reverse() Path {
	r := *p
	r.Src, r.Dst = p.Dst, p.Src
	r.SrcMAC, r.DstMAC = p.DstMAC, p.SrcMAC
	return r
}

// AppendIP appends a frame whose IP payload is body, of protocol proto.
func AppendIP(dst []byte, p *Path, proto wire.Proto, body []byte) []byte {
	dst, f := p.begin(dst, proto, nil)
	return p.end(append(dst, body...), f)
}

// frame says where a frame that is being appended begins.
type frame struct {
	start int // offset in dst of its first octet
	ip    int // offset in dst of its IP header
}

// begin appends everything before the transport header. Lengths and the IP
// checksum are left to end. A nil frag means a whole packet.
func (p *Path) begin(dst []byte, proto wire.Proto, frag *wire.FragmentInfo) ([]byte, frame) {
	f := frame{start: len(dst)}
	if p.Src.Addr().Is4() != p.Dst.Addr().Is4() || !p.Src.IsValid() {
		panic("craft: a path needs two addresses of one family")
	}
	v4 := p.Src.Addr().Is4()
	if p.Link == Ethernet {
		dst = p.appendLink(dst, etherTypeIP(v4))
	}
	f.ip = len(dst)
	if v4 {
		return p.appendIPv4(dst, proto, frag), f
	}
	return p.appendIPv6(dst, proto, frag), f
}

// end fills in what depends on the payload: lengths, the IPv4 checksum, padding.
func (p *Path) end(dst []byte, f frame) []byte {
	ip := dst[f.ip:]
	n, lengthOff := len(ip), 2
	if ip[0]>>4 == 6 {
		n, lengthOff = n-ipv6Octets, 4
	}
	if p.Faults&LengthZero != 0 {
		n = 0
	}
	if n > ipLengthMax {
		panic("craft: more octets than an IP header can announce")
	}
	binary.BigEndian.PutUint16(ip[lengthOff:], uint16(n))
	if ip[0]>>4 == 4 {
		sum := ^fold(sum(ip[:int(ip[0]&0xf)*4], 0))
		if p.Faults&BadIPChecksum != 0 {
			sum = spoil(sum)
		}
		binary.BigEndian.PutUint16(ip[10:], sum)
	}
	for len(dst)-f.start < p.PadTo {
		dst = append(dst, 0)
	}
	return dst
}

func (p *Path) ttl() byte {
	if p.TTL == 0 {
		return ttlDefault
	}
	return p.TTL
}

// appendIPv4 appends a header by RFC 791 §3.1.
func (p *Path) appendIPv4(dst []byte, proto wire.Proto, frag *wire.FragmentInfo) []byte {
	words := (ipv4Octets + len(p.IPOptions) + 3) / 4
	if words > 15 {
		panic("craft: more than 40 octets of IPv4 options")
	}
	id, flags := p.ID, uint16(0)
	if p.DontFragment {
		flags = 1 << 14
	}
	if frag != nil {
		id, flags = uint16(frag.ID), flags|frag.Off/8
		if frag.More {
			flags |= 1 << 13
		}
	}
	src, to := p.Src.Addr().As4(), p.Dst.Addr().As4()
	start := len(dst)
	dst = append(dst, 0x40|byte(words), p.TOS, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, flags)
	dst = append(dst, p.ttl(), byte(proto), 0, 0)
	dst = append(dst, src[:]...)
	dst = append(dst, to[:]...)
	dst = append(dst, p.IPOptions...)
	return zeros(dst, words*4-(len(dst)-start))
}

// appendIPv6 appends a header by RFC 8200 §3 with its extension headers, the
// fragment header last.
func (p *Path) appendIPv6(dst []byte, proto wire.Proto, frag *wire.FragmentInfo) []byte {
	src, to := p.Src.Addr().As16(), p.Dst.Addr().As16()
	dst = append(dst, 0x60|p.TOS>>4, p.TOS<<4, 0, 0, 0, 0)
	dst = append(dst, byte(p.nextHeader(0, proto, frag)), p.ttl())
	dst = append(dst, src[:]...)
	dst = append(dst, to[:]...)
	for i := range p.Extensions {
		body := p.Extensions[i].Body
		units := (2 + len(body) + 7) / 8
		dst = append(dst, byte(p.nextHeader(i+1, proto, frag)), byte(units-1))
		dst = append(dst, body...)
		dst = zeros(dst, units*8-2-len(body))
	}
	if frag == nil {
		return dst
	}
	off := frag.Off
	if frag.More {
		off |= 1
	}
	dst = append(dst, byte(proto), 0)
	dst = binary.BigEndian.AppendUint16(dst, off)
	return binary.BigEndian.AppendUint32(dst, frag.ID)
}

// nextHeader returns the number of the header at place i behind the IPv6 one.
func (p *Path) nextHeader(i int, proto wire.Proto, frag *wire.FragmentInfo) wire.Proto {
	switch {
	case i < len(p.Extensions):
		return p.Extensions[i].Header
	case frag != nil:
		return protoFragment
	}
	return proto
}

// zeros appends n zero octets.
func zeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}
