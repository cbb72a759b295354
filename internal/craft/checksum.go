package craft

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// putChecksum writes the checksum of a transport header and its payload at
// offset off, which must still be zero: over the pseudo-header of RFC 9293 §3.1
// or RFC 8200 §8.1 except in ICMP over IPv4, with the path's faults.
func (p *Path) putChecksum(b []byte, off int, proto wire.Proto) {
	acc := uint64(0)
	if proto != wire.ProtoICMP {
		acc = p.pseudo(proto, len(b))
	}
	c := fold(acc)
	if p.Faults&PartialChecksum == 0 {
		c = ^fold(sum(b, acc))
	}
	if proto == wire.ProtoUDP && c == 0 {
		c = 0xffff // RFC 768: zero is how a sender says "none"
	}
	if p.Faults&BadChecksum != 0 {
		c = spoil(c)
	}
	if p.Faults&NoChecksum != 0 {
		c = 0
	}
	binary.BigEndian.PutUint16(b[off:], c)
}

// pseudo returns the sum of the pseudo-header.
func (p *Path) pseudo(proto wire.Proto, length int) uint64 {
	acc := uint64(proto) + uint64(length)
	if p.Src.Addr().Is4() {
		src, dst := p.Src.Addr().As4(), p.Dst.Addr().As4()
		return sum(dst[:], sum(src[:], acc))
	}
	src, dst := p.Src.Addr().As16(), p.Dst.Addr().As16()
	return sum(dst[:], sum(src[:], acc))
}

// spoil returns another checksum than c: neither equal to it modulo 65535, nor
// zero, which UDP would not check.
func spoil(c uint16) uint16 {
	if c == 0x0101 {
		return 0x0202
	}
	return c ^ 0x0101
}

// sum adds the words of b to acc. It adds 32 bits at a time, which leaves the
// sum modulo 65535 as it is; a uint64 holds the carries of 2^32 words.
func sum(b []byte, acc uint64) uint64 {
	for len(b) >= 16 {
		acc += uint64(binary.BigEndian.Uint32(b)) + uint64(binary.BigEndian.Uint32(b[4:]))
		acc += uint64(binary.BigEndian.Uint32(b[8:])) + uint64(binary.BigEndian.Uint32(b[12:]))
		b = b[16:]
	}
	for len(b) >= 2 {
		acc += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

// fold brings a sum down to 16 bits (RFC 1071 §2).
func fold(acc uint64) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}
