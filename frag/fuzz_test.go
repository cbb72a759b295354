package frag

import (
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// FuzzFrag plays sequences of fragments to a Table and to its twin. Each seven
// octets of input are a fragment: which datagram, flags, offset in eights,
// length, cut, content, time gone by.
func FuzzFrag(f *testing.F) {
	f.Add(uint8(0), []byte{0, 1, 0, 16, 0, 1, 0, 0, 0, 2, 8, 0, 1, 0})
	f.Add(uint8(1), []byte{4, 1, 0, 16, 0, 1, 0, 4, 0, 2, 8, 0, 1, 0})
	f.Add(uint8(2), []byte{0, 1, 1, 32, 0, 1, 0, 0, 1, 0, 24, 0, 2, 0, 0, 0, 4, 9, 0, 3, 0, 0, 1, 2, 24, 0, 4, 0})
	f.Add(uint8(3), []byte{5, 1, 1, 32, 0, 1, 0, 5, 1, 1, 24, 0, 2, 200, 5, 0, 4, 9, 0, 3, 0, 5, 1, 0, 8, 0, 4, 0})
	f.Add(uint8(4), []byte{4, 1, 0, 16, 0, 1, 0, 4, 1, 1, 16, 0, 1, 0, 4, 0, 3, 8, 0, 1, 0})
	f.Add(uint8(0), []byte{0, 33, 0, 255, 0, 1, 0, 0, 1, 255, 255, 0, 1, 0, 0, 2, 254, 255, 3, 9, 255})
	f.Fuzz(func(t *testing.T, policy uint8, script []byte) {
		p := Policy(policy) % policyCount
		c := Config{PolicyV4: p, PolicyV6: p, Fragments: 6}
		twins := newPair(c)
		clock := int64(1000)
		for len(script) >= 7 && len(script) < 7*64 {
			op := script[:7]
			script = script[7:]
			clock += int64(op[6]) * second / 8
			twins.insert(t, fuzzPiece(op), clock)
		}
	})
}

// fuzzPiece makes a fragment of seven octets.
func fuzzPiece(op []byte) piece {
	c := piece{
		version: 4,
		host:    op[0] & 1,
		id:      uint32(op[0] >> 1 & 1),
		more:    op[1]&1 != 0,
		off:     int(op[2]) * 8,
		octets:  text(op[5]&1, int(op[3])),
	}
	if op[0]&4 != 0 {
		c.version = 6
	}
	if op[0]&8 != 0 {
		c.proto = wire.ProtoTCP
	}
	if op[1]&2 != 0 {
		c.marks = wire.MarkIPChecksum | wire.MarkTruncated
	}
	if op[1]&4 != 0 && c.version == 6 {
		c.before = []byte{44, 0, 1, 4, 0, 0, 0, 0}
	} else if op[1]&4 != 0 {
		c.before = []byte{1, 1, 1, 0}
	}
	if op[1]&32 != 0 { // far out, and long
		c.off += int(op[2]) * 256
		c.octets = text(op[5]&1, int(op[3])*16)
	}
	c.off = min(c.off, 65528)
	c.cut = min(int(op[4]), len(c.octets))
	return c
}
