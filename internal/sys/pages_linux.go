package sys

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HugePage is how many octets a huge page has, where there are any.
const HugePage = 2 << 20

// MapHuge returns zeroed memory of its own, outside of what the collector knows,
// that begins at a huge page and is made of such where the kernel has them
// (madvise). n is a multiple of HugePage. Unmap gives it back.
func MapHuge(n int) ([]byte, error) {
	whole, err := unix.MmapPtr(-1, 0, nil, uintptr(n)+HugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %d octets: %w", n, err)
	}
	skip := -uintptr(whole) & (HugePage - 1)
	trim(whole, skip)
	start := unsafe.Add(whole, skip)
	trim(unsafe.Add(start, n), HugePage-skip)
	b := unsafe.Slice((*byte)(start), n)
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // small pages do, too
	return b, nil
}

// trim gives n octets at p back, which were mapped for the sake of alignment.
func trim(p unsafe.Pointer, n uintptr) {
	if n > 0 {
		_ = unix.MunmapPtr(p, n) // they stay, unused and untouched
	}
}

// Unmap gives memory of MapHuge back. Nothing may look at it any more.
func Unmap(b []byte) {
	_ = unix.MunmapPtr(unsafe.Pointer(&b[0]), uintptr(len(b))) // it fails only for what was not mapped
}

// Discard gives the pages of b back, a part of what MapHuge returned that begins
// and ends at a page of the system's; they read as zero from then on. It reports
// whether it could: of a part of a page the kernel would take the whole.
func Discard(b []byte) bool {
	return len(b)%os.Getpagesize() == 0 && unix.Madvise(b, unix.MADV_DONTNEED) == nil
}
