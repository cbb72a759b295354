package buffers

import "github.com/mbox-stack/mbox/internal/assert"

// piece is stored octets of a stream: one segment's text, or what others have
// left of it. It is a record of 56 octets without pointers.
//
// The pieces of a stream are disjoint. They form a list in the order of their
// offsets, and a treap by offset whose heap order is prio: expected depth is
// logarithmic whatever offsets a peer sends, since it does not know prio.
type piece struct {
	off   uint64 // of the first octet
	len   uint32 // octets, at least 1
	block uint32
	start uint32 // where in the block the first octet lies
	front uint32 // octets between the start of the segment it came from and off
	prio  uint32
	left  uint32 // lower offsets; 0: none
	right uint32 // higher offsets; 0: none
	prev  uint32 // neighbours by offset; 0: none
	next  uint32
	age   uint32 // of the segment it came from; lower is older (Linux)
	// joined is how many segments the one it belongs to has taken in (Linux).
	joined uint8
}

// end returns the offset after the last octet.
func (p *piece) end() uint64 { return p.off + uint64(p.len) }

// span returns the piece's octets as a range.
func (p *piece) span() Range { return Range{p.off, p.end()} }

// seg returns the offset at which the segment that the piece belongs to starts.
func (p *piece) seg() uint64 { return p.off - uint64(p.front) }

// olderThan reports whether p's segment came before q's, while both are held.
func (p *piece) olderThan(q *piece) bool { return int32(p.age-q.age) < 0 }

// hold is what an arena has of one stream: its pieces, those delivered and
// retained before those that wait for a hole to fill.
type hold struct {
	charged uint64 // octets of memory accounted to the stream
	waiting uint64 // octets at or beyond Stream.next
	history uint64 // octets before it
	acked   uint64 // highest offset acknowledged
	retain  uint64 // octets to keep before acked; valid iff retaining
	root    uint32 // of the treap
	head    uint32 // first piece
	tail    uint32 // last piece
	ahead   uint32 // first piece at or beyond Stream.next; 0: none
	pieces  uint32 // how many there are
	// retaining says that delivered octets are kept.
	retaining bool
}

// octets returns where a piece's octets lie.
func (a *Arena) octets(p *piece) []byte {
	return a.blocks.bytes(p.block)[p.start : p.start+p.len : p.start+p.len]
}

// floor returns the last piece that begins at or before off; 0 if none does.
func (a *Arena) floor(h *hold, off uint64) uint32 {
	if h.tail != 0 && a.pieces.At(h.tail).off <= off {
		return h.tail
	}
	best := uint32(0)
	for n := h.root; n != 0; {
		p := a.pieces.At(n)
		if p.off <= off {
			best, n = n, p.right
		} else {
			n = p.left
		}
	}
	return best
}

// neighbours returns the last piece that begins before off and the first that
// does not; 0 where there is none.
func (a *Arena) neighbours(h *hold, off uint64) (left, right uint32) {
	if off > 0 {
		left = a.floor(h, off-1)
	}
	if left == 0 {
		return 0, h.head
	}
	return left, a.pieces.At(left).next
}

// covering returns the first piece that ends after off; 0 if none does.
func (a *Arena) covering(h *hold, off uint64) uint32 {
	n := a.floor(h, off)
	if n == 0 {
		return h.head
	}
	if p := a.pieces.At(n); p.end() <= off {
		return p.next
	}
	return n
}

// link puts piece n, whose octets overlap no other's, in its place.
func (a *Arena) link(h *hold, n uint32) {
	p := a.pieces.At(n)
	h.pieces++
	left, right := a.neighbours(h, p.off)
	p.prev, p.next = left, right
	if left == 0 {
		h.head = n
	} else {
		a.pieces.At(left).next = n
	}
	if right == 0 {
		h.tail = n
	} else {
		a.pieces.At(right).prev = n
	}
	p.prio = a.draw()
	at := &h.root
	for *at != 0 {
		q := a.pieces.At(*at)
		if q.prio < p.prio {
			break
		}
		if p.off < q.off {
			at = &q.left
		} else {
			at = &q.right
		}
	}
	below := *at
	*at = n
	a.split(below, p)
}

// split makes the treap n the two subtrees of p, by offset.
func (a *Arena) split(n uint32, p *piece) {
	less, more := &p.left, &p.right
	for n != 0 {
		q := a.pieces.At(n)
		if q.off < p.off {
			*less = n
			less, n = &q.right, q.right
		} else {
			*more = n
			more, n = &q.left, q.left
		}
	}
	*less, *more = 0, 0
}

// unlink takes piece n out of its stream.
func (a *Arena) unlink(h *hold, n uint32) {
	p := a.pieces.At(n)
	h.pieces--
	if p.prev == 0 {
		h.head = p.next
	} else {
		a.pieces.At(p.prev).next = p.next
	}
	if p.next == 0 {
		h.tail = p.prev
	} else {
		a.pieces.At(p.next).prev = p.prev
	}
	at := &h.root
	for *at != n {
		q := a.pieces.At(*at)
		if p.off < q.off {
			at = &q.left
		} else {
			at = &q.right
		}
		assert.That(*at != 0, "a listed piece is in the treap")
	}
	a.merge(at, p.left, p.right)
}

// merge writes to *at the treap of both l and r, all of l before all of r.
func (a *Arena) merge(at *uint32, l, r uint32) {
	for l != 0 && r != 0 {
		p, q := a.pieces.At(l), a.pieces.At(r)
		if p.prio > q.prio {
			*at = l
			at, l = &p.right, p.right
		} else {
			*at = r
			at, r = &q.left, q.left
		}
	}
	*at = l | r
}

// draw returns the next priority (splitmix64).
func (a *Arena) draw() uint32 {
	a.seed += 0x9e3779b97f4a7c15
	z := a.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return uint32(z >> 33)
}

// checkEvery is how many pieces more a stream must get between two walks of
// check, once it has that many: a walk at each call would make checked builds
// quadratic.
const checkEvery = 512

// check verifies invariant I5 of a stream: its pieces are disjoint and sorted,
// on the right side of next, and the octets held are those counted. Checked
// builds only: it walks them all.
func (a *Arena) check(s *Stream) {
	if s.hold == 0 {
		return
	}
	h := a.holds.At(s.hold)
	if h.pieces > checkEvery && h.pieces%checkEvery != 0 {
		return
	}
	var waiting, history, end uint64
	var pieces uint32
	charged := uint64(holdCharge)
	prev, ahead := uint32(0), uint32(0)
	for n := h.head; n != 0; n = a.pieces.At(n).next {
		p := a.pieces.At(n)
		assert.That(p.len > 0 && p.off >= end && p.prev == prev, "I5: pieces are disjoint and sorted")
		assert.That(p.end() <= s.next || p.off >= s.next, "I5: no piece straddles next")
		assert.That(p.off != s.next, "I5: a hole precedes what waits")
		assert.That(p.start+p.len <= a.blocks.size(p.block), "a piece lies in its block")
		assert.That(a.floor(h, p.off) == n, "the treap finds what the list has")
		if p.off < s.next {
			history += uint64(p.len)
		} else {
			waiting += uint64(p.len)
			if ahead == 0 {
				ahead = n
			}
		}
		charged += a.pieceCharge(p)
		pieces++
		prev, end = n, p.end()
	}
	assert.That(h.tail == prev && h.ahead == ahead && h.pieces == pieces, "the list is what its head says")
	assert.That(h.waiting == waiting && h.history == history, "I5: octets held are those counted")
	assert.That(h.charged == charged, "memory is charged once")
}
