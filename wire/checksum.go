package wire

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Sum is what a transport checksum says.
type Sum uint8

// The zero value is SumUnknown: nothing covers the packet (a fragment, UDP over
// IPv4 without a checksum, a protocol without one), or part of it was not
// captured.
const (
	SumUnknown Sum = iota
	SumGood
	SumBad
)

// sums are the names of Sum.
var sums = [...]string{SumUnknown: "unknown", SumGood: "good", SumBad: "bad"}

// String returns "unknown", "good" or "bad".
func (s Sum) String() string {
	if int(s) < len(sums) {
		return sums[s]
	}
	return "sum-" + decimal(uint16(s))
}

// VerifyTransport checks the checksum of the innermost packet of the frame data
// that p was parsed from: TCP, UDP, ICMP, ICMPv6, SCTP; of an ICMP error, the
// error's own.
//
// Where the sender's card was to fill the checksum in, it is not there yet:
// SumBad then means nothing (buffers.Frame.ChecksumOffloaded).
func VerifyTransport(p *Packet, data []byte) Sum {
	if p.Outcome != Whole || p.Marks&MarkTruncated != 0 || p.Captured < p.PayloadLen {
		return SumUnknown
	}
	b := data[p.TransportOff : uint32(p.PayloadOff)+p.PayloadLen]
	proto := p.Key.Proto
	if p.Marks&MarkICMPError != 0 {
		proto = ProtoICMP
		if p.Key.Version == 6 {
			proto = ProtoICMPv6
		}
	}
	switch proto {
	case ProtoUDP:
		if p.Marks&MarkUDPLength != 0 {
			return SumUnknown
		}
		if b[6] == 0 && b[7] == 0 {
			if p.Key.Version == 4 {
				return SumUnknown // RFC 768: the sender made none
			}
			return SumBad // RFC 8200 §8.1
		}
	case ProtoSCTP:
		return verifyCRC(b)
	case ProtoICMP:
		return verdict(addOctets(0, b)) // RFC 792: no pseudo-header
	case ProtoTCP, ProtoICMPv6:
	default:
		return SumUnknown
	}
	return verdict(addOctets(pseudoHeader(p, data, proto, len(b)), b))
}

// pseudoHeader returns the sum of the pseudo-header of RFC 9293 §3.1 or RFC
// 8200 §8.1, for n octets of upper-layer packet.
func pseudoHeader(p *Packet, data []byte, proto Proto, n int) uint64 {
	h := data[p.NetworkOff:]
	if p.Key.Version == 4 {
		sum, c := bits.Add64(binary.LittleEndian.Uint64(h[12:]), swapped(proto, n), 0)
		return sum + c
	}
	dst := h[24:40]
	if p.Marks&MarkRouting != 0 {
		dst = data[p.RouteOff:][:16]
	}
	return addOctets(addOctets(swapped(proto, n), h[8:24]), dst)
}

// swapped returns protocol and length as the pseudo-header has them, in the
// byte order of the sums.
func swapped(proto Proto, n int) uint64 {
	return uint64(proto)<<8 + uint64(bits.ReverseBytes32(uint32(n)))
}

// castagnoli is the polynomial of SCTP's checksum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// verifyCRC checks the CRC32c of an SCTP packet, computed with the field itself
// as zero (RFC 9260 §6.8).
func verifyCRC(b []byte) Sum {
	var zero [4]byte
	crc := crc32.Update(0, castagnoli, b[:8])
	crc = crc32.Update(crc, castagnoli, zero[:])
	crc = crc32.Update(crc, castagnoli, b[sctpLen:])
	if crc != binary.LittleEndian.Uint32(b[8:]) {
		return SumBad
	}
	return SumGood
}

// addOctets adds b, as 16-bit words, to a one's complement sum (RFC 1071). The
// words are added eight octets at a time and in little-endian order: a one's
// complement sum has its octets swapped for that and is otherwise the same (RFC
// 1071 §2(B)), and what it has to be, all ones, is the same either way.
//
// An addition with carry waits for the one before it, so there are two chains of
// them, which a core takes at the same time.
func addOctets(sum uint64, b []byte) uint64 {
	le := binary.LittleEndian
	var other, c uint64
	for len(b) >= 128 {
		h := (*[128]byte)(b)
		sum, c = bits.Add64(sum, le.Uint64(h[0:]), 0)
		sum, c = bits.Add64(sum, le.Uint64(h[8:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[16:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[24:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[32:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[40:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[48:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[56:]), c)
		sum, _ = bits.Add64(sum, 0, c)
		other, c = bits.Add64(other, le.Uint64(h[64:]), 0)
		other, c = bits.Add64(other, le.Uint64(h[72:]), c)
		other, c = bits.Add64(other, le.Uint64(h[80:]), c)
		other, c = bits.Add64(other, le.Uint64(h[88:]), c)
		other, c = bits.Add64(other, le.Uint64(h[96:]), c)
		other, c = bits.Add64(other, le.Uint64(h[104:]), c)
		other, c = bits.Add64(other, le.Uint64(h[112:]), c)
		other, c = bits.Add64(other, le.Uint64(h[120:]), c)
		other, _ = bits.Add64(other, 0, c)
		b = b[128:]
	}
	sum, c = bits.Add64(sum, other, 0)
	sum, _ = bits.Add64(sum, 0, c)
	for len(b) >= 32 {
		h := (*[32]byte)(b)
		sum, c = bits.Add64(sum, le.Uint64(h[0:]), 0)
		sum, c = bits.Add64(sum, le.Uint64(h[8:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[16:]), c)
		sum, c = bits.Add64(sum, le.Uint64(h[24:]), c)
		sum, _ = bits.Add64(sum, 0, c)
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, c = bits.Add64(sum, le.Uint64(b), 0)
		sum, _ = bits.Add64(sum, 0, c)
		b = b[8:]
	}
	sum, c = bits.Add64(sum, fewOctets(b), 0)
	return sum + c
}

// fewOctets returns the sum of the 16-bit words of fewer than eight octets.
func fewOctets(b []byte) (sum uint64) {
	if len(b) >= 4 {
		sum = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) > 0 {
		sum += uint64(b[0])
	}
	return sum
}

// holds reports whether a sum that covers its checksum is all ones, or 0, which
// is the same number.
func holds(sum uint64) bool { return sum%0xffff == 0 }

// verdict does the same as a Sum.
func verdict(sum uint64) Sum {
	if holds(sum) {
		return SumGood
	}
	return SumBad
}
