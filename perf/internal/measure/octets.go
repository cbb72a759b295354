package measure

import "encoding/binary"

// Sum reads every octet of b, as a handler does that looks at them: it adds them
// up as words, the rest octet by octet. What it returns is of no use but to be
// computed.
func Sum(b []byte) uint64 {
	var s0, s1, s2, s3 uint64
	for len(b) >= 32 {
		s0 += binary.LittleEndian.Uint64(b)
		s1 += binary.LittleEndian.Uint64(b[8:])
		s2 += binary.LittleEndian.Uint64(b[16:])
		s3 += binary.LittleEndian.Uint64(b[24:])
		b = b[32:]
	}
	for _, x := range b {
		s0 += uint64(x)
	}
	return s0 + s1 + s2 + s3
}
