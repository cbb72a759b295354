package traffic

// heap is a binary heap, least element first: container/heap would box every
// element of a stream that must not allocate.
type heap[T comparer[T]] []T

// push adds an element.
func (h *heap[T]) push(x T) {
	*h = append(*h, x)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].compare(s[i]) <= 0 {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

// pop removes the least element.
func (h *heap[T]) pop() {
	s := *h
	var none T
	last := len(s) - 1
	s[0], s[last] = s[last], none
	*h = s[:last]
	h.down(0)
}

// down restores the order after element i has grown.
func (h heap[T]) down(i int) {
	for {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(h) && h[c].compare(h[least]) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// comparer orders what a heap holds.
type comparer[T any] interface{ compare(T) int }

// What heaps hold. Said outright, as staticcheck does not see that a constraint
// uses methods.
var (
	_ comparer[turn]  = turn{}
	_ comparer[*part] = (*part)(nil)
)
