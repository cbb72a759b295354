package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestHashInRegistersIsXXH64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		a, b := r.Uint64(), r.Uint64()>>r.IntN(64)
		var octets [16]byte
		binary.LittleEndian.PutUint64(octets[0:], a)
		binary.LittleEndian.PutUint64(octets[8:], b)
		if got, want := hash16(a, b), xxhash.Sum64(octets[:]); got != want {
			t.Fatalf("hash16(%#x, %#x) = %#x, want %#x", a, b, got, want)
		}
	}
}
