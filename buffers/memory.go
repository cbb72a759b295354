package buffers

import "github.com/mbox-stack/mbox/wire"

// What records cost beside the octets they are for: their size and their link
// in the slab, rounded up (TestSizes).
const (
	pieceOctets = 64
	holdCharge  = 80
)

// chargeFor returns the memory that storing n octets takes.
func chargeFor(n int) uint64 {
	return pieceOctets + uint64(classOctets[classFor(n)])
}

// pieceCharge returns the memory that a piece occupies.
func (a *Arena) pieceCharge(p *piece) uint64 {
	return pieceOctets + uint64(a.blocks.size(p.block))
}

// charge accounts memory to a stream and its slot.
func (a *Arena) charge(h *hold, slot wire.Slot, octets uint64) {
	h.charged += octets
	a.slots[slot].used += octets
	a.used += octets
}

// discharge takes back what charge did.
func (a *Arena) discharge(h *hold, slot wire.Slot, octets uint64) {
	h.charged -= octets
	a.slots[slot].used -= octets
	a.used -= octets
}

// fits says which budget of s does not let it have more memory.
func (a *Arena) fits(s *Stream, h *hold, slot wire.Slot, octets uint64) Reason {
	switch b := &a.slots[slot]; {
	case h.charged+octets > a.Cap(s):
		return ReasonFlowCap
	case b.used+octets > b.allowed:
		return ReasonAllowance
	}
	return ReasonNone
}

// room is fits after giving up as much history of s, oldest first, as it takes.
func (a *Arena) room(s *Stream, h *hold, slot wire.Slot, octets uint64) Reason {
	for {
		why := a.fits(s, h, slot, octets)
		if why == ReasonNone || h.history == 0 {
			return why
		}
		a.stats.HistoryDropped += a.retireOldest(h, slot)
	}
}

// Cap returns how much memory s may have, in octets.
func (a *Arena) Cap(s *Stream) uint64 {
	if s.cap != 0 {
		return uint64(s.cap)
	}
	return a.flowCap
}

// holdOf returns the hold of s, which it makes if there is none. It is not
// refused: a caller that then finds no room for octets gives it back (settle).
func (a *Arena) holdOf(s *Stream, slot wire.Slot) *hold {
	if s.hold != 0 {
		return a.holds.At(s.hold)
	}
	n, h := a.holds.New()
	s.hold = n
	a.charge(h, slot, holdCharge)
	return h
}

// settle ends a change of s: history that is old enough goes, and the hold goes
// if there is nothing in it.
func (a *Arena) settle(s *Stream, slot wire.Slot) {
	if s.hold == 0 {
		return
	}
	h := a.holds.At(s.hold)
	if h.history > 0 {
		a.expire(h, slot)
	}
	if h.head == 0 && !h.retaining {
		a.discharge(h, slot, holdCharge)
		a.holds.Free(s.hold)
		s.hold = 0
	}
}

// add makes a piece of a copy of data. There must be room, and nothing in its
// place.
func (a *Arena) add(h *hold, slot wire.Slot, off uint64, front uint32, data []byte) uint32 {
	n := a.addRoom(h, slot, off, front, uint32(len(data)), uint32(len(data)))
	copy(a.octets(a.pieces.At(n)), data)
	return n
}

// addRoom makes a piece of length octets, not yet written, in a block that has
// room for at least the given number.
func (a *Arena) addRoom(h *hold, slot wire.Slot, off uint64, front, length, room uint32) uint32 {
	n, p := a.pieces.New()
	p.off, p.len, p.front = off, length, front
	p.block = a.blocks.get(classFor(int(room)))
	a.charge(h, slot, a.pieceCharge(p))
	a.link(h, n)
	return n
}

// retire takes a piece out of its stream. Its memory stays until Commit: it may
// be lent.
func (a *Arena) retire(h *hold, slot wire.Slot, n uint32) {
	p := a.pieces.At(n)
	a.unlink(h, n)
	if h.ahead == n {
		h.ahead = p.next
	}
	a.discharge(h, slot, a.pieceCharge(p))
	p.next, a.dead = a.dead, n
}

// vacate removes what waits in r, to make way for other octets.
func (a *Arena) vacate(h *hold, slot wire.Slot, r Range) {
	left, right := a.neighbours(h, r.Off)
	if left != 0 {
		p := a.pieces.At(left)
		if end := p.end(); end > r.Off {
			p.len = uint32(r.Off - p.off)
			h.waiting -= min(end, r.End) - r.Off
			if end > r.End {
				a.addTail(h, slot, p, Range{r.End, end})
				return
			}
		}
	}
	for right != 0 {
		p := a.pieces.At(right)
		next := p.next
		switch {
		case p.off >= r.End:
			return
		case p.end() <= r.End:
			h.waiting -= uint64(p.len)
			a.retire(h, slot, right)
		default:
			cut := uint32(r.End - p.off)
			h.waiting -= uint64(cut)
			p.trim(cut)
		}
		right = next
	}
}

// trim takes n octets off the front of a piece that has more.
func (p *piece) trim(n uint32) {
	p.off += uint64(n)
	p.start += n
	p.front += n
	p.len -= n
}

// addTail makes a piece of its own of r: octets of p that were cut off with
// those before them.
func (a *Arena) addTail(h *hold, slot wire.Slot, p *piece, r Range) {
	from := r.Off - p.off
	data := a.blocks.bytes(p.block)[uint64(p.start)+from:][:r.Len()]
	n := a.add(h, slot, r.Off, p.front+uint32(from), data)
	a.pieces.At(n).age = p.age
}

// splitCharge returns the memory that vacate takes for r: it is not 0 where r
// lies within a piece.
func (a *Arena) splitCharge(h *hold, r Range) uint64 {
	left, _ := a.neighbours(h, r.Off)
	if left == 0 {
		return 0
	}
	if end := a.pieces.At(left).end(); end > r.End {
		return chargeFor(int(end - r.End))
	}
	return 0
}

// SetCap sets how much memory s may have, in octets, from now on; at most
// FlowCapMax. 0 stands for the arena's flow cap.
func (a *Arena) SetCap(s *Stream, octets uint64) {
	s.cap = uint32(min(octets, FlowCapMax))
}

// SetAllowance sets how much memory the streams of a slot may have together, in
// octets, from now on. What they have beyond it stays until it goes by itself.
func (a *Arena) SetAllowance(slot wire.Slot, octets uint64) {
	a.slots[slot].allowed = octets
}

// UsedInAll returns the memory that the streams of all slots have, in octets.
func (a *Arena) UsedInAll() uint64 { return a.used }

// Used returns how much memory the streams of a slot have, in octets.
func (a *Arena) Used(slot wire.Slot) uint64 { return a.slots[slot].used }

// Stats returns what limits did so far.
func (a *Arena) Stats() Stats { return a.stats }

// Bytes returns the memory that the arena occupies, in octets, with what is
// kept for later use.
func (a *Arena) Bytes() int {
	return a.holds.Bytes() + a.pieces.Bytes() + a.blocks.footprint()
}

// Trim leaves memory that no stream has a part of to the collector.
func (a *Arena) Trim() {
	a.Commit()
	a.holds.Trim()
	a.pieces.Trim()
	a.blocks.trim()
}
