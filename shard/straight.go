package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// A stream is straight as long as all of its octets have come in order and none
// is kept: nearly all are, to their end. It needs no memory, as where it stands
// follows from what its receiver has received. It gets a pair when that changes,
// which is before the stages step its connection, or when a handler asks for
// more than where it stands (pairOf).

// straight is in the place of flow.pair where streams are open and all of them
// are straight: with a bit for each side that is. No slab has a handle like it.
const straight = ^handle(3)

// paired reports whether the flow has streams that are not straight, or may not
// be.
func (f *flow) paired() bool { return f.pair-1 < straight-1 }

// isStraight reports whether a side's stream is open, and straight.
func (f *flow) isStraight(d wire.Dir) bool { return f.pair >= straight && f.pair>>(d&1)&1 != 0 }

// straighten opens a side's stream as a straight one, if that will do for it:
// nothing has been sent, nothing is to be kept.
func (s *Shard) straighten(fl *flow, plan *uevents.Plan, d wire.Dir) bool {
	if fl.isStraight(d) {
		return true
	}
	if fl.paired() || plan.Keep[d&1] || fl.flags&(flowUnread<<d) != 0 {
		return false
	}
	start, ok := fl.conn.StreamStart(d)
	nxt, known := fl.conn.RcvNXT(d.Reverse())
	if !ok || !known || start != nxt {
		return false
	}
	fl.pair |= straight | 1<<d
	return true
}

// crook ends the straightness of a side's stream.
func (f *flow) crook(d wire.Dir) {
	if f.pair &^= 1 << (d & 1); f.pair == straight {
		f.pair = 0
	}
}

// stands returns the sequence number of the octet that a straight stream is at,
// and its offset. The receiver may have got a FIN beyond it.
func stands(c *tcpfsm.Conn, d wire.Dir) (wire.Seq, uint64) {
	start, _ := c.StreamStart(d)
	seq, _ := c.RcvNXT(d.Reverse())
	if c.FINReceived(d) {
		seq--
	}
	return seq, uint64(seq - start)
}

// layOut gives a straight stream, which has a pair now, what is in it. The text
// at hand may be lent to handlers already.
func (s *Shard) layOut(fl *flow, st *pairSide, d wire.Dir) {
	seq, off := stands(&fl.conn, d)
	slot := fl.id.Slot()
	st.open = true
	if !s.seg.lent || s.fl != fl || s.seg.dir != d {
		st.seq, st.touched = seq, off > 0
		s.arena.Start(&st.stream, slot, off)
		return
	}
	text := s.frame.Packet.Payload(s.frame.Data)
	off -= uint64(len(text))
	s.arena.Start(&st.stream, slot, off)
	st.seq, st.touched = seq, true
	s.arena.Insert(&st.stream, slot, off, text, &s.result)
}

// endsWhole reports whether the flow can end with no gap: nobody reads its octets,
// or its streams are straight and nothing is missing behind what came.
func endsWhole(fl *flow) bool {
	if fl.paired() {
		return false
	}
	for d := range wire.Dir(2) {
		if fl.isStraight(d) {
			if nxt, _ := stands(&fl.conn, d); missing(&fl.conn, d, nxt) {
				return false
			}
		}
	}
	return true
}

// bufferedStraight is what is held of a straight stream: what is lent.
func (s *Shard) bufferedStraight(fl *flow, d wire.Dir) uevents.Buffered {
	var st buffers.Stream
	if fl.more != 0 {
		s.arena.SetCap(&st, s.mores.At(fl.more).wish.octets[d])
	}
	b := uevents.Buffered{Limit: s.arena.Cap(&st)}
	if fl.isStraight(d) {
		_, b.Next = stands(&fl.conn, d)
	}
	if s.seg.lent && s.seg.dir == d {
		b.Kept = uint64(s.frame.Packet.Captured)
	}
	return b
}

// adjustStraight brings a straight stream in line with a plan that handlers have
// changed.
func (s *Shard) adjustStraight(fl *flow, plan *uevents.Plan, d wire.Dir) {
	_, off := stands(&fl.conn, d)
	switch {
	case !plan.Reassemble[d] && off == 0:
		fl.crook(d)
	case !plan.Reassemble[d] || plan.Keep[d]:
		s.pairOf(fl) // where it ends is still to be known
	}
}
