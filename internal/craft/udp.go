package craft

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// udpOctets is the length of a UDP header (RFC 768).
const udpOctets = 8

// AppendUDP appends a frame with a UDP datagram.
func AppendUDP(dst []byte, p *Path, payload []byte) []byte {
	dst, f := p.begin(dst, wire.ProtoUDP, nil)
	return p.end(AppendDatagram(dst, p, payload), f)
}

// AppendDatagram appends a UDP datagram without anything before it: what is cut
// into fragments. The path gives ports, the checksum's addresses and faults.
func AppendDatagram(dst []byte, p *Path, payload []byte) []byte {
	start := len(dst)
	if udpOctets+len(payload) > ipLengthMax {
		panic("craft: more octets than a UDP header can announce")
	}
	dst = binary.BigEndian.AppendUint16(dst, p.Src.Port())
	dst = binary.BigEndian.AppendUint16(dst, p.Dst.Port())
	dst = binary.BigEndian.AppendUint16(dst, uint16(udpOctets+len(payload)))
	dst = append(dst, 0, 0)
	dst = append(dst, payload...)
	p.putChecksum(dst[start:], 6, wire.ProtoUDP)
	return dst
}
