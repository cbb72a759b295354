package shard

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// settle ends the work on a frame: what handlers changed about what is tracked
// takes its effect on memory and state now that nothing is lent any more.
func (s *Shard) settle() {
	s.stage = stageDone
	s.seg.lent = false
	if s.seg.changed && s.fl != nil {
		s.seg.changed = false
		s.adjust(s.cur, s.fl)
	}
}

// adjust brings a flow in line with a plan that handlers have changed.
func (s *Shard) adjust(h handle, fl *flow) {
	plan := s.plans.At(fl.plan)
	if plan.Sockets == 0 {
		s.release(h, fl)
		return
	}
	for side := range plan.Stopped {
		d := wire.Dir(side)
		if plan.Stopped[side] && fl.isTCP() {
			fl.conn.Untrack(d)
		}
		if fl.isStraight(d) {
			s.adjustStraight(fl, plan, d)
		}
		if !fl.paired() {
			continue
		}
		switch st := s.side(fl, d); {
		case !plan.Reassemble[side]:
			if st.touched { // what comes next goes on where it ends
				fl.flags |= flowUnread << side
			}
			s.arena.Close(&st.stream, fl.id.Slot())
			st.open, st.touched = false, false
		case plan.Keep[side] && st.open:
			s.arena.Retain(&st.stream, fl.id.Slot(), plan.History)
		case !plan.Keep[side]:
			s.arena.Forget(&st.stream, fl.id.Slot())
		}
	}
	if fl.paired() && !plan.Reassemble[0] && !plan.Reassemble[1] {
		s.closePair(fl)
	}
	s.relist(h, fl) // an endpoint may be untracked now
}

// release turns a flow that every socket has let go into a mark: its record
// alone, so that its later segments are known. Everybody has been told of its end.
func (s *Shard) release(h handle, fl *flow) {
	s.letGo(fl)
	s.plans.Release(fl.plan)
	fl.flags |= flowReleased
	s.stats.Ended[uevents.EndReleased]++
	s.stats.Marked++
	sl := &s.slots[fl.id.Slot()]
	s.rejoin(sl, h, classReleased)
	s.leaveFlow()
}

// fault is a handler that has panicked in a slot.
type fault struct {
	slot wire.Slot
	reg  uevents.Registration
}

// faultsMax is how often a handler may panic in one slot before it is off for
// all of the slot's flows. Counted per slot, what happens does not depend on the
// number of shards; a handler that always panics is off everywhere once every
// slot has seen it so often.
const faultsMax = 4

// recovered makes good for a panic of user code: the handler is off for this
// flow at once, and a filter has said no. A panic of our own goes on.
func (s *Shard) recovered(v any) {
	reg, ev, user := s.disp.Recovered()
	if !user {
		panic(v)
	}
	s.stats.Panics++
	if s.fl != nil {
		s.labelOf(s.fl).panics++
	}
	if reg == (uevents.Registration{}) {
		s.logPanic("a filter panicked; it counts as having said no", ev.String(), v, debug.Stack())
		return
	}
	var slot wire.Slot // of what belongs to no slot: the first
	switch {
	case s.fl != nil:
		slot = s.fl.id.Slot()
		s.change(uevents.Change{Kind: uevents.ChangeDisable, Socket: reg.Socket().Index(), Reg: reg})
	case s.frame != nil && s.disp.Phase() == uevents.PhaseFrame: // else it has but brought a timer on
		slot = wire.SlotOf(s.frame.Hash)
	}
	if !reg.OfOneFlow() { // that is off for good
		s.faults[fault{slot, reg}]++
	}
	s.logPanic("a handler panicked; it is off for this flow", reg.String(), v, debug.Stack())
}

// logPanic logs a panic with its stack, once for each handler or filter.
func (s *Shard) logPanic(what, who string, v any, stack []byte) {
	if s.cfg.Log == nil || s.logged[who] {
		return
	}
	s.logged[who] = true
	s.cfg.Log.Error(what, slog.String("handler", who), slog.String("panic", fmt.Sprint(v)),
		slog.String("stack", string(stack)))
}

// sound returns the plan without the handlers that panicked too often in the
// slot.
func (s *Shard) sound(plan uevents.PlanID, at wire.Slot) uevents.PlanID {
	if len(s.faults) == 0 {
		return plan
	}
	for _, reg := range s.plans.At(plan).Registrations() {
		if s.faults[fault{at, reg}] >= faultsMax {
			plan = s.plans.With(plan, uevents.Change{Kind: uevents.ChangeDisable, Socket: reg.Socket().Index(), Reg: reg})
		}
	}
	return plan
}

// change gives the flow at hand another plan.
func (s *Shard) change(c uevents.Change) {
	s.fl.plan = s.plans.With(s.fl.plan, c)
	s.disp.Rebind(s.plans.At(s.fl.plan))
	s.seg.changed = true
}
