package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// begin makes a flow of the frame under way, if anybody wants it and there is
// room. Where room must be made first, the stage stays find.
func (s *Shard) begin() {
	f := s.frame
	p := &f.Packet
	d, how := orient(p)
	client := p.Sender ^ uint8(d)
	mask := s.plans.Snapshot().FlowMask(&p.Key, client)
	if mask == 0 {
		s.refuse(FateUnscoped)
		return
	}
	if s.cfg.NoPickup && how == uevents.StartMidstream {
		s.refuse(FateNoPickup)
		return
	}
	sl := s.slotOf(f.Hash)
	if sl.live >= s.cfg.FlowsPerSlot {
		if v := s.victim(sl); v != 0 {
			s.evict(v)
			return
		}
	}
	h, fl := s.enrol(f, sl, makeRole(client, how, firstLife(p)), mask)
	if h == 0 {
		s.refuse(FateNoRoom)
		return
	}
	s.seg = segmentState{facts: facts{dir: d, begins: true}}
	s.enterFlow(h, fl)
	s.seg.staged = true
	s.stage = stageLook
}

// quickBegin begins a flow with a SYN of the usual kind. It reports false, having
// changed nothing, for any other packet.
func (s *Shard) quickBegin(f *buffers.Frame) bool {
	const d = wire.ToServer
	p := &f.Packet
	if p.PayloadLen > 0 || !tcpfsm.UsualSYN(&p.Segment) {
		return false
	}
	sl := s.slotOf(f.Hash)
	mask := s.plans.Snapshot().FlowMask(&p.Key, p.Sender)
	if mask == 0 || sl.live >= s.cfg.FlowsPerSlot || s.checksumBad(f) ||
		s.plans.At(s.plans.ForMask(mask)).Wants(uevents.KindRexmit, uevents.PreTCP, d) {
		return false
	}
	h, fl := s.enrol(f, sl, makeRole(p.Sender, uevents.StartSYN, lifeEmbryonic), mask)
	if h == 0 {
		return false
	}
	plan := s.plans.At(fl.plan)
	if !plan.Watched {
		s.arrived(f)
	} else if !s.quickPre(f, h, fl, plan, d, true) {
		return true
	}
	fl.flags &^= flowFresh
	s.count(fl, p, d)
	s.seg = segmentState{facts: facts{dir: d}}
	fl.conn.Usual(&s.seg.delta, &s.seg.look, &p.Segment, d)
	s.fate(FateTracked)
	if plan.Watched {
		s.quickTold(f, h, fl, plan, d, true)
	} else {
		s.quickOpen(f, fl, plan, d)
	}
	return true
}

// enrol enters a new flow in its slot; 0 if there is no room.
func (s *Shard) enrol(f *buffers.Frame, sl *slot, r role, mask uevents.Mask) (handle, *flow) {
	h, fl := s.flows.New()
	if h == 0 {
		return 0, nil
	}
	if !sl.index.insert(f.Hash, h) {
		s.flows.Free(h)
		return 0, nil
	}
	sl.live++
	sl.flows++
	fl.id = uevents.MakeFlowID(wire.SlotOf(f.Hash), sl.flows)
	fl.first, fl.last, fl.frame = f.Clock, f.Clock, f.Number
	fl.flags, fl.role = flowFresh, r
	s.setKey(fl, &f.Packet.Key)
	if sl.ranks != nil {
		s.join(sl, h, classUnproven)
	}
	s.crowd(sl, fl.id.Slot())
	s.stats.Flows++
	s.stats.Live++
	if after, ends := s.cfg.Timeouts.of(r.life()); ends {
		s.wheel.arm(timer(h), later(fl.last, after))
	}
	fl.plan = s.sound(s.plans.ForMask(mask), fl.id.Slot())
	return h, fl
}

// orient returns in which direction a flow's first packet travels.
func orient(p *wire.Packet) (wire.Dir, uevents.Start) {
	if p.Key.Proto != wire.ProtoTCP {
		return wire.ToServer, uevents.StartDatagram
	}
	d, how := tcpfsm.Orient(&p.Segment)
	switch how {
	case tcpfsm.StartSYN:
		return d, uevents.StartSYN
	case tcpfsm.StartSYNACK:
		return d, uevents.StartSYNACK
	}
	return d, uevents.StartMidstream
}

// firstLife returns what the timeout of a flow depends on that p begins.
func firstLife(p *wire.Packet) lifecycle {
	if p.Key.Proto != wire.ProtoTCP {
		return lifeDatagram
	}
	return lifeEmbryonic
}

// ending is the work of ending a flow, in steps that handlers' events run
// between.
type ending struct {
	flow   handle // 0: none is under way
	reason uevents.EndReason
	step   endStep
}

// endStep is how far an ending has come.
type endStep uint8

const (
	endExpire endStep = iota // 2 MSL are over: the endpoints' last change of state
	endClient                // what is held of the client's stream
	endServer                // and of the server's
	endEvent                 // OnConnEnd
	endRemove
)

// end begins to end a flow, for a reason that gives way to what TCP says: a
// connection that both sides have closed, or that was reset, ended by that.
func (s *Shard) end(h handle, reason uevents.EndReason) {
	fl := s.flows.At(h)
	if fl.isTCP() && reason != uevents.EndReleased {
		switch {
		case fl.flags&flowReset != 0:
			reason = uevents.EndRST
		case fl.conn.Phase() == tcpfsm.PhaseClosed:
			reason = uevents.EndFIN
		}
	}
	if !s.plans.At(fl.plan).Watched && endsWhole(fl) { // nothing is to be said
		s.stats.Ended[reason]++
		s.remove(h, fl)
		return
	}
	s.ending = ending{flow: h, reason: reason}
	if reason == uevents.EndReleased || fl.flags&flowFresh != 0 {
		s.ending.step = endRemove
	}
	s.enterFlow(h, fl)
	s.sceneOfEnd()
}

// sceneOfEnd tells handlers what they see as a flow ends: no packet of it.
func (s *Shard) sceneOfEnd() {
	if s.frame != nil {
		s.scene(uevents.PhaseFrame, s.frame.Number)
		s.disp.NoPacket()
	}
}

// evict ends a flow to make room.
func (s *Shard) evict(h handle) {
	fl := s.flows.At(h)
	s.stats.Evicted[s.ranks.At(h).class.eviction()]++
	if fl.flags&flowReleased != 0 {
		s.remove(h, fl)
		return
	}
	s.end(h, uevents.EndEvicted)
}

// endOn takes the ending under way one step further.
func (s *Shard) endOn() {
	e := &s.ending
	fl := s.flows.At(e.flow)
	switch e.step {
	case endExpire:
		e.step = endClient
		if fl.isTCP() && e.reason != uevents.EndReused {
			s.expire(fl)
		}
	case endClient, endServer:
		d := wire.Dir(e.step - endClient)
		if !s.giveUp(fl, d, uevents.GapEnd) {
			e.step++
		}
	case endEvent:
		e.step = endRemove
		if o := s.disp.Add(uevents.KindConnEnd, uevents.PostTCP, wire.ToServer); o != nil {
			o.A = uint64(e.reason)
		}
	case endRemove:
		s.stats.Ended[e.reason]++
		h := e.flow
		s.ending = ending{}
		s.remove(h, fl)
	}
}

// expire tells endpoints in TIME-WAIT that their 2 MSL are over.
func (s *Shard) expire(fl *flow) {
	for _, side := range [...]wire.Dir{wire.ToServer, wire.ToClient} {
		if fl.conn.State(side) != tcpfsm.TimeWait {
			continue
		}
		dl := fl.conn.Expire(side)
		s.stateChange(side, &dl)
	}
}

// remove gives back everything that a flow has. Nothing of it may be lent any
// more, and no event of it queued.
func (s *Shard) remove(h handle, fl *flow) {
	sl := &s.slots[fl.id.Slot()]
	key := s.keyOf(fl)
	s.letGo(fl)
	s.wheel.disarm(timer(h))
	if fl.more != 0 {
		s.mores.Free(fl.more)
	}
	if fl.flags&flowReleased != 0 {
		s.stats.Marked--
	} else {
		s.plans.Release(fl.plan)
	}
	if sl.ranks != nil {
		s.leave(sl, h)
	}
	sl.index.remove(key.Hash(s.cfg.Seed), h)
	s.thin(sl)
	s.stats.Live--
	fl.key.version = 0 // a hint may still name the record
	s.flows.Free(h)
	if s.cur == h {
		s.leaveFlow()
		s.seg.changed = false
	}
}

// letGo gives back what a flow has beside its record.
func (s *Shard) letGo(fl *flow) {
	s.closePair(fl)
	if fl.more == 0 {
		return
	}
	m := s.mores.At(fl.more)
	s.disarmAll(&m.timers)
	if m.bag != 0 {
		s.bags.free(m.bag)
		m.bag = 0
	}
}

// drain ends all flows that are left, in the order of their first frames.
func (s *Shard) drain() {
	left := s.byFirst()
	at := 0
	s.protect(func() {
		for {
			if !s.disp.Idle() {
				s.disp.Run()
			}
			switch {
			case s.ending.flow != 0:
				s.endOn()
			case at == len(left):
				return
			default:
				h := left[at]
				at++
				s.endLast(h)
			}
		}
	})
}

// endLast ends a flow because the source has ended.
func (s *Shard) endLast(h handle) {
	fl := s.flows.At(h)
	if fl.flags&flowReleased != 0 {
		s.remove(h, fl)
		return
	}
	s.end(h, uevents.EndShutdown)
	s.scene(uevents.PhaseEnd, fl.frame)
}
