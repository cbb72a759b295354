package shard

import (
	"math/bits"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// unpack makes the shard the owner of slots that another one had.
func (s *Shard) unpack(c *Cargo) {
	plans := make([]uevents.PlanID, len(c.plans))
	for i := range c.plans {
		plans[i] = s.plans.Unpack(c.plans[i])
	}
	now := s.plans.Snapshot()
	for i := range c.slots {
		sc := &c.slots[i]
		s.unpackSlot(sc, plans)
		s.moves.elsewhere[sc.at] = false
		s.stats.SlotsIn++
		if now.After(c.snap) { // a change of sockets came here first
			missed := now.Missed(c.snap)
			s.walkSlots(int(sc.at), int(sc.at)+1, func(h handle, fl *flow) { s.renew(h, fl, missed) })
		}
		s.tellMoves(sc.at, now, now.Arrival)
	}
	s.publish()
}

// tellMoves calls what sockets want called with flows of a slot that leave, or
// have come.
func (s *Shard) tellMoves(at wire.Slot, snap *uevents.Snapshot, of func(socket int) (uevents.Handler, uevents.Registration)) {
	if snap.Movers() == 0 {
		return
	}
	for h, fl := range s.flowsOf(at) {
		if fl.flags&flowReleased != 0 {
			continue
		}
		for m := snap.Movers() & s.plans.At(fl.plan).Sockets; m != 0 && fl.flags&flowReleased == 0; m &= m - 1 {
			if f, reg := of(bits.TrailingZeros64(uint64(m))); f != nil && s.faults[fault{at, reg}] < faultsMax {
				s.visit(h, fl, f, reg)
			}
		}
	}
}

// renew brings a flow in line with sockets that have changed: those of joining
// take part if the flow is in their scope.
func (s *Shard) renew(h handle, fl *flow, joining uevents.Mask) {
	key := s.keyOf(fl)
	for m := joining & s.plans.Snapshot().FlowMask(&key, fl.role.client()); m != 0; m &= m - 1 {
		fl.plan = s.plans.With(fl.plan, uevents.Change{Kind: uevents.ChangeJoin, Socket: uint8(bits.TrailingZeros64(uint64(m)))})
	}
	s.adjust(h, fl)
}

// unpackSlot enters one slot as it was.
func (s *Shard) unpackSlot(sc *slotCargo, plans []uevents.PlanID) {
	sl := &s.slots[sc.at]
	assert.That(sl.live == 0 && s.moves.elsewhere[sc.at], "a slot has one owner")
	handles := make([]handle, len(sc.flows))
	for i := range sc.flows {
		handles[i] = s.unpackFlow(&sc.flows[i], plans)
	}
	for i, e := range sc.places {
		if e != 0 {
			sc.places[i] = entry(handles[e.flow()-1])<<32 | entry(e.tag())
		}
	}
	*sl = slot{index: index{places: sc.places, used: uint32(len(sc.flows))}, live: len(sc.flows), flows: sc.begun, timers: sc.timers}
	if sc.ranked {
		s.rank(sl)
		for c, list := range sc.lists {
			for _, i := range list {
				s.join(sl, handles[i], class(c))
			}
		}
	}
	s.arena.SetAllowance(sc.at, sc.allowed)
	for _, f := range sc.faults {
		s.faults[fault{sc.at, f.reg}] += f.times
	}
}

// unpackFlow enters one flow, and returns its handle.
func (s *Shard) unpackFlow(from *flowCargo, plans []uevents.PlanID) handle {
	h, fl := s.flows.New()
	assert.That(h != 0, "there are more handles than slots have room for")
	*fl = from.record
	if fl.more = 0; fl.paired() { // straight streams go with the record
		fl.pair = 0
	}
	s.stats.FlowsIn++
	s.stats.Live++
	if fl.flags&flowReleased != 0 {
		s.stats.Marked++
		s.stats.MarksIn++
	} else {
		fl.plan = plans[from.plan]
	}
	if from.timed {
		s.armIdle(h)
	}
	if from.beside != nil {
		s.unpackBeside(h, fl, from.beside)
	}
	return h
}

// unpackBeside enters what a flow has beside its record.
func (s *Shard) unpackBeside(h handle, fl *flow, b *besideCargo) {
	if b.pair {
		ph, p := s.pairs.New()
		fl.pair = ph
		for side := range p.dir {
			p.dir[side] = b.sides[side].side
			s.arena.Unpack(&b.sides[side].stream, &p.dir[side].stream, fl.id.Slot())
		}
	}
	if b.more != nil {
		mh, m := s.mores.New()
		fl.more, *m = mh, *b.more
		m.bag, m.timers = 0, 0
		if b.bag != nil {
			m.bag = s.bags.alloc()
			s.bags.all[m.bag] = *b.bag
		}
		s.unpackAlarms(h, m, b.alarms)
	}
}

// unpackAlarms enters a flow's timers of handlers.
func (s *Shard) unpackAlarms(owner handle, m *more, alarms []alarm) {
	for i := len(alarms) - 1; i >= 0; i-- {
		h, a := s.alarms.New()
		*a = alarms[i]
		a.owner, a.next, m.timers = owner, m.timers, h
		a.timer, a.spot = links{}, spotNone
		s.wheel.arm(ofAlarm|timer(h), a.deadline)
	}
}

// armIdle gives a flow that has come from another shard the timer that ends it.
// Where that would be overdue by this shard's clock, frames of the flow may have
// been held back: they come first.
func (s *Shard) armIdle(h handle) {
	if deadline, ends := s.wheel.deadline(timer(h)); ends {
		s.wheel.arm(timer(h), max(deadline, s.clock+1))
	}
}

// elsewhereThan notes which slots other shards have to begin with.
func (m *moving) elsewhereThan(owns func(wire.Slot) bool) {
	if owns == nil {
		return
	}
	for i := range m.elsewhere {
		m.elsewhere[i] = !owns(wire.Slot(i))
	}
}
