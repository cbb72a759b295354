package buffers

import "unsafe"

// Beside is a table beside a Slab: one T for each of its records, by the same
// handles, for what is needed of records only at times. The zero value is empty
// and ready. It belongs to one goroutine at a time.
type Beside[T any] struct {
	chunks []*[slabLen]T
	made   int // chunks that are not nil
}

// At returns what lies beside the record of handle h: the zero value of T until
// something is written there, and until Clear.
func (b *Beside[T]) At(h uint32) *T {
	at := int(h >> slabShift)
	if at >= len(b.chunks) || b.chunks[at] == nil {
		b.grow(at)
	}
	return &b.chunks[at][h&slabMask]
}

func (b *Beside[T]) grow(at int) {
	for at >= len(b.chunks) {
		b.chunks = append(b.chunks, nil)
	}
	b.chunks[at] = new([slabLen]T)
	b.made++
}

// Clear gives all of it back.
func (b *Beside[T]) Clear() { *b = Beside[T]{} }

// Bytes returns the memory that the table occupies, in octets.
func (b *Beside[T]) Bytes() int {
	var zero T
	return b.made * slabLen * int(unsafe.Sizeof(zero))
}
