package buffers

import (
	"cmp"
	"slices"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// Parcel is a stream on its way from one arena to another, with all that was
// held of it. It shares no memory with either. The zero value is an empty
// stream.
type Parcel struct {
	stream    Stream // without a hold
	held      bool   // the stream had a hold: what follows is valid
	retaining bool
	acked     uint64
	retain    uint64
	pieces    []packed // by offset
	octets    []byte   // of all pieces, one after the other
}

// packed is a piece in a Parcel.
type packed struct {
	off    uint64
	len    uint32
	start  uint32 // where in its block the first octet lies
	front  uint32
	ago    uint32 // segments that have come since the one it came from: larger is older
	class  uint8  // of its block
	joined uint8
}

// Pack takes a stream out of the arena with all that is held of it. s is empty
// afterwards; nothing of it may be lent.
func (a *Arena) Pack(s *Stream, slot wire.Slot) (p Parcel) {
	a.Commit()
	p.stream = *s
	p.stream.hold = 0
	if s.hold != 0 {
		a.packHold(s, &p)
		a.Close(s, slot)
		a.Commit()
	}
	*s = Stream{}
	return p
}

// packHold copies what the arena holds of s.
func (a *Arena) packHold(s *Stream, p *Parcel) {
	h := a.holds.At(s.hold)
	p.held, p.retaining, p.acked, p.retain = true, h.retaining, h.acked, h.retain
	p.pieces = make([]packed, 0, h.pieces)
	p.octets = make([]byte, 0, h.waiting+h.history)
	for n := h.head; n != 0; {
		q := a.pieces.At(n)
		p.pieces = append(p.pieces, packed{off: q.off, len: q.len, start: q.start, front: q.front,
			ago: a.age - q.age, class: classFor(int(a.blocks.size(q.block))), joined: q.joined})
		p.octets = append(p.octets, a.octets(q)...)
		n = q.next
	}
}

// Unpack makes s the stream that was packed. It takes the memory that the stream
// had, whatever the budgets say: those are for octets that come. The parcel is
// used up.
func (a *Arena) Unpack(p *Parcel, s *Stream, slot wire.Slot) {
	*s = p.stream
	if !p.held {
		return
	}
	h := a.holdOf(s, slot)
	h.retaining, h.acked, h.retain = p.retaining, p.acked, p.retain
	ages := a.agesOf(p.pieces)
	octets := p.octets
	for i := range p.pieces {
		q := &p.pieces[i]
		n := a.addRoom(h, slot, q.off, q.front, q.len, classOctets[q.class])
		to := a.pieces.At(n)
		to.start, to.joined, to.age = q.start, q.joined, ages[i]
		copy(a.octets(to), octets[:q.len])
		octets = octets[q.len:]
		if q.off < s.next {
			h.history += uint64(q.len)
			continue
		}
		h.waiting += uint64(q.len)
		if h.ahead == 0 {
			h.ahead = n
		}
	}
	if assert.Enabled {
		a.check(s)
	}
	*p = Parcel{}
}

// agesOf returns ages for pieces of another arena: as far apart as is needed for
// their order, and all older than whatever comes.
func (a *Arena) agesOf(pieces []packed) []uint32 {
	oldest := make([]int, len(pieces))
	for i := range oldest {
		oldest[i] = i
	}
	slices.SortStableFunc(oldest, func(i, j int) int { return cmp.Compare(pieces[j].ago, pieces[i].ago) })
	ages := make([]uint32, len(pieces))
	for at, i := range oldest {
		if at == 0 || pieces[i].ago != pieces[oldest[at-1]].ago {
			a.age++
		}
		ages[i] = a.age
	}
	return ages
}

// Allowance returns how much memory the streams of a slot may have together, in
// octets.
func (a *Arena) Allowance(slot wire.Slot) uint64 { return a.slots[slot].allowed }
