package buffers

import (
	"os"
	"runtime"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/sys"
)

// chunks is the memory that the chunks of a slab lie in: regions of huge pages,
// as a table of many records is read in no order, and with small pages most
// reads would miss in the TLB as well as in the cache. The collector does not
// know of it, and need not, as records have no pointers.
type chunks struct {
	octets  int // of a chunk, in whole pages
	regions []region
	rest    []byte   // of the last region
	spare   [][]byte // chunks that were given back; their pages are
	mapped  int      // octets of all regions
}

// region is memory in one piece, in which chunks lie one behind the other.
type region struct {
	mem  []byte
	used int // chunks that were taken and not given back
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
	b := m.next()
	if b == nil {
		return nil
	}
	p := unsafe.Pointer(&b[0])
	m.regionOf(p).used++
	return p
}

// next returns memory that no chunk lies in, a new region's if need be.
func (m *chunks) next() (b []byte) {
	if last := len(m.spare) - 1; last >= 0 {
		b, m.spare = m.spare[last], m.spare[:last]
		return b
	}
	if len(m.rest) < m.octets {
		n := max(regionMin, min(m.mapped/4, regionMax), m.octets)
		n = (n + sys.HugePage - 1) / sys.HugePage * sys.HugePage
		mem, err := sys.MapHuge(n)
		if err != nil {
			return nil
		}
		m.regions, m.rest, m.mapped = append(m.regions, region{mem: mem}), mem, m.mapped+n
	}
	b, m.rest = m.rest[:m.octets], m.rest[m.octets:]
	return b
}

// give takes the memory of a chunk back, and gives its pages to the system; with
// those of a region's last one go all that lie between and behind its chunks, which
// came with the huge pages of these. Such as lies on the heap is left to the
// collector.
func (m *chunks) give(p unsafe.Pointer) {
	r := m.regionOf(p)
	if r == nil {
		return
	}
	b := unsafe.Slice((*byte)(p), m.octets)
	m.spare = append(m.spare, b)
	if r.used--; r.used == 0 && sys.Discard(r.mem) {
		return
	}
	if !sys.Discard(b) {
		clear(b)
	}
}

// has reports whether p is of a region.
func (m *chunks) has(p unsafe.Pointer) bool { return m.regionOf(p) != nil }

// regionOf returns the region that p is of; nil if it is of none.
func (m *chunks) regionOf(p unsafe.Pointer) *region {
	for i := range m.regions {
		r := &m.regions[i]
		if uintptr(p)-uintptr(unsafe.Pointer(&r.mem[0])) < uintptr(len(r.mem)) {
			return r
		}
	}
	return nil
}

func (m *chunks) unmap() {
	for _, r := range m.regions {
		sys.Unmap(r.mem)
	}
}
