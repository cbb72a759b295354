package buffers

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/mbox-stack/mbox/internal/assert"
)

// ErrGone says that an octet was delivered or given up and is not held any
// more. A GoneError wraps it.
var ErrGone = errors.New("buffers: octet no longer held")

// GoneError says where octets that can be read go on behind one that cannot.
type GoneError struct {
	Next uint64 // offset of the next octet held; valid iff Held
	Held bool   // false: none is held any more
}

// Error says where held octets go on.
func (e *GoneError) Error() string {
	if !e.Held {
		return ErrGone.Error() + ", nor is any behind it"
	}
	return ErrGone.Error() + "; the next one held is at " + strconv.FormatUint(e.Next, 10)
}

// Unwrap returns ErrGone.
func (e *GoneError) Unwrap() error { return ErrGone }

// ErrHole says that an octet has not arrived yet.
var ErrHole = errors.New("buffers: octet not yet arrived")

// FirstHole returns the octets of s that are missing before the first one held
// beyond Next; false if none is held there.
func (a *Arena) FirstHole(s *Stream) (Range, bool) {
	if s.hold == 0 {
		return Range{}, false
	}
	h := a.holds.At(s.hold)
	if h.ahead == 0 {
		return Range{}, false
	}
	return Range{s.next, a.pieces.At(h.ahead).off}, true
}

// Waits reports whether octets of s are held beyond a hole.
func (a *Arena) Waits(s *Stream) bool { return s.hold != 0 && a.holds.At(s.hold).ahead != 0 }

// Touch looks at what there is of s, so that it is near when it is needed.
func (a *Arena) Touch(s *Stream) uint64 {
	if s.hold == 0 {
		return 0
	}
	return a.holds.At(s.hold).history
}

// TouchTail is Touch for the last that is held of s, and where it lies.
func (a *Arena) TouchTail(s *Stream) uint64 {
	if s.hold == 0 {
		return 0
	}
	h := a.holds.At(s.hold)
	if h.tail == 0 {
		return 0
	}
	return a.pieces.At(h.tail).end()
}

// Pending returns how many octets of s are held beyond its first hole.
func (a *Arena) Pending(s *Stream) uint64 {
	if s.hold == 0 {
		return 0
	}
	return a.holds.At(s.hold).waiting
}

// HoleCount returns how many holes there are before the last octet held of s.
// It walks the pieces beyond Next.
func (a *Arena) HoleCount(s *Stream) int {
	if s.hold == 0 {
		return 0
	}
	holes, end := 0, s.next
	for n := a.holds.At(s.hold).ahead; n != 0; {
		p := a.pieces.At(n)
		if p.off != end {
			holes++
		}
		end, n = p.end(), p.next
	}
	return holes
}

// Memory returns how much memory s has, in octets.
func (a *Arena) Memory(s *Stream) uint64 {
	if s.hold == 0 {
		return 0
	}
	return a.holds.At(s.hold).charged
}

// Compare reports in r.Rexmit, r.Originals and r.New what Insert would. It
// changes nothing, so what an earlier Result lends stays valid.
func (a *Arena) Compare(s *Stream, off uint64, text []byte, r *Result) {
	r.clear()
	if uint64(len(text)) > math.MaxUint64-off {
		text = text[:math.MaxUint64-off]
	}
	a.compare(s, off, text, r)
}

// compare fills in r.Rexmit, r.Originals and r.New.
func (a *Arena) compare(s *Stream, off uint64, text []byte, r *Result) {
	end := off + uint64(len(text))
	x := &r.Rexmit
	if off < s.next {
		x.Octets = uint32(min(end, s.next) - off)
		x.Unknown = x.Octets
	}
	if s.hold != 0 {
		a.compareHeld(s, off, text, r)
	}
	r.New = uint32(len(text)) - x.Octets
	assert.That(x.Octets <= uint32(len(text)), "octets sent before are some of the segment's")
}

// compareHeld is compare against what is held.
func (a *Arena) compareHeld(s *Stream, off uint64, text []byte, r *Result) {
	x := &r.Rexmit
	end := off + uint64(len(text))
	for n := a.covering(a.holds.At(s.hold), off); n != 0; {
		p := a.pieces.At(n)
		if p.off >= end {
			return
		}
		from, to := max(off, p.off), min(end, p.end())
		held := a.octets(p)[from-p.off : to-p.off]
		if p.off < s.next {
			x.Unknown -= uint32(len(held))
		} else {
			x.Octets += uint32(len(held))
		}
		r.Originals = append(r.Originals, Piece{Off: from, Data: held})
		x.differ(from, held, text[from-off:to-off])
		n = p.next
	}
}

// differ counts the octets in which b, at offset off, differs from a.
func (x *Rexmit) differ(off uint64, a, b []byte) {
	if bytes.Equal(a, b) {
		return
	}
	for i := range a {
		if a[i] != b[i] {
			if x.Differ == 0 {
				x.DiffAt = off + uint64(i)
			}
			x.Differ++
		}
	}
}

// missing returns how many octets of r, which lies beyond Next, are not held.
func (a *Arena) missing(h *hold, r Range) uint64 {
	left := r.Len()
	for n := a.covering(h, r.Off); n != 0; {
		p := a.pieces.At(n)
		if p.off >= r.End {
			break
		}
		left -= min(r.End, p.end()) - max(r.Off, p.off)
		n = p.next
	}
	return left
}

// ReadAt copies octets of s from offset off on: retained ones, those that the
// last Result lends, and those that wait beyond a hole. Where it copies fewer
// than len(p) it says why: ErrGone or ErrHole, for octet off+n.
func (a *Arena) ReadAt(s *Stream, off uint64, p []byte) (n int, err error) {
	for n < len(p) {
		at := off + uint64(n)
		data := a.find(s, at)
		switch {
		case len(data) > 0:
			n += copy(p[n:], data)
		case at < s.next:
			return n, ErrGone
		default:
			return n, ErrHole
		}
	}
	return n, nil
}

// find returns the held octets that lie together from off on; none if off is
// not held.
func (a *Arena) find(s *Stream, off uint64) []byte {
	if p := a.lentPiece(s, off); p != nil {
		return p.Data[off-p.Off:]
	}
	if s.hold == 0 {
		return nil
	}
	n := a.floor(a.holds.At(s.hold), off)
	if n == 0 {
		return nil
	}
	p := a.pieces.At(n)
	if p.end() <= off {
		return nil
	}
	return a.octets(p)[off-p.off:]
}

// lentRange returns the octets of s that the last Result lends.
func (a *Arena) lentRange(s *Stream) Range {
	if a.lentTo != s || len(a.lent.Pieces) == 0 {
		return Range{}
	}
	pieces := a.lent.Pieces
	last := &pieces[len(pieces)-1]
	return Range{pieces[0].Off, last.Off + uint64(len(last.Data))}
}

// lentPiece returns the piece of the last Result that has octet off of s, or
// nil.
func (a *Arena) lentPiece(s *Stream, off uint64) *Piece {
	if r := a.lentRange(s); off < r.Off || off >= r.End {
		return nil
	}
	pieces := a.lent.Pieces
	low, high := 0, len(pieces)
	for high-low > 1 {
		if mid := (low + high) / 2; pieces[mid].Off <= off {
			low = mid
		} else {
			high = mid
		}
	}
	return &pieces[low]
}

// NextHeld returns the first offset at or after off that ReadAt can read;
// false if there is none.
func (a *Arena) NextHeld(s *Stream, off uint64) (uint64, bool) {
	best, ok := uint64(math.MaxUint64), false
	if r := a.lentRange(s); off < r.End {
		best, ok = max(off, r.Off), true
	}
	if s.hold != 0 {
		if n := a.covering(a.holds.At(s.hold), off); n != 0 {
			best, ok = min(best, max(off, a.pieces.At(n).off)), true
		}
	}
	return best, ok
}

// Held appends to dst the ranges of s that ReadAt can read, in order, no two of
// them adjacent.
func (a *Arena) Held(s *Stream, dst []Range) []Range {
	first := len(dst)
	for off := uint64(0); ; {
		at, ok := a.NextHeld(s, off)
		if !ok {
			return dst
		}
		off = at + uint64(len(a.find(s, at)))
		if n := len(dst); n > first && dst[n-1].End == at {
			dst[n-1].End = off
		} else {
			dst = append(dst, Range{at, off})
		}
	}
}
