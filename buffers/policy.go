package buffers

import (
	"errors"
	"fmt"
)

// Policy says which octets count where segments overlap among octets that have
// not been delivered yet. What has been delivered never changes.
//
// RFC 9293 §3.4 has a receiver trim what it already holds and leaves open how
// held segments are trimmed against each other, so systems differ; an observer
// has to do as the receiver does. The zero value is First.
type Policy uint8

// The policies. A new segment meets one that is held in three ways: its
// beginning lies in the held one (left overlap), its end does (right overlap),
// or it covers the held one (full overlap). "Starts before" compares the held
// segment with what a left overlap has left of the new one.
const (
	// First keeps what came first, always.
	First Policy = iota
	// Last keeps what came last, always.
	Last
	// Linux does what tcp_data_queue_ofo of Linux since 4.9 does: held
	// segments keep their own bounds, so a new one counts where it starts
	// before them, replaces those that it covers unless they are the same, and
	// adds only what lies beyond where it starts inside one. One that follows
	// another without overlap becomes a part of it. TestLinuxKernel asks a kernel.
	Linux
	// OldLinux keeps the first on a left overlap, the last on a right one
	// unless both start at the same octet, and the last on a full one.
	OldLinux
	// BSD keeps the first on a left overlap, the last on a right one unless
	// both start at the same octet, and on a full one the last if it starts
	// before the held one.
	BSD
	// Solaris keeps the last on a left overlap unless the held one covers it,
	// the first on a right one, and the last on a full one, except that the
	// first stays where both are the same octets and the octet before them is
	// missing.
	Solaris
	policyCount
)

// policyNames are the names of the policies in their order.
var policyNames = [policyCount]string{"first", "last", "linux", "old-linux", "bsd", "solaris"}

// policyAliases are the names that other engines give the same behaviours.
var policyAliases = map[string]Policy{
	"vista": First, "irix": Linux, "hpux10": Linux, "old_linux": OldLinux, "macos": BSD,
	"windows": BSD, "win_2003": BSD, "hpux11": Solaris,
}

// ErrPolicy is wrapped by the errors of ParsePolicy.
var ErrPolicy = errors.New("unknown overlap policy")

// String returns the policy's name.
func (p Policy) String() string {
	if p < policyCount {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// ParsePolicy returns the policy of a name: those that String returns and the
// names that other engines use for them (vista, irix, hpux10, old_linux, macos,
// windows, win_2003, hpux11).
func ParsePolicy(name string) (Policy, error) {
	for p, n := range policyNames {
		if n == name {
			return Policy(p), nil
		}
	}
	if p, ok := policyAliases[name]; ok {
		return p, nil
	}
	return First, fmt.Errorf("%w %q (known: first, last, linux, old-linux, bsd, solaris and their aliases)", ErrPolicy, name)
}

// take is a part of a new segment that counts: it replaces whatever is held in
// its place.
type take struct {
	Range
	// front is how many octets lie between the start of the segment that the
	// part belongs to and the part.
	front uint32
	age   uint32 // of that segment; 0: it is new
}

// resolve lists in a.takes which parts of the octets of r, none of them
// delivered, count against those that h holds. It changes nothing else.
//
// The octets between two parts, and those left out at either end, are held
// already and stay as they are.
func (a *Arena) resolve(h *hold, policy Policy, r Range) {
	a.takes = a.takes[:0]
	switch {
	case h == nil || h.tail == 0:
		a.take(r, r.Off, 0)
	case policy == Linux:
		a.resolveLinux(h, r)
	default:
		a.resolveTable(h, policy, r)
	}
}

// take adds a part of a segment that starts at offset seg.
func (a *Arena) take(r Range, seg uint64, age uint32) {
	if r.Off < r.End {
		a.takes = append(a.takes, take{Range: r, front: uint32(r.Off - seg), age: age})
	}
}

// resolveTable is resolve for the policies that compare a new segment with the
// held ones from left to right and trim either.
func (a *Arena) resolveTable(h *hold, policy Policy, r Range) {
	left, right := a.neighbours(h, r.Off)
	cur, leftEnd := r.Off, uint64(0)
	if left != 0 {
		leftEnd = a.pieces.At(left).end()
	}
	if leftEnd > r.Off {
		cur = policy.leftOverlap(r, leftEnd)
	}
	for right != 0 && cur < r.End {
		p := a.pieces.At(right)
		if p.off >= r.End {
			break
		}
		if p.end() > r.End {
			cur, r.End = policy.rightOverlap(cur, r.End, p.off)
			break
		}
		if policy.keepsCovered(cur, r, p.span(), leftEnd) {
			a.take(Range{cur, p.off}, cur, 0)
			cur = p.end()
		}
		right = p.next
	}
	a.take(Range{cur, r.End}, cur, 0)
}

// leftOverlap returns where a new segment, whose beginning lies in a held one
// that ends at leftEnd, begins to count.
func (p Policy) leftOverlap(r Range, leftEnd uint64) uint64 {
	switch p {
	case Last:
		return r.Off
	case Solaris:
		if leftEnd >= r.End {
			return r.End
		}
		return r.Off
	}
	return min(leftEnd, r.End)
}

// rightOverlap returns what is left of a new segment, now from cur to end, whose
// end lies in a held one that begins at off.
func (p Policy) rightOverlap(cur, end, off uint64) (uint64, uint64) {
	switch {
	case p == First || p == Solaris:
		return cur, off
	case p != Last && cur == off:
		return end, end
	}
	return cur, end
}

// keepsCovered reports whether a held segment stays although the new one, r,
// which counts from cur, covers it. The segment to the left ends at leftEnd.
func (p Policy) keepsCovered(cur uint64, r, held Range, leftEnd uint64) bool {
	switch p {
	case First:
		return true
	case BSD:
		return cur >= held.Off
	case Solaris:
		return r == held && leftEnd < r.Off
	}
	return false
}

// joinMax is how many further segments join one that they follow, under Linux:
// the kernel chains as many to one sk_buff (MAX_SKB_FRAGS). How many it is in a
// given case is the driver's affair: short ones are copied behind the first where
// it has left room, beyond any number, and a driver whose buffers are no parts of
// pages has long ones joined to none.
const joinMax = 17

// resolveLinux is resolve for Linux. A held segment is a run of pieces with the
// same start, seg; its visible octets may begin later.
//
// Ends of segments rise with their starts, since what another covers is dropped.
// So the last one that starts at or before the new one decides, p; only one that
// ends where the new one starts is met before it, if it is the older of the two:
// the kernel keeps segments in a tree and goes down from those that came first.
// With four segments and more, rebalancing can turn that around: the kernel's
// answer is then a matter of its tree's history. TestLinuxKernel finds it the
// same for all arrangements of three, and in 19 of 20 of four to eight.
func (a *Arena) resolveLinux(h *hold, r Range) {
	left, n := a.neighbours(h, r.Off)
	q := left
	for n != 0 && a.pieces.At(n).seg() <= r.Off {
		q, n = n, a.pieces.At(n).next
	}
	if q == 0 {
		a.take(r, r.Off, 0)
		return
	}
	p := a.pieces.At(q)
	if p.end() <= r.Off {
		a.join(r, p)
		return
	}
	if left != 0 && left != q {
		l := a.pieces.At(left)
		ends := l.end() == r.Off && a.pieces.At(l.next).seg() != l.seg() // its segment, and not just its first part
		if ends && l.seg() != p.seg() && l.olderThan(p) {
			a.join(r, l)
			return
		}
	}
	switch {
	case r.End <= p.end(): // all octets are held
	case p.seg() == r.Off: // covers a segment of the same start: replaces it
		for p.prev != 0 && a.pieces.At(p.prev).seg() == r.Off {
			p = a.pieces.At(p.prev)
		}
		a.take(Range{p.off, r.End}, r.Off, p.age)
	default: // adds what lies beyond
		a.take(Range{p.end(), r.End}, r.Off, 0)
	}
}

// join takes a new segment as a part of the one that p ends, if it follows it,
// else as one of its own.
func (a *Arena) join(r Range, p *piece) {
	if p.end() == r.Off && p.joined < joinMax {
		a.take(r, p.seg(), p.age)
	} else {
		a.take(r, r.Off, 0)
	}
}
