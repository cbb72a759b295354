package frag

import "github.com/mbox-stack/mbox/internal/assert"

// slabChunk is how many values a slab grows by: small enough that a Table which
// rarely sees a fragment stays small, and a chunk never moves.
const slabChunk = 32

// slab lends values of T by number, from 1 on, and takes them back. It grows by
// chunks up to its limit and never shrinks; pointers into it stay valid.
//
// The zero value lends nothing; limit must be set. One goroutine may use it.
type slab[T any] struct {
	chunks []*[slabChunk]T
	free   []uint32
	used   uint32
	limit  uint32
}

// left returns how many more values the slab can lend.
func (s *slab[T]) left() uint32 { return s.limit - s.used }

// at returns value i, which must be lent.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[(i-1)/slabChunk][(i-1)%slabChunk] }

// take lends a value, zeroed or as its last user left it. There must be one left.
func (s *slab[T]) take() uint32 {
	assert.That(s.left() > 0, "a slab is asked for no more than it has left")
	s.used++
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if s.used > uint32(len(s.chunks))*slabChunk {
		s.chunks = append(s.chunks, new([slabChunk]T))
	}
	return s.used
}

// give takes value i back.
func (s *slab[T]) give(i uint32) {
	assert.That(s.used > 0, "a value is given back once")
	s.used--
	s.free = append(s.free, i)
}
