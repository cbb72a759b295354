package wire

import "encoding/binary"

// The kinds of TCP options that a Segment knows.
const (
	kindEnd       = 0
	kindNOP       = 1
	kindMSS       = 2
	kindWScale    = 3
	kindSACKOK    = 4
	kindSACK      = 5
	kindTimestamp = 8
	kindMPTCP     = 30
	kindTFO       = 34
)

// timestampLayout is what nearly every segment of an open connection has for
// options: NOP, NOP, timestamp and its length (RFC 7323 appendix A).
const timestampLayout = 0x0101080a

// readOptions reads the options of a TCP header. b holds those that were
// captured, n is their length by the data offset: when b is shorter, an option
// that is cut is not malformed, merely unread.
func (s *Segment) readOptions(b []byte, n int) {
	if n == 12 && len(b) == 12 && binary.BigEndian.Uint32(b) == timestampLayout {
		s.TSVal = binary.BigEndian.Uint32(b[4:])
		s.TSEcr = binary.BigEndian.Uint32(b[8:])
		s.Opts = OptTimestamp
		return
	}
	for at := 0; at < len(b); {
		switch b[at] {
		case kindEnd:
			return
		case kindNOP:
			at++
			continue
		}
		if at+1 == n {
			s.Opts |= OptMalformed
			return
		}
		if at+1 >= len(b) {
			return
		}
		l := int(b[at+1])
		if l < 2 || at+l > n {
			s.Opts |= OptMalformed
			return
		}
		if at+l > len(b) {
			return
		}
		s.readOption(b[at], b[at+2:at+l])
		at += l
	}
}

// readOption reads one option of the given kind from its value. One whose
// length is not what its RFC says is malformed, and its value is not taken.
func (s *Segment) readOption(kind byte, v []byte) {
	ok := true
	opt := Options(0)
	switch kind {
	case kindMSS:
		if ok = len(v) == 2; ok {
			s.MSS, opt = binary.BigEndian.Uint16(v), OptMSS
		}
	case kindWScale:
		if ok = len(v) == 1; ok {
			s.WScale, opt = v[0], OptWScale
		}
	case kindSACKOK:
		ok, opt = len(v) == 0, OptSACKOK
	case kindSACK:
		ok, opt = len(v) > 0 && len(v)%8 == 0, OptSACK
	case kindTimestamp:
		if ok = len(v) == 8; ok {
			s.TSVal, s.TSEcr = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
			opt = OptTimestamp
		}
	case kindMPTCP:
		opt = OptMPTCP
	case kindTFO:
		ok, opt = len(v)%2 == 0, OptTFO
	}
	if !ok {
		s.Opts |= OptMalformed
		return
	}
	s.Opts |= opt
}
