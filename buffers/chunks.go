package buffers

import (
	"os"
	"runtime"
	"slices"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/sys"
)

// chunks is the memory that the chunks of a slab lie in: regions of huge pages,
// as a table of many records is read in no order, and with small pages most
// reads would miss in the TLB as well as in the cache. The collector does not
// know of it, and need not, as records have no pointers.
type chunks struct {
	octets  int // of a chunk, in whole pages
	regions [][]byte
	rest    []byte   // of the last region
	spare   [][]byte // chunks that were given back; their pages are
	mapped  int      // octets of all regions
}

const (
	// regionMin and regionMax bound a region; each is a quarter of what there is.
	regionMin = 2 * sys.HugePage
	regionMax = 128 * sys.HugePage
)

// newChunks returns the memory for chunks of so many octets, to be given back
// when owner is collected.
func newChunks[T any](owner *T, octets int) *chunks {
	page := os.Getpagesize() // 16 or 64 KiB on some machines: a chunk's pages are no other's
	m := &chunks{octets: (octets + page - 1) / page * page}
	runtime.AddCleanup(owner, (*chunks).unmap, m)
	return m
}

// take returns the memory of a chunk, all zero; nil where the system has none of
// this kind.
func (m *chunks) take() unsafe.Pointer {
	if n := len(m.spare); n > 0 {
		b := m.spare[n-1]
		m.spare = m.spare[:n-1]
		return unsafe.Pointer(&b[0])
	}
	if len(m.rest) < m.octets {
		n := max(regionMin, min(m.mapped/4, regionMax), m.octets)
		n = (n + sys.HugePage - 1) / sys.HugePage * sys.HugePage
		region, err := sys.MapHuge(n)
		if err != nil {
			return nil
		}
		m.regions, m.rest, m.mapped = append(m.regions, region), region, m.mapped+n
	}
	b := m.rest[:m.octets]
	m.rest = m.rest[m.octets:]
	return unsafe.Pointer(&b[0])
}

// give takes the memory of a chunk back, and gives its pages to the system. Such
// as lies on the heap is left to the collector.
func (m *chunks) give(p unsafe.Pointer) {
	if !m.has(p) {
		return
	}
	b := unsafe.Slice((*byte)(p), m.octets)
	if !sys.Discard(b) {
		clear(b)
	}
	m.spare = append(m.spare, b)
}

// has reports whether p is of a region.
func (m *chunks) has(p unsafe.Pointer) bool {
	return slices.ContainsFunc(m.regions, func(r []byte) bool {
		return uintptr(p)-uintptr(unsafe.Pointer(&r[0])) < uintptr(len(r))
	})
}

func (m *chunks) unmap() {
	for _, r := range m.regions {
		sys.Unmap(r)
	}
}
