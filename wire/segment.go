package wire

import "strings"

// Flags are the TCP control bits of RFC 9293 §3.1; AE is RFC 9768's.
type Flags uint16

// The control bits, in the order of the header.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE
)

// Has reports whether every bit of g is set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// flagLetters names the bits of Flags from FIN upwards, as tcpdump does.
const flagLetters = "FSRPAUEWe"

// String returns the letters of the bits that are set, "S" and "A" first as in
// "SA", or "0" if there are none.
func (f Flags) String() string {
	if f == 0 {
		return "0"
	}
	var b strings.Builder
	for i, l := range flagLetters {
		if f&(1<<i) != 0 {
			b.WriteRune(l)
		}
	}
	return b.String()
}

// Options says which TCP options a segment carries.
type Options uint8

// The options whose values a Segment holds, and those that are only noted.
const (
	OptMSS       Options = 1 << iota // MSS valid, RFC 9293 §3.7.1
	OptWScale                        // WScale valid, RFC 7323 §2
	OptTimestamp                     // TSVal and TSEcr valid, RFC 7323 §3
	OptSACKOK                        // SACK permitted, RFC 2018 §2
	OptSACK                          // SACK blocks, RFC 2018 §3
	OptTFO                           // Fast Open cookie or request, RFC 7413 §4.1.1
	OptMPTCP                         // Multipath TCP, RFC 8684 §3
	OptMalformed                     // the option list breaks its own lengths
)

// Segment is the part of a TCP header that the connection state looks at, in
// host byte order; the field comments give the names of RFC 9293 §3.3.1.
//
// It is a value without pointers: 32 octets (TestSizes).
type Segment struct {
	Seq    Seq    // SEG.SEQ
	Ack    Seq    // SEG.ACK; valid iff Flags has ACK
	TSVal  uint32 // valid iff Opts has OptTimestamp
	TSEcr  uint32 // valid iff Opts has OptTimestamp and Flags has ACK
	Len    uint32 // octets of text by the IP header; SEG.LEN is Len plus one each for SYN and FIN
	Wnd    uint16 // SEG.WND as in the header, not scaled
	Flags  Flags
	MSS    uint16 // octets; valid iff Opts has OptMSS
	Opts   Options
	WScale uint8  // the shift of RFC 7323 §2.2, as sent (it may exceed 14); valid iff Opts has OptWScale
	Urg    uint16 // SEG.UP; valid iff Flags has URG
}

// End returns SEG.SEQ + SEG.LEN: the sequence number after the segment.
func (s *Segment) End() Seq {
	return s.Seq.Add(s.Len + uint32(s.Flags>>1&1) + uint32(s.Flags&1))
}

// TextSeq returns the sequence number of the first octet of text.
func (s *Segment) TextSeq() Seq { return s.Seq.Add(uint32(s.Flags >> 1 & 1)) }

// Dir is a direction of travel within one connection, and by it the endpoint
// that sends in this direction.
type Dir uint8

// The directions. ToServer is what the client sends.
const (
	ToServer Dir = iota
	ToClient
)

// Reverse returns the other direction.
func (d Dir) Reverse() Dir { return d ^ 1 }

// String returns "client" or "server": the endpoint that sends in direction d.
func (d Dir) String() string {
	if d == ToServer {
		return "client"
	}
	return "server"
}
