package craft

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// ICMP describes a header of RFC 792, or of RFC 4443 §2.1 where the path is an
// IPv6 one.
type ICMP struct {
	Type, Code uint8
	// Rest is the second word of the header: identifier and sequence number of
	// an echo, the MTU of "packet too big", else 0.
	Rest uint32
}

// AppendICMP appends a frame with an ICMP or ICMPv6 message. The body of an
// error is the packet it is about, from its IP header on, as far as the sender
// chose to quote it: frame[path.LinkOctets():][:28] for the least of RFC 792.
func AppendICMP(dst []byte, p *Path, m *ICMP, body []byte) []byte {
	proto := wire.ProtoICMPv6
	if p.Src.Addr().Is4() {
		proto = wire.ProtoICMP
	}
	dst, f := p.begin(dst, proto, nil)
	start := len(dst)
	dst = append(dst, m.Type, m.Code, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, m.Rest)
	dst = append(dst, body...)
	p.putChecksum(dst[start:], 2, proto)
	return p.end(dst, f)
}
