package buffers

import "testing"

func TestBesideKeepsARecordForEachHandle(t *testing.T) {
	var b Beside[uint64]
	handles := []uint32{1, slabLen - 1, slabLen, 7 * slabLen}
	for _, h := range handles {
		if *b.At(h) != 0 {
			t.Errorf("%d: %d before anything was written", h, *b.At(h))
		}
		*b.At(h) = uint64(h)
	}
	for _, h := range handles {
		if *b.At(h) != uint64(h) {
			t.Errorf("%d: %d", h, *b.At(h))
		}
	}
	if want := 3 * slabLen * 8; b.Bytes() != want {
		t.Errorf("%d octets, want %d: chunks without a handle are not made", b.Bytes(), want)
	}
	b.Clear()
	if b.Bytes() != 0 || *b.At(1) != 0 {
		t.Errorf("%d octets, and %d for handle 1, after Clear", b.Bytes(), *b.At(1))
	}
}
