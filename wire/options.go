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
	for len(b) > 0 {
		if b[0] == kindNOP { // every other one, in the usual layouts
			b, n = b[1:], n-1
			continue
		}
		kind, v, l := nextOption(b, n)
		if l < 0 {
			s.Opts |= OptMalformed
		}
		if l <= 0 {
			return
		}
		s.readOption(kind, v)
		b, n = b[l:], n-l
	}
}

// nextOption returns the kind and the value of the option that b begins with,
// and its length: 0 where the list ends or was cut by the snaplen, -1 where the
// option does not fit into the n octets that the header has left for options.
func nextOption(b []byte, n int) (kind uint8, v []byte, length int) {
	switch {
	case b[0] == kindEnd:
		return kindEnd, nil, 0
	case b[0] == kindNOP:
		return kindNOP, nil, 1
	case n < 2:
		return b[0], nil, -1
	case len(b) < 2:
		return b[0], nil, 0
	}
	length = int(b[1])
	switch {
	case length < 2 || length > n:
		return b[0], nil, -1
	case length > len(b):
		return b[0], nil, 0
	}
	return b[0], b[2:length], length
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
