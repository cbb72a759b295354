package tcpfsm

import (
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// span is the sequence numbers from, from+1, ..., to-1.
type span struct{ from, to wire.Seq }

// holeList is room for the holes of one endpoint while they are rearranged.
// One segment touches a contiguous range: it may split a hole and mark parts
// of each, so that twice the holes and one are enough.
type holeList struct {
	n    int
	at   [2*holesMax + 1]span
	lost [2*holesMax + 1]bool
}

// push appends a hole, joined to the one before it if it continues it.
func (l *holeList) push(s span, lost bool) {
	if !s.from.Less(s.to) {
		return
	}
	if l.n > 0 && l.at[l.n-1].to == s.from && l.lost[l.n-1] == lost {
		l.at[l.n-1].to = s.to
		return
	}
	assert.That(l.n < len(l.at), "room for all holes")
	l.at[l.n], l.lost[l.n] = s, lost
	l.n++
}

// lost reports whether hole i is of octets that the endpoint did send.
func (e *tcb) lost(i uint8) bool { return e.facts&(factLost<<i) != 0 }

// store makes l the endpoint's holes. The lowest are forgotten if there are too
// many; rcvNXT is the peer's RCV.NXT, behind which that is no loss.
func (e endpoint) store(l *holeList, rcvNXT wire.Seq) {
	skip := max(0, l.n-holesMax)
	for _, s := range l.at[:skip] {
		if rcvNXT.Less(s.to) {
			e.set(factForgot)
		}
	}
	e.setHoles(l.n - skip)
	for i := skip; i < l.n; i++ {
		e.hole[i-skip] = l.at[i]
		if l.lost[i] {
			e.facts |= factLost << (i - skip)
		}
	}
}

// open adds a hole at the end of the stream: s starts at or beyond all others.
func (e endpoint) open(s span, lost bool, rcvNXT wire.Seq) {
	var l holeList
	for i := range e.holes() {
		l.push(e.hole[i], e.lost(i))
	}
	l.push(s, lost)
	e.store(&l, rcvNXT)
}

// unseenFrom makes everything from seq on a hole: nothing of it has passed us.
func (e endpoint) unseenFrom(seq, rcvNXT wire.Seq) {
	e.setHoles(0)
	e.open(span{seq, e.sndNXT}, false, rcvNXT)
}

// fill takes s out of the holes: its octets have arrived.
func (e endpoint) fill(s span, rcvNXT wire.Seq) {
	if e.holes() == 0 {
		return
	}
	var l holeList
	for i := range e.holes() {
		h := e.hole[i]
		l.push(span{h.from, least(h.to, s.from)}, e.lost(i))
		l.push(span{greatest(h.from, s.to), h.to}, e.lost(i))
	}
	e.store(&l, rcvNXT)
}

// lose notes that the octets s were sent and lost behind us: where they are in
// holes they are lost now, and those from fresh on, sent for the first time,
// are a hole.
func (e endpoint) lose(s span, fresh, rcvNXT wire.Seq) {
	var l holeList
	for i := range e.holes() {
		h := e.hole[i]
		l.push(span{h.from, least(h.to, s.from)}, e.lost(i))
		l.push(span{greatest(h.from, s.from), least(h.to, s.to)}, true)
		l.push(span{greatest(h.from, s.to), h.to}, e.lost(i))
	}
	l.push(span{greatest(s.from, fresh), s.to}, true)
	e.store(&l, rcvNXT)
}

// tidyHoles gives up holes that need not be known any more: lost ones that the
// peer has received nevertheless, and others lateOctets behind it.
func (e endpoint) tidyHoles(rcvNXT wire.Seq) {
	if e.holes() == 0 {
		return
	}
	var l holeList
	for i := range e.holes() {
		from := rcvNXT - lateOctets
		if e.lost(i) {
			from = rcvNXT
		}
		l.push(span{greatest(e.hole[i].from, from), e.hole[i].to}, e.lost(i))
	}
	e.store(&l, rcvNXT)
}

// sentBefore narrows s to the least span that contains all octets of s that
// the endpoint has sent before; it is empty if there are none. Between its ends
// there may be holes.
func (e endpoint) sentBefore(s span) span {
	if !e.has(factSeen) {
		return span{s.from, s.from}
	}
	if !e.has(factFar) {
		s.from = greatest(s.from, e.start)
	}
	s.to = least(s.to, e.sndNXT)
	if e.has(factFIN) {
		s.to = least(s.to, e.fin)
	}
	for i := range e.holes() {
		if h := e.hole[i]; !e.lost(i) && h.from.LessEq(s.from) && s.from.Less(h.to) {
			s.from = h.to
		}
	}
	for i := e.holes(); i > 0; i-- {
		if h := e.hole[i-1]; !e.lost(i-1) && h.from.Less(s.to) && s.to.LessEq(h.to) {
			s.to = h.from
		}
	}
	if !s.from.Less(s.to) {
		s.to = s.from
	}
	return s
}

// unseen counts the octets of s that have not passed us.
func (e endpoint) unseen(s span) (octets uint32) {
	for i := range e.holes() {
		h := span{greatest(e.hole[i].from, s.from), least(e.hole[i].to, s.to)}
		if !e.lost(i) && h.from.Less(h.to) {
			octets += uint32(h.to - h.from)
		}
	}
	return octets
}

// contiguous returns how far the stream that e sends reaches without a hole
// when everything up to seq has arrived.
func (e endpoint) contiguous(seq wire.Seq) wire.Seq {
	to := e.sndNXT
	if e.has(factForgot) {
		to = seq
	}
	for i := e.holes(); i > 0; i-- {
		if seq.LessEq(e.hole[i-1].from) {
			to = least(to, e.hole[i-1].from)
		}
	}
	if e.has(factFIN) {
		to = least(to, e.fin+1)
	}
	return to
}

// checkHoles asserts that holes are disjoint, ascending and below SND.NXT.
func (e endpoint) checkHoles() {
	for i := range e.holes() {
		assert.That(e.hole[i].from.Less(e.hole[i].to), "a hole is not empty")
		assert.That(e.hole[i].to.LessEq(e.sndNXT), "a hole is below SND.NXT")
		assert.That(i == 0 || e.hole[i-1].to.LessEq(e.hole[i].from), "holes ascend")
	}
}

func least(a, b wire.Seq) wire.Seq {
	if a.Less(b) {
		return a
	}
	return b
}

func greatest(a, b wire.Seq) wire.Seq {
	if a.Less(b) {
		return b
	}
	return a
}
