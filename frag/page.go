package frag

import (
	"bytes"
	"math/bits"
)

// pageOctets is how much of a datagram one page covers. Half as much, and the
// table of pages in each datagram doubles; twice as much, and a fragment of one
// octet takes twice the memory.
const pageOctets = 1024

// pageBytes is the memory that a page takes (TestSizes).
const pageBytes = pageOctets + 2*pageOctets/8

// page holds pageOctets octets of one datagram, each at its place.
type page struct {
	data   [pageOctets]byte
	have   octetSet // octets of data that are held
	starts octetSet // first octets of fragments, valid where a policy asks (Policy.asksStarts)
}

// laid is what laying a fragment over a datagram did, in octets.
type laid struct {
	added    uint32 // were not held
	held     uint32 // were held already
	replaced uint32 // were held, differed and were overwritten
	differs  bool   // some that were held differ
}

// join adds what another page's part of the fragment did.
func (l *laid) join(m laid) {
	l.added += m.added
	l.held += m.held
	l.replaced += m.replaced
	l.differs = l.differs || m.differs
}

// lay puts b into the page from octet at on. Octets that are held stay as they
// are if keep is set, and are overwritten if not.
func (g *page) lay(at uint32, b []byte, keep bool) laid {
	var l laid
	end := at + uint32(len(b))
	for from := at; from < end; {
		to, held := g.have.run(from, end)
		n := to - from
		mine, theirs := g.data[from:to], b[from-at:to-at]
		switch {
		case !held:
			copy(mine, theirs)
			l.added += n
		case bytes.Equal(mine, theirs):
			l.held += n
		default:
			l.held += n
			l.differs = true
			if !keep {
				copy(mine, theirs)
				l.replaced += n
			}
		}
		from = to
	}
	g.have.add(at, end)
	return l
}

// octetSet is a set of octets of a page, by their place. In its methods a and b
// bound the half-open interval [a, b) with a < b =< pageOctets.
type octetSet [pageOctets / 64]uint64

// within returns the index of the word that a lies in, a mask of those of its
// bits that stand for octets within [a, b), and the first octet behind them.
func within(a, b uint32) (w uint32, mask uint64, next uint32) {
	w, next = a/64, (a|63)+1
	mask = ^uint64(0) << (a % 64)
	if next > b {
		mask &= ^uint64(0) >> (next - b)
		next = b
	}
	return w, mask, next
}

// add puts [a, b) into the set.
func (s *octetSet) add(a, b uint32) {
	for a < b {
		w, mask, next := within(a, b)
		s[w] |= mask
		a = next
	}
}

// remove takes [a, b) out of the set and returns how many octets were in it.
func (s *octetSet) remove(a, b uint32) uint32 {
	n := 0
	for a < b {
		w, mask, next := within(a, b)
		n += bits.OnesCount64(s[w] & mask)
		s[w] &^= mask
		a = next
	}
	return uint32(n)
}

// has reports whether octet a is in the set.
func (s *octetSet) has(a uint32) bool { return s[a/64]>>(a%64)&1 != 0 }

// run returns the end of the run that begins at a and does not reach beyond b:
// of octets that are in the set, or of octets that are not.
func (s *octetSet) run(a, b uint32) (end uint32, in bool) {
	in = s.has(a)
	var flip uint64
	if in {
		flip = ^uint64(0)
	}
	for a < b {
		w, mask, next := within(a, b)
		if other := (s[w] ^ flip) & mask; other != 0 {
			return w*64 + uint32(bits.TrailingZeros64(other)), in
		}
		a = next
	}
	return b, in
}

// next returns the first octet of the set within [a, b), or b.
func (s *octetSet) next(a, b uint32) uint32 {
	for a < b {
		w, mask, next := within(a, b)
		if m := s[w] & mask; m != 0 {
			return w*64 + uint32(bits.TrailingZeros64(m))
		}
		a = next
	}
	return b
}
