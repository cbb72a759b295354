package wire

import (
	"encoding/binary"
	"math/bits"
)

// The primes of XXH64.
const (
	xxPrime1 uint64 = 11400714785074694791
	xxPrime2 uint64 = 14029467366897019727
	xxPrime3 uint64 = 1609587929392839161
	xxPrime4 uint64 = 9650029242287828579
	xxPrime5 uint64 = 2870177450012600261
)

// hash16 returns what xxhash.Sum64 returns for the 16 octets of a and b, both in
// little-endian order. It stays in registers, so that a core can work on the
// hashes of several packets at once.
func hash16(a, b uint64) uint64 {
	return xxEnd(xxTail(xxTail(xxPrime5+16, a), b))
}

// hash56 does the same for 56 octets.
func hash56(a, b, c, d, e, f, g uint64) uint64 {
	p1 := xxPrime1 // a variable, so that constants may wrap
	a, b = xxRound(p1+xxPrime2, a), xxRound(xxPrime2, b)
	c, d = xxRound(0, c), xxRound(-p1, d)
	h := bits.RotateLeft64(a, 1) + bits.RotateLeft64(b, 7) + bits.RotateLeft64(c, 12) + bits.RotateLeft64(d, 18)
	h = xxMerge(xxMerge(xxMerge(xxMerge(h, a), b), c), d) + 56
	return xxEnd(xxTail(xxTail(xxTail(h, e), f), g))
}

// hash6 returns the hash under seed of the key of the plain IPv6 packet b, s
// being its sender.
func hash6(b []byte, s, seed uint64) uint64 {
	le := binary.LittleEndian
	h := (*[ipv6Len + 4]byte)(b)
	lo, hi := 8+int(s&1)*16, 24-int(s&1)*16
	ports := bits.RotateLeft32(binary.BigEndian.Uint32(h[ipv6Len:]), int(16-s*16))
	return hash56(seed, le.Uint64(h[lo:]), le.Uint64(h[lo+8:]), le.Uint64(h[hi:]), le.Uint64(h[hi+8:]),
		seed^(uint64(ports)|uint64(h[6])<<32|6<<40), 0)
}

// The steps of XXH64.
func xxRound(acc, w uint64) uint64 { return bits.RotateLeft64(acc+w*xxPrime2, 31) * xxPrime1 }
func xxMerge(h, acc uint64) uint64 { return (h^xxRound(0, acc))*xxPrime1 + xxPrime4 }
func xxTail(h, w uint64) uint64 {
	return bits.RotateLeft64(h^xxRound(0, w), 27)*xxPrime1 + xxPrime4
}

func xxEnd(h uint64) uint64 {
	h = (h ^ h>>33) * xxPrime2
	h = (h ^ h>>29) * xxPrime3
	return h ^ h>>32
}
