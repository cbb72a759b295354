package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// quick does the work on a frame if it is what nearly all are: a plain segment
// of a connection that both sides have spoken on. It does what the stages would
// do in a fraction of the steps, as nothing can come of such a segment but
// OnPacket and OnNewData. It reports false, having changed nothing, for any
// other frame.
//
// Where handlers are to be called it makes the frame the one under way first, at
// the stage that comes next: if a handler panics, or changes what the flow is
// tracked for, the stages go on from there.
func (s *Shard) quick(f *buffers.Frame, hint handle) bool {
	p := &f.Packet
	snap := s.plans.Snapshot()
	if snap.HasRaw() {
		return s.quickRaw(f, snap)
	}
	if f.Role != buffers.RolePacket || p.Key.Proto != wire.ProtoTCP || p.Marks&wire.MarkICMPError != 0 ||
		p.Captured != p.PayloadLen || s.wheel.advance(f.Clock) {
		return false
	}
	h, fl := s.known(f, hint)
	if h == 0 {
		return s.quickBegin(f)
	}
	d := fl.dirOf(p.Sender)
	t := &fl.sent[d&1]
	if fl.flags&flowReleased != 0 {
		return s.quickReleased(f, fl, d)
	}
	if t.packets == 0 || fl.rtt[wire.ToClient] != 0 && fl.flags&flowRTT == 0 || !fl.conn.Plain(&p.Segment, d) {
		return s.quickTurn(f, h, fl, d)
	}
	plan := s.plans.At(fl.plan)
	reads := p.PayloadLen > 0 && plan.Reassemble[d&1]
	if (plan.Reassemble[d&1] || fl.pair != 0) && !s.inOrder(fl, plan, p, d) || s.checksumBad(f) {
		return false
	}
	if !s.quickPre(f, h, fl, plan, d, false) {
		return true
	}
	fl.conn.AdvancePlain(&p.Segment, d)
	if fl.paired() {
		s.quickAcked(fl, d.Reverse())
	}
	fl.last = f.Clock
	fl.flags |= flowActive
	if !t.add(p.PayloadLen) {
		s.carryOver(fl, d)
	}
	s.fate(FateTracked)
	if p.PayloadLen > 0 && !reads {
		fl.flags |= flowUnread << d
	}
	if reads || s.frame != nil || plan.Wants(uevents.KindPacket, uevents.PostTCP, d) {
		s.quickPost(f, h, fl, d, reads)
	}
	return true
}

// quickRaw is quick where sockets want single frames and none wants flows, of
// which none is left: any frame is shown to them, and that is all.
func (s *Shard) quickRaw(f *buffers.Frame, snap *uevents.Snapshot) bool {
	if snap.HasStream() || s.flows.Len() > 0 || f.Role == buffers.RoleDatagram || s.wheel.advance(f.Clock) {
		return false
	}
	s.arrived(f)
	switch {
	case f.Role == buffers.RoleRaw:
		s.fate(FateRawOnly)
	case f.Packet.Marks&wire.MarkICMPError != 0:
		s.fate(FateICMPUnknown)
	default:
		s.fate(FateUnscoped)
	}
	if mask := snap.FrameMask(&f.Packet, f.Data, f.WireLen); mask != 0 {
		s.frame, s.stage = f, stageDone
		s.bindFrame(f, mask)
		s.disp.Raise(uevents.KindPacket, uevents.PreTCP, wire.Dir(f.Packet.Sender&1), nil, 0)
		s.frame = nil
	}
	return true
}

// quickReleased is quick for a plain segment of a flow that all sockets have let
// go: what is done to let go of an elephant.
func (s *Shard) quickReleased(f *buffers.Frame, fl *flow, d wire.Dir) bool {
	if !fl.conn.Plain(&f.Packet.Segment, d) {
		return false
	}
	s.arrived(f)
	fl.conn.AdvancePlain(&f.Packet.Segment, d)
	fl.last = f.Clock
	s.fate(FateReleased)
	return true
}

// quickPre counts the frame and raises what comes before the step. It reports
// false if that made the segment anything but plain: the stages go on.
func (s *Shard) quickPre(f *buffers.Frame, h handle, fl *flow, plan *uevents.Plan, d wire.Dir, begins bool) bool {
	if !plan.Wants(uevents.KindPacket, uevents.PreTCP, d) {
		s.arrived(f)
		return true
	}
	s.enter(f)
	s.stage = stageRepeat
	s.quickScene(h, fl, d)
	s.seg.begins = begins
	s.disp.Raise(uevents.KindPacket, uevents.PreTCP, d, nil, 0)
	return !s.seg.dropped && !s.seg.changed
}

// quickTurn is quick for the usual segments that open and close a connection,
// without text: besides OnPacket, states change.
func (s *Shard) quickTurn(f *buffers.Frame, h handle, fl *flow, d wire.Dir) bool {
	p := &f.Packet
	plan := s.plans.At(fl.plan)
	if p.PayloadLen > 0 || fl.flags&flowFresh != 0 || plan.Wants(uevents.KindRexmit, uevents.PreTCP, d) ||
		fl.flags&(flowUnread<<d) != 0 && plan.Reassemble[d&1] ||
		fl.paired() && s.waits(fl) || fl.conn.Renews(&p.Segment, d) || s.checksumBad(f) {
		return false
	}
	before := plan.Wants(uevents.KindPacket, uevents.PreTCP, d)
	if before && !s.quickPre(f, h, fl, plan, d, false) {
		return true
	}
	s.seg = segmentState{facts: facts{dir: d}}
	if !fl.conn.Usual(&s.seg.delta, &s.seg.look, &p.Segment, d) {
		return before // then the stages go on behind the handlers
	}
	if !before {
		s.arrived(f)
	}
	fl.last = f.Clock
	fl.flags |= flowActive
	s.count(fl, p, d)
	s.fate(FateTracked)
	if fl.flags&flowRTT == 0 {
		s.timeHandshake(fl, p, d)
	}
	s.relist(h, fl)
	if s.frame != nil || plan.WantsTurn(d) {
		s.quickTold(f, h, fl, plan, d, false)
	} else {
		s.quickOpen(f, fl, plan, d)
	}
	return true
}

// quickTold raises what a usual segment has changed, opens its stream and ends
// the work on the frame, unless a handler has changed something: that is for the
// stages.
func (s *Shard) quickTold(f *buffers.Frame, h handle, fl *flow, plan *uevents.Plan, d wire.Dir, begins bool) {
	s.stage = stageAcked
	if s.frame == nil {
		s.frame = f
		s.quickScene(h, fl, d)
	}
	if begins {
		s.disp.Add(uevents.KindConnStart, uevents.PostTCP, d)
	}
	if s.raiseTCP(d); !s.disp.Idle() {
		s.disp.Run()
	}
	if s.seg.changed {
		return
	}
	s.quickOpen(f, fl, plan, d)
	s.quickPost(f, h, fl, d, false)
}

// quickOpen is the stages acked and text for a usual segment, which has none.
func (s *Shard) quickOpen(f *buffers.Frame, fl *flow, plan *uevents.Plan, d wire.Dir) {
	if fl.paired() && f.Packet.Segment.Flags.Has(wire.ACK) {
		s.quickAcked(fl, d.Reverse())
	}
	if plan.Reassemble[d&1] && !s.straighten(fl, plan, d) {
		s.pairOf(fl)
		s.position(fl, d)
	}
}

// known returns the flow of a frame, which hint may name; 0 if there is none.
func (s *Shard) known(f *buffers.Frame, hint handle) (handle, *flow) {
	if hint != 0 {
		if fl := s.flows.At(hint); s.matches(fl, &f.Packet.Key) {
			return hint, fl
		}
	}
	return s.lookup(f.Hash, &f.Packet.Key)
}

// waits reports whether octets of either stream of the flow wait for a hole.
func (s *Shard) waits(fl *flow) bool {
	pr := s.pairs.At(fl.pair)
	return s.arena.Waits(&pr.dir[0].stream) || s.arena.Waits(&pr.dir[1].stream)
}

// touchPairs is from how many pairs on they are warmed up: fewer, with what is held
// of them, are in a core's caches.
const touchPairs = 1 << 12

// warmStreams is warmRecords for streams that are not straight: their pairs, and
// then what is held of them.
func (s *Shard) warmStreams(n int) (sum uint64) {
	var all [warmFrames]handle
	pairs := all[:0]
	for _, h := range s.hints[:n] {
		if h == 0 {
			continue
		}
		if fl := s.flows.At(h); fl.paired() {
			pairs = append(pairs, fl.pair)
			sum += s.pairs.At(fl.pair).dir[0].stream.Next()
		}
	}
	for _, h := range pairs {
		pr := s.pairs.At(h)
		sum += s.arena.Touch(&pr.dir[0].stream) + s.arena.Touch(&pr.dir[1].stream)
	}
	for _, h := range pairs {
		pr := s.pairs.At(h)
		sum += s.arena.TouchTail(&pr.dir[0].stream) + s.arena.TouchTail(&pr.dir[1].stream)
	}
	return sum
}

// quickAcked is the stage acked for a flow without holes.
func (s *Shard) quickAcked(fl *flow, peer wire.Dir) {
	if st := s.side(fl, peer); st.open && st.stream.Holds() {
		una, known := fl.conn.SndUNA(peer)
		if off, ok := st.offset(una); ok && known {
			s.arena.Acknowledge(&st.stream, fl.id.Slot(), off)
		}
	}
}

// inOrder reports whether nothing of the flow waits, and the packet is where its
// side's stream stands, if somebody reads that. A stream that is not open yet is
// for the stages: its place is told by the first segment that gets to it, with
// text or without.
func (s *Shard) inOrder(fl *flow, plan *uevents.Plan, p *wire.Packet, d wire.Dir) bool {
	if !fl.paired() {
		return !plan.Reassemble[d&1] || fl.isStraight(d)
	}
	if s.waits(fl) {
		return false
	}
	st := s.side(fl, d&1)
	return !plan.Reassemble[d&1] || st.open && st.seq == p.Segment.Seq
}

// quickScene makes the frame under way, a packet of a flow, what handlers see.
func (s *Shard) quickScene(h handle, fl *flow, d wire.Dir) {
	s.seg.facts, s.seg.again = facts{dir: d}, 0
	s.enterFlow(h, fl)
	s.disp.EnterSegment(s.frame, &fl.conn, d)
}

// quickPost raises what comes after the step, and ends the work on the frame
// unless a handler has changed something: that is for the stages.
func (s *Shard) quickPost(f *buffers.Frame, h handle, fl *flow, d wire.Dir, reads bool) {
	if s.frame == nil {
		s.frame = f
		s.quickScene(h, fl, d)
	}
	if reads {
		s.stage = stagePost
		text := f.Packet.Payload(f.Data)
		s.disp.Raise(uevents.KindNewData, uevents.PostTCP, d, text, s.quickText(fl, d, text))
	}
	s.stage = stageSettle
	s.disp.Raise(uevents.KindPacket, uevents.PostTCP, d, nil, 0)
	if s.seg.changed {
		return
	}
	s.seg.lent = false
	if reads && fl.paired() {
		s.arena.Commit()
	}
	s.frame = nil
}

// quickText takes the text at hand, which is next in order, into its stream, and
// returns its offset.
func (s *Shard) quickText(fl *flow, d wire.Dir, text []byte) uint64 {
	if fl.isStraight(d) {
		s.seg.lent = true
		_, off := stands(&fl.conn, d)
		return off - uint64(len(text))
	}
	st := s.side(fl, d)
	off := st.stream.Next()
	st.touched = true
	s.arena.Insert(&st.stream, fl.id.Slot(), off, text, &s.result)
	st.moved(off)
	return off
}
