package buffers

import (
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// historyBlock is the size at which blocks for retained octets stop to grow, so
// that many small segments share one; at most one block of it is kept for a
// single octet in it.
const historyBlock = 4096

// Retain makes s keep delivered octets until they are acknowledged, and of the
// acknowledged ones the last n. It begins with the octets delivered from now
// on. What it keeps counts against the budgets, and gives way, oldest first, to
// octets that wait.
func (a *Arena) Retain(s *Stream, slot wire.Slot, n uint64) {
	h := a.holdOf(s, slot)
	if !h.retaining {
		h.retaining, h.acked = true, 0
	}
	h.retain = n
	a.settle(s, slot)
}

// Forget ends what Retain began and drops the octets kept by it.
func (a *Arena) Forget(s *Stream, slot wire.Slot) {
	if s.hold == 0 {
		return
	}
	h := a.holds.At(s.hold)
	h.retaining = false
	for h.history > 0 {
		a.retireOldest(h, slot)
	}
	a.settle(s, slot)
}

// Acknowledge notes that the peer has acknowledged all octets before off. To a
// stream that does not retain it means nothing.
func (a *Arena) Acknowledge(s *Stream, slot wire.Slot, off uint64) {
	if s.hold == 0 {
		return
	}
	h := a.holds.At(s.hold)
	if h.retaining && off > h.acked {
		h.acked = off
		a.expire(h, slot)
	}
}

// expire drops retained octets that need not be kept any longer.
func (a *Arena) expire(h *hold, slot wire.Slot) {
	if h.acked <= h.retain {
		return
	}
	low := h.acked - h.retain
	for h.history > 0 {
		p := a.pieces.At(h.head)
		if p.end() > low {
			if p.off < low {
				h.history -= low - p.off
				p.trim(uint32(low - p.off))
			}
			return
		}
		a.retireOldest(h, slot)
	}
}

// retireOldest drops the first retained piece, of which there must be one.
func (a *Arena) retireOldest(h *hold, slot wire.Slot) uint64 {
	n := h.head
	octets := uint64(a.pieces.At(n).len)
	h.history -= octets
	a.retire(h, slot, n)
	return octets
}

// keepOn retains octets that were just delivered, of a stream of which nothing
// waits.
func (a *Arena) keepOn(s *Stream, slot wire.Slot, off uint64, data []byte) {
	if h := a.holds.At(s.hold); h.retaining {
		a.keep(s, h, slot, off, data)
		a.expire(h, slot)
	}
	if assert.Enabled {
		a.check(s)
	}
}

// keep retains octets that were just delivered from a segment, as far as the
// budgets let it. Blocks are as large as the history so far, or as the octets
// need: a stream that retains little has little memory.
func (a *Arena) keep(s *Stream, h *hold, slot wire.Slot, off uint64, data []byte) {
	n := a.extend(h, off, data)
	off, data = off+uint64(n), data[n:]
	for len(data) > 0 {
		n := min(len(data), chunkOctets)
		room := max(n, int(min(h.history, historyBlock)))
		if a.fits(s, h, slot, chargeFor(room)) != ReasonNone {
			room = n // a smaller block costs less history
			if a.room(s, h, slot, chargeFor(room)) != ReasonNone {
				return
			}
		}
		at := a.addRoom(h, slot, off, 0, uint32(n), uint32(room))
		copy(a.octets(a.pieces.At(at)), data)
		h.history += uint64(n)
		off, data = off+uint64(n), data[n:]
	}
}

// extend adds octets to the last retained piece, if they follow it, as far as
// its block has room, and returns how many these were.
func (a *Arena) extend(h *hold, off uint64, data []byte) int {
	if h.history == 0 {
		return 0
	}
	last := h.tail
	if h.ahead != 0 {
		last = a.pieces.At(h.ahead).prev
	}
	p := a.pieces.At(last)
	if p.end() != off {
		return 0
	}
	n := copy(a.blocks.bytes(p.block)[p.start+p.len:], data)
	p.len += uint32(n)
	h.history += uint64(n)
	return n
}
