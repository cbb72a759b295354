package nic

import (
	"bytes"
	"testing"
)

func TestJudge(t *testing.T) {
	usual := []byte{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2} // the beginning of the key that most drivers have
	for _, c := range []struct {
		name                string
		function, transform uint8
		key                 []byte
		hash                string
		want                Symmetry
	}{
		{"the usual key", hashToeplitz, 0, usual, "toeplitz", Asymmetric},
		{"a key that repeats", hashToeplitz, 0, bytes.Repeat([]byte{0x6d, 0x5a}, 20), "toeplitz", Symmetric},
		{"a key that is not told", hashToeplitz, 0, nil, "toeplitz", Unknown},
		{"put together beforehand", hashToeplitz, transformSymXOR, usual, "toeplitz", Symmetric},
		{"put together the other way", hashToeplitz, transformSymOrXOR, usual, "toeplitz", Symmetric},
		{"exclusive or", hashXOR, 0, usual, "xor", Symmetric},
		{"a checksum", hashCRC32, 0, usual, "crc32", Asymmetric},
		{"nothing said", 0, 0, nil, "", Unknown},
		{"something new", 1 << 6, 0, nil, "", Unknown},
	} {
		if hash, s := judge(c.function, c.transform, c.key); hash != c.hash || s != c.want {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, hash, s, c.hash, c.want)
		}
	}
}
