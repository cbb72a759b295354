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
		var w [7]uint64
		var more [56]byte
		for i := range w {
			w[i] = r.Uint64() >> r.IntN(64)
			binary.LittleEndian.PutUint64(more[8*i:], w[i])
		}
		if got, want := hash56(w[0], w[1], w[2], w[3], w[4], w[5], w[6]), xxhash.Sum64(more[:]); got != want {
			t.Fatalf("hash56(%#x) = %#x, want %#x", w, got, want)
		}
	}
}
