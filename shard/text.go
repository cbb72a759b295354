package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// pairOf returns the flow's streams, which it makes if need be.
func (s *Shard) pairOf(fl *flow) *pair {
	if fl.paired() {
		return s.pairs.At(fl.pair)
	}
	was := flow{pair: fl.pair}
	h, p := s.pairs.New()
	fl.pair = h
	for side := range p.dir {
		s.asWished(fl, &p.dir[side].stream, wire.Dir(side))
		if d := wire.Dir(side); was.isStraight(d) {
			s.layOut(fl, &p.dir[side], d)
		}
	}
	return p
}

// asWished gives a new stream of the flow its policy and size.
func (s *Shard) asWished(fl *flow, st *buffers.Stream, d wire.Dir) {
	key, plan := s.keyOf(fl), s.plans.At(fl.plan)
	policy, chosen := s.cfg.policyFor(&key, fl.role.client()^uint8(d)^1)
	var w wish
	if fl.more != 0 {
		w = s.mores.At(fl.more).wish
	}
	switch {
	case chosen:
	case w.set:
		policy, chosen = w.how, true
	case plan.PolicySet:
		policy, chosen = plan.Policy, true
	}
	if chosen {
		fl.flags |= flowPolicySet
	}
	st.SetPolicy(policy)
	s.arena.SetCap(st, w.octets[d])
}

// closePair gives back the flow's streams.
func (s *Shard) closePair(fl *flow) {
	if !fl.paired() {
		fl.pair = 0
		return
	}
	p := s.pairs.At(fl.pair)
	for side := range p.dir {
		s.arena.Close(&p.dir[side].stream, fl.id.Slot())
	}
	s.arena.Commit()
	s.pairs.Free(fl.pair)
	fl.pair = 0
}

// position makes sure that it is known which octet a side's stream is at.
//
// A stream that nothing was inserted into starts where the state machine says,
// which a SYN with another ISN may still move. One that begins to be read in the
// middle of its connection continues at the offset it has reached: the state
// machine has that modulo 2^32, and the octets counted say how often it wrapped.
func (s *Shard) position(fl *flow, d wire.Dir) bool {
	st := &s.pairs.At(fl.pair).dir[d]
	if st.touched {
		return true
	}
	start, ok := fl.conn.StreamStart(d)
	if !ok {
		return false
	}
	if plan := s.plans.At(fl.plan); !st.open && plan.Keep[d] {
		s.arena.Retain(&st.stream, fl.id.Slot(), plan.History)
	}
	st.seq, st.open = start, true
	if fl.flags&(flowUnread<<d) != 0 {
		reached := s.reached(fl, d)
		off := uint64(reached - start)
		for _, sent := s.sentBy(fl, d); off+1<<31 < sent; {
			off += 1 << 32
		}
		st.seq = reached
		s.arena.Start(&st.stream, fl.id.Slot(), off)
		st.touched = true
	}
	return true
}

// reached returns the sequence number of the text that comes next in order on a
// side, before the segment at hand: what its receiver has, or is having now.
func (s *Shard) reached(fl *flow, d wire.Dir) wire.Seq {
	nxt, known := fl.conn.RcvNXT(d.Reverse())
	if d != s.seg.dir {
		return nxt
	}
	seg, l := &s.frame.Packet.Segment, &s.seg.look
	seq := seg.TextSeq()
	switch {
	case known && (nxt.Less(seq) || l.OldLen == seg.Len): // beyond a hole, or nothing new
		return nxt
	case l.OldOff == 0:
		return seq.Add(l.OldLen)
	}
	return seq
}

// offset returns the stream offset of a sequence number near the stream's
// position; false if it lies before the start.
func (st *pairSide) offset(seq wire.Seq) (uint64, bool) {
	diff := int64(seq.Diff(st.seq))
	next := st.stream.Next()
	if diff < 0 && uint64(-diff) > next {
		return 0, false
	}
	return next + uint64(diff), true
}

// moved keeps seq at the stream's position.
func (st *pairSide) moved(before uint64) {
	st.seq = st.seq.Add(uint32(st.stream.Next() - before))
}

// text puts the sender's octets in order, and raises those that have become
// available.
func (s *Shard) text() {
	s.stage = stagePost
	fl, d := s.fl, s.seg.dir
	if s.seg.dropped {
		s.stage = stageSettle
		return
	}
	if !s.disp.Plan().Reassemble[d] {
		if s.frame.Packet.PayloadLen > 0 {
			fl.flags |= flowUnread << d
		}
		return
	}
	if !fl.isTCP() {
		s.datagram(fl, d)
		return
	}
	if s.seg.look.Text == tcpfsm.Ignore {
		return
	}
	if s.frame.Packet.PayloadLen == 0 && s.straighten(fl, s.disp.Plan(), d) {
		return
	}
	s.pairOf(fl)
	if !s.position(fl, d) {
		return
	}
	seq, text := s.accepted()
	if len(text) == 0 {
		return
	}
	s.insert(fl, d, seq, text)
}

// accepted returns the captured octets of the segment that may enter the stream,
// and the sequence number of the first.
func (s *Shard) accepted() (wire.Seq, []byte) {
	p := &s.frame.Packet
	seq, text := p.Segment.TextSeq(), p.Payload(s.frame.Data)
	if l := &s.seg.look; l.Text == tcpfsm.TakeTrimmed {
		from := min(int(l.TakeOff), len(text))
		return seq.Add(uint32(from)), text[from:min(int(l.TakeOff+l.TakeLen), len(text))]
	}
	return seq, text
}

// insert hands octets to the stream. Where a budget refuses them, the first hole
// is given up for the sake of what lies beyond it, and the stage comes again.
func (s *Shard) insert(fl *flow, d wire.Dir, seq wire.Seq, text []byte) {
	st := s.side(fl, d)
	off, ok := st.offset(seq)
	if !ok { // begins before the start of the stream
		before := st.seq.Add(uint32(-st.stream.Next())).Diff(seq)
		if before >= int32(len(text)) || before < 0 {
			return
		}
		off, text = 0, text[before:]
	}
	if s.seg.again > off { // what comes before was taken when the rest was refused
		text = text[min(s.seg.again-off, uint64(len(text))):]
		off = s.seg.again
	}
	was := st.stream.Next()
	st.touched = true
	s.arena.Insert(&st.stream, fl.id.Slot(), off, text, &s.result)
	st.moved(was)
	s.noteRexmit(fl, &s.result.Rexmit)
	if s.result.Refused.Why != buffers.ReasonNone {
		if s.makeRoom(fl, d) {
			return
		}
	}
	s.raisePieces(d)
}

// makeRoom gives up the first hole of a stream that has no budget for what lies
// beyond it: what was held becomes available, and the segment is tried again.
func (s *Shard) makeRoom(fl *flow, d wire.Dir) bool {
	refused := uint64(s.result.Refused.Octets)
	s.seg.again = s.result.Refused.Off
	if s.giveUp(fl, d, uevents.GapBudget) {
		s.stage = stageText
		return true
	}
	s.labelOf(fl).refused += refused
	s.stats.Refused += refused
	return false
}

// noteRexmit labels the flow by what a comparison found.
func (s *Shard) noteRexmit(fl *flow, r *buffers.Rexmit) {
	switch r.Match() {
	case buffers.MatchDiffers:
		s.labelOf(fl).conflicts++
	case buffers.MatchUnknown:
		s.labelOf(fl).matchUnknown = true
	}
}

// raisePieces queues OnNewData for the octets that the last call made available.
func (s *Shard) raisePieces(d wire.Dir) {
	for i := range s.result.Pieces {
		p := &s.result.Pieces[i]
		if o := s.disp.Add(uevents.KindNewData, uevents.PostTCP, d); o != nil {
			o.Data, o.Off = p.Data, p.Off
		}
	}
}

// giveUp gives up the first hole of a side's stream that something is held
// beyond, at the end of the flow also what is missing behind all that came, and
// reports false if there is none.
func (s *Shard) giveUp(fl *flow, d wire.Dir, why uevents.GapReason) bool {
	if fl.pair == 0 || !fl.isTCP() {
		return false
	}
	if !fl.paired() {
		assert.That(why == uevents.GapEnd, "nothing is held of a stream that is straight")
		if nxt, _ := stands(&fl.conn, d); !fl.isStraight(d) || !missing(&fl.conn, d, nxt) {
			return false
		}
		s.pairOf(fl)
	}
	st := s.side(fl, d)
	was := st.stream.Next()
	if !s.arena.Skip(&st.stream, fl.id.Slot(), &s.result) {
		end, missing := s.tail(fl, d)
		if !missing || why != uevents.GapEnd {
			return false
		}
		s.arena.SkipTo(&st.stream, fl.id.Slot(), end, &s.result)
	}
	st.moved(was)
	gap := s.result.Gap
	s.labelOf(fl).gapOctets += gap.Len()
	s.stats.Gaps++
	s.stats.GapBytes += gap.Len()
	s.disp.Queue(uevents.Occurrence{Kind: uevents.KindGap, Hook: uevents.PostTCP, Side: d, Off: gap.Off, A: gap.Len(), B: uint64(why)})
	s.raisePieces(d)
	return true
}

// tail returns up to which offset a side has sent octets, and whether some of
// them are missing: up to its FIN, else up to what its peer has acknowledged.
// There a single number may have been a FIN that missed us, and is not counted.
func (s *Shard) tail(fl *flow, d wire.Dir) (end uint64, missing bool) {
	st := s.side(fl, d)
	seq, certain, known := sentUpTo(&fl.conn, d)
	end, near := st.offset(seq)
	return end, st.open && known && near && end >= st.stream.Next()+uint64(certain)
}

// sentUpTo returns up to where a side is known to have sent octets, and how far
// beyond the octets that have come that must be for some of them to be missing.
func sentUpTo(c *tcpfsm.Conn, d wire.Dir) (seq wire.Seq, certain int32, known bool) {
	if seq, known = c.FIN(d); known {
		return seq, 1, true
	}
	seq, known = c.SndUNA(d)
	return seq, 2, known
}

// missing reports whether octets of a straight stream, which stands at nxt, are
// missing behind all that came.
func missing(c *tcpfsm.Conn, d wire.Dir, nxt wire.Seq) bool {
	if c.FINReceived(d) {
		return false
	}
	seq, certain, known := sentUpTo(c, d)
	return known && seq.Diff(nxt) >= certain
}

// acked gives up a hole of the other side's stream that the sender has now
// acknowledged beyond: it has the octets, only we missed them. The stage comes
// again until there is none.
func (s *Shard) acked() {
	fl, peer := s.fl, s.seg.dir.Reverse()
	if !fl.paired() || s.seg.dropped || !s.frame.Packet.Segment.Flags.Has(wire.ACK) {
		s.stage = stageText
		return
	}
	st := s.side(fl, peer)
	una, known := fl.conn.SndUNA(peer)
	if off, ok := st.offset(una); ok && known && st.open {
		s.arena.Acknowledge(&st.stream, fl.id.Slot(), off)
		hole, held := s.arena.FirstHole(&st.stream)
		if held && hole.End < off && s.giveUp(fl, peer, uevents.GapAcknowledged) {
			return
		}
	}
	s.stage = stageText
}

// datagram raises the payload of a datagram, one event each.
func (s *Shard) datagram(fl *flow, d wire.Dir) {
	p := &s.frame.Packet
	if payload := p.Payload(s.frame.Data); len(payload) > 0 {
		if o := s.disp.Add(uevents.KindNewData, uevents.PostTCP, d); o != nil {
			_, sent := s.sentBy(fl, d)
			o.Data, o.Off = payload, sent-uint64(p.PayloadLen)
		}
	}
}

// compare finds out what a segment repeats, and whether with the same octets.
func (s *Shard) compare() uevents.Rexmit {
	fl, d, l := s.fl, s.seg.dir, &s.seg.look
	r := uevents.Rexmit{
		SYN:    l.Rexmit.Has(tcpfsm.RexmitSYN),
		SYNACK: l.Rexmit.Has(tcpfsm.RexmitSYNACK),
		FIN:    l.Rexmit.Has(tcpfsm.RexmitFIN),
	}
	if l.OldLen == 0 {
		return r
	}
	p := &s.frame.Packet
	r.Len, r.Match = l.OldLen, uevents.MatchUnknown
	text := p.Payload(s.frame.Data)
	old := text[min(int(l.OldOff), len(text)):min(int(l.OldOff+l.OldLen), len(text))]
	if fl.pair == 0 || !s.pairOf(fl).dir[d].open {
		return r
	}
	st := s.side(fl, d)
	off, ok := st.offset(p.Segment.TextSeq().Add(l.OldOff))
	if !ok {
		return r
	}
	r.Offset = off
	s.arena.Compare(&st.stream, off, old, &s.peek)
	switch s.peek.Rexmit.Match() {
	case buffers.MatchSame:
		r.Match = uevents.MatchSame
	case buffers.MatchDiffers:
		r.Match = uevents.MatchDiffers
	}
	if x := &s.peek.Rexmit; len(s.peek.Originals) > 0 {
		first := s.peek.Originals[0]
		for _, o := range s.peek.Originals {
			if x.Differ > 0 && o.Off <= x.DiffAt {
				first = o
			}
		}
		r.Original, r.At = first.Data, l.OldOff+uint32(first.Off-off)
	}
	return r
}

// side returns one side of a flow's streams.
func (s *Shard) side(fl *flow, d wire.Dir) *pairSide { return &s.pairs.At(fl.pair).dir[d] }
