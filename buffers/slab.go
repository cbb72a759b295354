package buffers

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/assert"
)

// slabShift sets how many records a chunk has. A thousand flow records are some
// hundred kilobytes: few enough that an idle shard stays small, enough that ten
// million records are ten thousand pointers for the collector to look at.
const (
	slabShift = 10
	slabLen   = 1 << slabShift
	slabMask  = slabLen - 1
)

// slabMax is the most records a slab can name: handles have 32 bits and 0 means
// none.
const slabMax = 1<<32 - slabLen

// inUse marks, in slabChunk.next, a record that has been given out.
const inUse = ^uint16(0)

// Slab holds records of T by handle, without a pointer between them: chunks of
// 1,024 records that never move or grow, so that the collector sees one pointer
// a chunk and no record is ever copied.
//
// A record is the caller's from New to Free. The zero value is not usable; see
// NewSlab. A Slab belongs to one goroutine at a time.
type Slab[T any] struct {
	chunks []*slabChunk[T] // by the upper bits of a handle; nil: given back
	open   uint32          // 1 + first chunk of the list of those with free records; 0: none
	spare  []uint32        // indices in chunks that are nil
	live   int             // records given out
	limit  int             // most records that may be given out
	chunk  int             // octets of a chunk
	mapped *chunks         // memory of all but the first few chunks
}

// slabChunk is a piece of a slab: records and, beside them, the list of those
// that are free.
type slabChunk[T any] struct {
	records [slabLen]T
	next    [slabLen]uint16 // of a free record: 1 + the next free one, 0 for the last
	free    uint16          // 1 + first free record; 0: none
	live    uint16          // records given out, of chunk 0 with record 0, which never is
	before  uint32          // 1 + neighbours in the list of chunks with free records; 0: none
	after   uint32
}

// NewSlab returns an empty slab of up to limit records; limit 0 stands for as
// many as handles can name. It panics if T has pointers in it: that is a mistake
// in the program, not in its input.
func NewSlab[T any](limit int) *Slab[T] {
	if t := reflect.TypeFor[T](); hasPointers(t) {
		panic(fmt.Sprintf("buffers: a slab of %v: records must not hold pointers", t))
	}
	if limit <= 0 || limit > slabMax {
		limit = slabMax
	}
	s := &Slab[T]{limit: limit, chunk: int(reflect.TypeFor[slabChunk[T]]().Size())}
	s.mapped = newChunks(s, s.chunk)
	return s
}

// At returns the record of handle h. The pointer is good until Free(h). h must
// come from New.
func (s *Slab[T]) At(h uint32) *T {
	return &s.chunks[h>>slabShift].records[h&slabMask]
}

// Has reports whether h, which New returned once, has not been freed since, or has
// been given out again.
func (s *Slab[T]) Has(h uint32) bool {
	at := h >> slabShift
	return int(at) < len(s.chunks) && s.chunks[at] != nil && s.chunks[at].next[h&slabMask] == inUse
}

// New returns the handle of a record and the record itself, zeroed. It returns
// 0 and nil when the slab's limit is reached.
func (s *Slab[T]) New() (uint32, *T) {
	if s.live >= s.limit {
		return 0, nil
	}
	if s.open == 0 {
		s.grow()
	}
	at := s.open - 1
	c := s.chunks[at]
	i := c.free - 1
	c.free = c.next[i]
	c.next[i] = inUse
	c.live++
	s.live++
	if c.free == 0 {
		s.unlist(at)
	}
	p := &c.records[i]
	var zero T
	*p = zero
	return at<<slabShift | uint32(i), p
}

// Free takes the record of handle h back. h must come from New, once.
func (s *Slab[T]) Free(h uint32) {
	at, i := h>>slabShift, h&slabMask
	c := s.chunks[at]
	assert.That(h != 0 && c.next[i] == inUse, "a record is freed once")
	if c.free == 0 {
		s.list(at)
	}
	c.next[i] = c.free
	c.free = uint16(i) + 1
	c.live--
	s.live--
}

// Len returns how many records are given out.
func (s *Slab[T]) Len() int { return s.live }

// Cap returns how many records there is memory for.
func (s *Slab[T]) Cap() int { return (len(s.chunks) - len(s.spare)) * slabLen }

// Limit returns how many records may be given out.
func (s *Slab[T]) Limit() int { return s.limit }

// Bytes returns the memory that the slab occupies, in octets.
func (s *Slab[T]) Bytes() int {
	return (len(s.chunks) - len(s.spare)) * s.chunk
}

// Mapped returns how many of these octets lie outside of the heap, where the
// collector does not see them.
func (s *Slab[T]) Mapped() int {
	octets := 0
	for _, c := range s.chunks {
		if c != nil && s.mapped.has(unsafe.Pointer(c)) {
			octets += s.chunk
		}
	}
	return octets
}

// Trim leaves chunks without a record in use to the collector, and returns how
// many octets these were.
func (s *Slab[T]) Trim() int {
	before := s.Bytes()
	for i, c := range s.chunks {
		if c == nil || c.live != reserved(i) {
			continue
		}
		s.unlist(uint32(i))
		s.chunks[i] = nil
		s.mapped.give(unsafe.Pointer(c))
		s.spare = append(s.spare, uint32(i))
	}
	return before - s.Bytes()
}

// grow adds a chunk whose records are all free.
func (s *Slab[T]) grow() {
	at := uint32(len(s.chunks))
	if n := len(s.spare); n > 0 {
		at = s.spare[n-1]
		s.spare = s.spare[:n-1]
	} else {
		s.chunks = append(s.chunks, nil)
	}
	c := s.memory(at)
	s.chunks[at] = c
	c.live = reserved(int(at))
	for i := c.live; i < slabLen-1; i++ {
		c.next[i] = i + 2
	}
	c.free = c.live + 1
	s.list(at)
}

// heapMax is how many octets of a slab lie on the heap before huge pages are used,
// of which one takes two megabytes as soon as it is touched: small slabs would
// take several times what they need.
const heapMax = 4 << 20

// memory returns the memory of chunk number at, all zero.
func (s *Slab[T]) memory(at uint32) *slabChunk[T] {
	if int(at)*s.chunk >= heapMax {
		if p := s.mapped.take(); p != nil {
			return (*slabChunk[T])(p)
		}
	}
	return new(slabChunk[T])
}

// reserved returns how many records chunk i keeps to itself: handle 0 means
// none, so chunk 0 keeps one.
func reserved(i int) uint16 {
	if i == 0 {
		return 1
	}
	return 0
}

// list puts a chunk, which has got a free record, in front of the others.
func (s *Slab[T]) list(at uint32) {
	c := s.chunks[at]
	c.before, c.after = 0, s.open
	if s.open != 0 {
		s.chunks[s.open-1].before = at + 1
	}
	s.open = at + 1
}

// unlist takes a chunk out of the list of those with free records.
func (s *Slab[T]) unlist(at uint32) {
	c := s.chunks[at]
	if c.before == 0 {
		s.open = c.after
	} else {
		s.chunks[c.before-1].after = c.after
	}
	if c.after != 0 {
		s.chunks[c.after-1].before = c.before
	}
}

// hasPointers reports whether the collector would have to look into a t.
func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	}
	return true
}
