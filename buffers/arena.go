package buffers

import (
	"math"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// flowCapDefault is the memory one stream may have. A hole in a path of 1 Gbit/s
// and 30 ms has 3.75 MB behind it when its retransmission comes; less, and one
// lost segment becomes a gap; more, and few hostile streams fill a slot.
const flowCapDefault = 4 << 20

// FlowCapMax is the most memory a stream can be given, in octets: the largest
// window of RFC 7323 §2.2.
const FlowCapMax = 1 << 30

// Config says how much memory an Arena may use and for whom.
type Config struct {
	// FlowCap is the memory one stream may have, in octets, unless SetCap says
	// otherwise. 0 stands for 4 MiB; more than FlowCapMax counts as that.
	FlowCap uint64
	// Allowance is the memory that the streams of one slot may have together,
	// in octets, until SetAllowance says otherwise. 0 stands for twice FlowCap.
	Allowance uint64
	// Seed makes the shape of search trees unpredictable to peers. It has no
	// influence on any result.
	Seed uint64
}

// Arena is the memory of streams: octets that wait for a hole before them to
// fill, and octets that were delivered and are retained.
//
// What it accounts to a stream and a slot is the memory taken for them, records
// and unused ends of blocks included, and depends on the calls for that slot
// alone. It belongs to one goroutine at a time. See NewArena.
type Arena struct {
	holds  *Slab[hold]
	pieces *Slab[piece]
	blocks blocks

	lent   *Result // what the last call reported; nil after Commit
	lentTo *Stream // the stream it was about; valid iff lent is not nil
	dead   uint32  // pieces that are free once nothing is lent, by next; 0: none

	takes   []take // of resolve
	flowCap uint64
	seed    uint64
	age     uint32 // of the last new segment that waits; it wraps
	used    uint64 // octets, of all slots
	slots   [wire.SlotCount]slotBudget
	stats   Stats
}

// slotBudget is what the streams of one slot have and may have, in octets.
type slotBudget struct {
	used, allowed uint64
}

// Stats counts what limits did, since the arena was made.
type Stats struct {
	Refused        [reasonCount]uint64 // new octets kept out of a call, by Reason; tried again, they count again
	HistoryDropped uint64              // retained octets given up early to make room
}

// NewArena returns an empty arena.
func NewArena(cfg Config) *Arena {
	if cfg.FlowCap == 0 {
		cfg.FlowCap = flowCapDefault
	}
	cfg.FlowCap = min(cfg.FlowCap, FlowCapMax)
	if cfg.Allowance == 0 {
		cfg.Allowance = 2 * cfg.FlowCap
	}
	a := &Arena{
		holds:   NewSlab[hold](0),
		pieces:  NewSlab[piece](0),
		flowCap: cfg.FlowCap,
		seed:    cfg.Seed,
	}
	for i := range a.slots {
		a.slots[i].allowed = cfg.Allowance
	}
	return a
}

// Insert takes the text of a segment, which starts at stream offset off, into
// stream s of a slot, and reports in r what became available, what had been
// sent before, and what was refused.
//
// Octets that are next in order are lent from text itself. All others are
// copied: text stays the caller's. Where Refused.Why says that there was no
// room, the caller may give up the first hole (Skip) and insert the octets from
// Refused.Off on again.
func (a *Arena) Insert(s *Stream, slot wire.Slot, off uint64, text []byte, r *Result) {
	r.clear()
	if a.dead != 0 {
		a.Commit()
	}
	a.lent, a.lentTo = r, s
	end := off + uint64(len(text))
	if off == s.next && end > off && !a.Waits(s) {
		r.New = uint32(len(text))
		r.Pieces = append(r.Pieces, Piece{Off: off, Data: text, Lent: true})
		s.next = end
		if s.hold != 0 {
			a.keepOn(s, slot, off, text)
		}
		return
	}
	a.insert(s, slot, off, text, r)
	if assert.Enabled {
		a.check(s)
	}
}

// insert is Insert for segments that are not simply the next.
func (a *Arena) insert(s *Stream, slot wire.Slot, off uint64, text []byte, r *Result) {
	if uint64(len(text)) > math.MaxUint64-off {
		fits := math.MaxUint64 - off
		a.refuse(r, math.MaxUint64, uint64(len(text))-fits, ReasonOffset)
		text = text[:fits]
	}
	a.compare(s, off, text, r)
	if off+uint64(len(text)) <= s.next {
		return
	}
	if off < s.next {
		text = text[s.next-off:]
		off = s.next
	}
	if off == s.next {
		a.insertNext(s, slot, text, r)
	} else {
		a.insertAhead(s, slot, off, text, r)
	}
	a.settle(s, slot)
}

// insertNext takes octets that begin at s.next.
func (a *Arena) insertNext(s *Stream, slot wire.Slot, text []byte, r *Result) {
	var h *hold
	if s.hold != 0 {
		h = a.holds.At(s.hold)
	}
	off := s.next
	a.resolve(h, s.policy, Range{off, off + uint64(len(text))})
	for _, t := range a.takes {
		if h != nil {
			a.vacate(h, slot, t.Range)
			a.deliver(s, h, slot, r)
		}
		assert.That(t.Off == s.next, "between parts of a segment lies what is held")
		data := text[t.Off-off : t.End-off]
		r.Pieces = append(r.Pieces, Piece{Off: t.Off, Data: data, Lent: true})
		s.next = t.End
		if h != nil && h.retaining {
			a.keep(s, h, slot, t.Off, data)
		}
	}
	if h != nil {
		a.deliver(s, h, slot, r)
	}
}

// deliver reports the pieces that follow s.next without a hole.
func (a *Arena) deliver(s *Stream, h *hold, slot wire.Slot, r *Result) {
	for h.ahead != 0 {
		n := h.ahead
		p := a.pieces.At(n)
		if p.off != s.next {
			return
		}
		r.Pieces = append(r.Pieces, Piece{Off: p.off, Data: a.octets(p)})
		s.next = p.end()
		h.ahead = p.next
		h.waiting -= uint64(p.len)
		if h.retaining {
			h.history += uint64(p.len)
		} else {
			a.retire(h, slot, n)
		}
	}
}

// insertAhead stores octets that lie beyond a hole.
func (a *Arena) insertAhead(s *Stream, slot wire.Slot, off uint64, text []byte, r *Result) {
	h := a.holdOf(s, slot)
	a.resolve(h, s.policy, Range{off, off + uint64(len(text))})
	for i, t := range a.takes {
		n, why := a.store(s, h, slot, t, text[t.Off-off:t.End-off])
		if why == ReasonNone {
			continue
		}
		refused := a.missing(h, Range{t.Off + n, t.End})
		for _, u := range a.takes[i+1:] {
			refused += a.missing(h, u.Range)
		}
		a.refuse(r, t.Off+n, refused, why)
		r.New -= uint32(refused)
		return
	}
}

// store keeps the octets of a part of a segment in place of whatever is held
// there. It returns how many it kept, and why not all.
func (a *Arena) store(s *Stream, h *hold, slot wire.Slot, t take, data []byte) (uint64, Reason) {
	for done := uint64(0); ; {
		part := data[done:min(done+chunkOctets, uint64(len(data)))]
		if len(part) == 0 {
			return done, ReasonNone
		}
		r := Range{t.Off + done, t.Off + done + uint64(len(part))}
		if why := a.room(s, h, slot, chargeFor(len(part))+a.splitCharge(h, r)); why != ReasonNone {
			return done, why
		}
		a.vacate(h, slot, r)
		n := a.add(h, slot, r.Off, t.front+uint32(done), part)
		a.enroll(n, t.age)
		h.waiting += uint64(len(part))
		if h.ahead == 0 || r.Off < a.pieces.At(h.ahead).off {
			h.ahead = n
		}
		done += uint64(len(part))
	}
}

// enroll notes which segment piece n belongs to: one of the given age that the
// piece before it belongs to as well, or if age is 0 a new one.
func (a *Arena) enroll(n, age uint32) {
	p := a.pieces.At(n)
	if p.prev != 0 {
		if q := a.pieces.At(p.prev); q.seg() == p.seg() {
			p.age, p.joined = q.age, q.joined+1
			return
		}
	}
	if p.age = age; age == 0 {
		a.age++
		p.age = a.age
	}
}

// Skip gives up the first hole of s: r.Gap is what was missing, r.Pieces what
// followed it. It reports false, and changes nothing, if nothing is held
// beyond s.Next.
func (a *Arena) Skip(s *Stream, slot wire.Slot, r *Result) bool {
	hole, ok := a.FirstHole(s)
	a.SkipTo(s, slot, hole.End, r)
	return ok
}

// SkipTo gives up the octets missing from s.Next on: up to off, but not beyond
// the first octet that is held. r.Gap is what was given up, r.Pieces what
// followed it; if s.Next has reached off it gives up nothing.
func (a *Arena) SkipTo(s *Stream, slot wire.Slot, off uint64, r *Result) {
	r.clear()
	a.Commit()
	a.lent, a.lentTo = r, s
	if hole, ok := a.FirstHole(s); ok {
		off = min(off, hole.End)
	}
	if off <= s.next {
		return
	}
	r.Gap = Range{s.next, off}
	s.next = off
	if s.hold != 0 {
		a.deliver(s, a.holds.At(s.hold), slot, r)
	}
	a.settle(s, slot)
	if assert.Enabled {
		a.check(s)
	}
}

// Start makes off the next octet of s and forgets whatever is held of it: what
// switching reassembly on amid a stream needs. Policy, cap and retention stay.
func (a *Arena) Start(s *Stream, slot wire.Slot, off uint64) {
	a.forget(s, slot)
	if s.hold != 0 {
		a.holds.At(s.hold).acked = 0
	}
	s.next = off
	a.settle(s, slot)
}

// Close gives back all that s has in the arena and ends retention. Next, policy
// and cap stay, so the stream may go on. What a Result lends stays valid.
func (a *Arena) Close(s *Stream, slot wire.Slot) {
	a.forget(s, slot)
	if s.hold != 0 {
		a.holds.At(s.hold).retaining = false
		a.settle(s, slot)
	}
}

// Commit ends what the last Result lends. Every call that fills a Result does
// it first; a caller that is done with a batch may do it early.
func (a *Arena) Commit() {
	a.lent, a.lentTo = nil, nil
	for a.dead != 0 {
		n := a.dead
		p := a.pieces.At(n)
		a.dead = p.next
		a.blocks.put(p.block)
		a.pieces.Free(n)
	}
}

// forget drops all pieces of s.
func (a *Arena) forget(s *Stream, slot wire.Slot) {
	if a.lentTo == s {
		a.lent, a.lentTo = nil, nil
	}
	if s.hold == 0 {
		return
	}
	h := a.holds.At(s.hold)
	for n := h.head; n != 0; {
		p := a.pieces.At(n)
		next := p.next
		a.discharge(h, slot, a.pieceCharge(p))
		p.next, a.dead = a.dead, n
		n = next
	}
	h.root, h.head, h.tail, h.ahead, h.pieces = 0, 0, 0, 0, 0
	h.waiting, h.history = 0, 0
}

// refuse notes octets that were not taken.
func (a *Arena) refuse(r *Result, off, octets uint64, why Reason) {
	if r.Refused.Why == ReasonNone {
		r.Refused.Off, r.Refused.Why = off, why
	} else {
		r.Refused.Off = min(r.Refused.Off, off)
		r.Refused.Why = why
	}
	r.Refused.Octets += uint32(octets)
	a.stats.Refused[why] += octets
}
