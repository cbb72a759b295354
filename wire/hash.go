package wire

import "math/bits"

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
	h := bits.RotateLeft64((xxPrime5+16)^bits.RotateLeft64(a*xxPrime2, 31)*xxPrime1, 27)*xxPrime1 + xxPrime4
	h = bits.RotateLeft64(h^bits.RotateLeft64(b*xxPrime2, 31)*xxPrime1, 27)*xxPrime1 + xxPrime4
	h = (h ^ h>>33) * xxPrime2
	h = (h ^ h>>29) * xxPrime3
	return h ^ h>>32
}
