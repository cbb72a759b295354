package frag

import (
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(page{}); n != pageBytes {
		t.Errorf("a page has %d octets, pageBytes is %d", n, pageBytes)
	}
	if n := unsafe.Sizeof(key{}); n != 48 {
		t.Errorf("a key has %d octets", n)
	}
	if n := unsafe.Sizeof(datagram{}); n > 368 {
		t.Errorf("a datagram has %d octets", n)
	}
}

// TestOctetSet compares every operation with a set of one octet a bool.
func TestOctetSet(t *testing.T) {
	places := []uint32{0, 1, 62, 63, 64, 65, 127, 128, 500, 1023, 1024}
	for _, a := range places {
		for _, b := range places {
			if a >= b {
				continue
			}
			var s octetSet
			s.add(a, b)
			for _, c := range places[:len(places)-1] {
				if s.has(c) != (c >= a && c < b) {
					t.Fatalf("add(%d, %d): has(%d) is %v", a, b, c, s.has(c))
				}
				want := b
				if c < a {
					want = a
				} else if c >= b {
					want = pageOctets
				}
				if end, in := s.run(c, pageOctets); end != want || in != s.has(c) {
					t.Fatalf("add(%d, %d): run from %d to %d, %v", a, b, c, end, in)
				}
				first := max(a, c)
				if first >= b {
					first = pageOctets
				}
				if got := s.next(c, pageOctets); got != first {
					t.Fatalf("add(%d, %d): next after %d is %d", a, b, c, got)
				}
			}
			middle := (a + b) / 2
			if n := s.remove(middle, pageOctets); n != b-middle {
				t.Fatalf("add(%d, %d): remove from %d on: %d", a, b, middle, n)
			}
		}
	}
}
