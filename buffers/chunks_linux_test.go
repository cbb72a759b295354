package buffers

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident returns how many pages of b are in memory.
func resident(t *testing.T, b []byte) (pages int) {
	t.Helper()
	in := make([]byte, len(b)/os.Getpagesize())
	if _, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0]))); e != 0 {
		t.Fatal("mincore:", e)
	}
	for _, page := range in {
		pages += int(page & 1)
	}
	return pages
}

// TestSlabTrimGivesAllBack: of a burst of records nothing is left in memory, nor of
// the pages that the kernel gave beside theirs; and of records that stay, the rest.
func TestSlabTrimGivesAllBack(t *testing.T) {
	s := NewSlab[[100]uint64](0)
	var hs []uint32
	for len(s.mapped.regions) < 3 {
		h, p := s.New()
		p[7] = uint64(h)
		hs = append(hs, h)
	}
	stay := hs[len(hs)-1] // in the last region
	for _, h := range hs[:len(hs)-1] {
		s.Free(h)
	}
	s.Trim()
	for i, r := range s.mapped.regions {
		if n := resident(t, r.mem); (n > 0) != (i == 2) {
			t.Errorf("%d pages of region %d are in memory", n, i)
		}
	}
	if s.At(stay)[7] != uint64(stay) {
		t.Error("a record that stays has lost what it holds")
	}
	s.Free(stay)
	s.Trim()
	if n := resident(t, s.mapped.regions[2].mem); n > 0 {
		t.Errorf("%d pages of the last region are in memory", n)
	}
	for range hs {
		if _, p := s.New(); *p != [100]uint64{} {
			t.Fatal("a new record is not zero")
		}
	}
}
