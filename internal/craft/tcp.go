package craft

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// TCP describes a TCP header (RFC 9293 §3.1). Its fields have the names and
// meanings of wire.Segment's: what one writes, the other reads.
//
// The zero value is a header without flags and options. An Append function only
// reads it.
type TCP struct {
	Seq, Ack wire.Seq
	Flags    wire.Flags
	Wnd      uint16 // as in the header, not scaled
	Urg      uint16
	// Opts says which options are written, in the order in which Linux sends
	// them; OptMalformed writes one whose length is 1, which no option can have.
	Opts   wire.Options
	WScale uint8       // written iff OptWScale
	MSS    uint16      // written iff OptMSS
	TSVal  uint32      // written iff OptTimestamp
	TSEcr  uint32      // written iff OptTimestamp
	SACK   []SACKBlock // written iff OptSACK
	Cookie []byte      // Fast Open cookie, empty for a request; written iff OptTFO
	// RawOptions are octets to write behind the options of Opts.
	RawOptions []byte
}

// SACKBlock is a range [Left, Right) that the receiver holds (RFC 2018 §3).
type SACKBlock struct{ Left, Right wire.Seq }

// tcpOctets is the length of a TCP header without options.
const tcpOctets = 20

// tcpOptionsMax is how many octets of options the data offset can announce.
const tcpOptionsMax = 40

// The option kinds, as IANA assigns them.
const (
	kindNOP        = 1
	kindMSS        = 2
	kindWScale     = 3
	kindSACKOK     = 4
	kindSACK       = 5
	kindTimestamp  = 8
	kindMPTCP      = 30
	kindTFO        = 34
	kindExperiment = 253
)

// The two octets of the MP_CAPABLE option of a SYN (RFC 8684 §3.1): subtype 0
// of version 1, then the flag for HMAC-SHA256.
const (
	mpCapable = 0x01
	mpFlags   = 0x01
)

// AppendTCP appends a frame with a TCP segment.
func AppendTCP(dst []byte, p *Path, t *TCP, text []byte) []byte {
	dst, f := p.begin(dst, wire.ProtoTCP, nil)
	return p.end(AppendSegment(dst, p, t, text), f)
}

// AppendSegment appends a TCP segment without anything before it: what is cut
// into fragments. The path gives ports, the checksum's addresses and faults.
func AppendSegment(dst []byte, p *Path, t *TCP, text []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, p.Src.Port())
	dst = binary.BigEndian.AppendUint16(dst, p.Dst.Port())
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Seq))
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Ack))
	dst = append(dst, byte(t.Flags>>8)&1, byte(t.Flags))
	dst = binary.BigEndian.AppendUint16(dst, t.Wnd)
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, t.Urg)
	dst = t.appendOptions(dst)
	n := len(dst) - start
	if n > tcpOctets+tcpOptionsMax {
		panic("craft: more than 40 octets of TCP options")
	}
	dst[start+12] |= byte(n/4) << 4
	dst = append(dst, text...)
	p.putChecksum(dst[start:], 16, wire.ProtoTCP)
	return dst
}

// appendOptions appends the options, padded to whole words.
func (t *TCP) appendOptions(dst []byte) []byte {
	start := len(dst)
	if t.Opts&wire.OptMSS != 0 {
		dst = append(dst, kindMSS, 4, byte(t.MSS>>8), byte(t.MSS))
	}
	switch t.Opts & (wire.OptSACKOK | wire.OptTimestamp) {
	case wire.OptSACKOK:
		dst = append(dst, kindNOP, kindNOP, kindSACKOK, 2)
	case wire.OptTimestamp:
		dst = append(dst, kindNOP, kindNOP)
	case wire.OptSACKOK | wire.OptTimestamp:
		dst = append(dst, kindSACKOK, 2)
	}
	if t.Opts&wire.OptTimestamp != 0 {
		dst = append(dst, kindTimestamp, 10)
		dst = binary.BigEndian.AppendUint32(dst, t.TSVal)
		dst = binary.BigEndian.AppendUint32(dst, t.TSEcr)
	}
	if t.Opts&wire.OptWScale != 0 {
		dst = append(dst, kindNOP, kindWScale, 3, t.WScale)
	}
	if t.Opts&wire.OptSACK != 0 {
		dst = append(dst, kindNOP, kindNOP, kindSACK, byte(2+8*len(t.SACK)))
		for _, b := range t.SACK {
			dst = binary.BigEndian.AppendUint32(dst, uint32(b.Left))
			dst = binary.BigEndian.AppendUint32(dst, uint32(b.Right))
		}
	}
	dst = t.appendRareOptions(dst)
	return zeros(dst, -(len(dst)-start)&3)
}

// appendRareOptions appends what few segments have.
func (t *TCP) appendRareOptions(dst []byte) []byte {
	if t.Opts&wire.OptTFO != 0 {
		dst = append(append(dst, kindTFO, byte(2+len(t.Cookie))), t.Cookie...)
	}
	if t.Opts&wire.OptMPTCP != 0 {
		dst = append(dst, kindMPTCP, 4, mpCapable, mpFlags)
	}
	dst = append(dst, t.RawOptions...)
	if t.Opts&wire.OptMalformed != 0 {
		dst = append(dst, kindExperiment, 1)
	}
	return dst
}
