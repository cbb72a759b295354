package buffers

import "slices"

// slowStream is the obviously correct twin of a stream in an arena: an octet at
// a time, over offsets base to base+len(octets), with the overlap behaviours
// written down as the sentences of their tables.
type slowStream struct {
	base, next uint64
	policy     Policy
	octets     []slowOctet // waiting; of those before next, value is what was delivered
	segs       []*slowSeg  // Linux: every held segment, by start
	limit      uint64      // memory the stream may have
	retaining  bool
	retain     uint64
	acked      uint64
	age        int
}

// slowOctet is one octet of a stream.
type slowOctet struct {
	value byte
	seg   *slowSeg   // the segment it belongs to; nil: not waiting
	piece *slowPiece // what it is stored with; nil: not waiting
	kept  bool       // delivered and retained
}

// slowSeg is a held segment. The bounds of a segment under the table's policies
// are those of its octets; under Linux they are its own.
type slowSeg struct {
	start, end uint64
	joined     int
	age        int // lower is older
}

// slowPiece is the memory that a run of octets was put into when it came.
type slowPiece struct{ charge uint64 }

func newSlowStream(base uint64, size int, p Policy, limit uint64) *slowStream {
	return &slowStream{base: base, next: base, policy: p, octets: make([]slowOctet, size), limit: limit}
}

func (t *slowStream) at(off uint64) *slowOctet { return &t.octets[off-t.base] }

func (t *slowStream) end() uint64 { return t.base + uint64(len(t.octets)) }

// waits reports whether off is held beyond next.
func (t *slowStream) waits(off uint64) bool {
	return off >= t.next && off < t.end() && t.at(off).seg != nil
}

// bounds returns the extent of the octets of a segment.
func (t *slowStream) bounds(s *slowSeg) Range {
	r := Range{}
	for off := t.next; off < t.end(); off++ {
		if t.at(off).seg == s {
			if r.End == 0 {
				r.Off = off
			}
			r.End = off + 1
		}
	}
	return r
}

// slowResult is what the twin expects of a Result.
type slowResult struct {
	delivered []byte
	gap       Range
	rexmit    Rexmit
	originals map[uint64]byte
	refused   Refusal
}

// compare says what is known of octets before they are inserted.
func (t *slowStream) compare(off uint64, text []byte) slowResult {
	r := slowResult{originals: map[uint64]byte{}}
	for i, b := range text {
		o := off + uint64(i)
		c := t.at(o)
		switch {
		case o < t.next && !c.kept:
			r.rexmit.Octets++
			r.rexmit.Unknown++
		case o < t.next || c.seg != nil:
			r.rexmit.Octets++
			r.originals[o] = c.value
			if c.value != b {
				if r.rexmit.Differ == 0 {
					r.rexmit.DiffAt = o
				}
				r.rexmit.Differ++
			}
		}
	}
	return r
}

func (t *slowStream) insert(off uint64, text []byte) slowResult {
	r := t.compare(off, text)
	if off < t.next {
		n := min(t.next-off, uint64(len(text)))
		off, text = off+n, text[n:]
	}
	if len(text) == 0 {
		return r
	}
	t.purge()
	wins := t.winners(off, text)
	ahead := off > t.next
	for i := 0; i < len(text); {
		if !wins[i] {
			i++
			continue
		}
		j := i
		for j < len(text) && wins[j] {
			j++
		}
		run := Range{off + uint64(i), off + uint64(j)}
		if ahead && t.memory()+t.cost(run) > t.limit {
			for k := i; k < len(text); k++ {
				if wins[k] && t.at(off+uint64(k)).seg == nil {
					r.refused.Octets++
				}
			}
			r.refused.Off, r.refused.Why = run.Off, ReasonFlowCap
			break
		}
		t.write(run, text[i:j], t.linuxSeg(off, off+uint64(len(text))))
		i = j
	}
	r.delivered = t.deliver()
	return r
}

// cost returns the memory that a run takes, with what it splits.
func (t *slowStream) cost(run Range) uint64 {
	c := chargeFor(int(run.Len()))
	if t.memory() == 0 {
		c += holdCharge
	}
	first, last := t.at(run.Off), t.at(run.End-1)
	if t.waits(run.Off) && first.piece == last.piece && t.waits(run.Off-1) && t.at(run.Off-1).piece == first.piece {
		n := 0
		for o := run.End; t.waits(o) && t.at(o).piece == first.piece; o++ {
			n++
		}
		if n > 0 {
			c += chargeFor(n)
		}
	}
	return c
}

// memory returns what the octets that wait are accounted with.
func (t *slowStream) memory() uint64 {
	sum := uint64(0)
	seen := map[*slowPiece]bool{}
	for _, c := range t.octets {
		if c.seg != nil && !seen[c.piece] {
			seen[c.piece] = true
			sum += c.piece.charge
		}
	}
	if sum > 0 {
		sum += holdCharge
	}
	return sum
}

// write stores a run of octets over what is there.
func (t *slowStream) write(run Range, data []byte, seg *slowSeg) {
	piece := &slowPiece{chargeFor(len(data))}
	if seg == nil {
		seg = &slowSeg{}
	}
	if t.waits(run.Off-1) && t.waits(run.End) && t.at(run.Off-1).piece == t.at(run.End).piece {
		old := t.at(run.End).piece
		tail := []*slowOctet{}
		for o := run.End; t.waits(o) && t.at(o).piece == old; o++ {
			tail = append(tail, t.at(o))
		}
		rest, restSeg := &slowPiece{chargeFor(len(tail))}, &slowSeg{}
		for _, c := range tail {
			c.piece, c.seg = rest, restSeg
		}
	}
	for i, b := range data {
		*t.at(run.Off + uint64(i)) = slowOctet{value: b, seg: seg, piece: piece}
	}
}

// deliver moves next over what waits there.
func (t *slowStream) deliver() []byte {
	var out []byte
	for t.waits(t.next) {
		c := t.at(t.next)
		out = append(out, c.value)
		c.seg, c.piece, c.kept = nil, nil, t.retaining
		t.next++
	}
	t.expire()
	return out
}

// expire drops what retention does not ask for.
func (t *slowStream) expire() {
	for o := t.base; o < t.next; o++ {
		if t.acked > t.retain && o < t.acked-t.retain {
			t.at(o).kept = false
		}
	}
}

// skip gives up what is missing from next to off, or to the first held octet.
func (t *slowStream) skip(off uint64) slowResult {
	r := slowResult{gap: Range{t.next, t.next}}
	for t.next < off && !t.waits(t.next) {
		t.next++
	}
	if r.gap.End = t.next; r.gap.Len() == 0 {
		r.gap = Range{}
		return r
	}
	r.delivered = t.deliver()
	return r
}

// winners returns which octets of a new segment count.
func (t *slowStream) winners(off uint64, text []byte) []bool {
	wins := make([]bool, len(text))
	r := Range{off, off + uint64(len(text))}
	for i := range text {
		o := off + uint64(i)
		switch {
		case !t.waits(o):
			wins[i] = true
		case t.policy == Linux:
			wins[i] = t.linuxWins(r, o)
		default:
			held := t.bounds(t.at(o).seg)
			startsBefore := held.Off > r.Off && wins[held.Off-1-r.Off]
			leftGap := r.Off > t.next && !t.waits(r.Off-1)
			wins[i] = t.policy.slowWins(r, held, startsBefore, leftGap)
		}
	}
	return wins
}

// slowWins says whether the octets that a new segment shares with a held one
// become the new ones. startsBefore: what counts of the new one begins before
// the held one. leftGap: the octet before the new one is missing.
func (p Policy) slowWins(r, held Range, startsBefore, leftGap bool) bool {
	left, right := held.Off < r.Off, held.End > r.End
	switch p {
	case First:
		return false
	case Last:
		return true
	case OldLinux:
		switch {
		case left:
			return false // keep first
		case right:
			return startsBefore // truncate existing, unless both start together
		}
		return true // drop old
	case BSD:
		return !left && startsBefore
	case Solaris:
		switch {
		case left:
			return held.End < r.End // trim first, unless it covers the new one
		case right:
			return false // truncate new
		}
		return !(held == r && leftGap) // new wins, except same size and start with a left gap
	}
	panic("no table for " + p.String())
}

// linuxSeg enters a new segment into the kernel's queue and returns the segment
// it belongs to then; nil under other policies and where it is dropped.
func (t *slowStream) linuxSeg(start, end uint64) *slowSeg {
	if t.policy != Linux {
		return nil
	}
	if start == t.next {
		return &slowSeg{start: start, end: end} // delivered at once
	}
	if s := t.followed(start); s != nil {
		s.end = max(s.end, end)
		s.joined++
		return s
	}
	before, at := t.before(start)
	t.age++
	seg := &slowSeg{start: start, end: end, age: t.age}
	switch {
	case before != nil && end <= before.end:
		return nil
	case before != nil && before.start == start:
		seg.age = before.age
		t.segs[at-1] = seg
	default:
		t.segs = slices.Insert(t.segs, at, seg)
		at++
	}
	t.dropCovered(at, seg)
	return seg
}

// before returns the last segment that starts at or before off, and where the
// next one stands.
func (t *slowStream) before(off uint64) (s *slowSeg, at int) {
	for i := range t.segs {
		if t.segs[i].start <= off {
			s, at = t.segs[i], i+1
		}
	}
	return s, at
}

// followed returns the segment that one which starts at off is joined to: that
// which ends there, unless the kernel meets another first.
func (t *slowStream) followed(off uint64) *slowSeg {
	before, _ := t.before(off)
	for _, s := range t.segs {
		if s.end == off && s.joined < joinMax && (s == before || s.age < before.age) {
			return s
		}
	}
	return nil
}

// dropCovered removes segments from index at on that seg covers.
func (t *slowStream) dropCovered(at int, seg *slowSeg) {
	for at < len(t.segs) && t.segs[at].end <= seg.end {
		t.segs = append(t.segs[:at], t.segs[at+1:]...)
	}
}

// purge removes segments that have no octet left: those that a segment which
// took in another has covered.
func (t *slowStream) purge() {
	visible := map[*slowSeg]bool{}
	for _, c := range t.octets {
		visible[c.seg] = true
	}
	t.segs = slices.DeleteFunc(t.segs, func(s *slowSeg) bool { return !visible[s] })
}

// linuxWins says whether a new segment's octet at o, which is held, counts: the
// kernel reads each octet from the segment that starts first among those it has
// not dropped.
func (t *slowStream) linuxWins(r Range, o uint64) bool {
	if r.Off == t.next {
		return true
	}
	before, _ := t.before(r.Off)
	held := t.at(o).seg
	switch {
	case before == nil || t.followed(r.Off) != nil:
		return true
	case r.End <= before.end:
		return false
	case before.start == r.Off && held == before:
		return true
	}
	return held.start > r.Off
}
