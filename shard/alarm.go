package shard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// idleTimer is the sub order of the timer that ends a silent flow: after those
// that handlers armed for the same tick.
const idleTimer = ^uint32(0)

// alarm is a timer that a handler armed.
type alarm struct {
	id       uevents.Timer
	deadline int64  // ns
	order    uint64 // as dueTimer's
	sub      uint32 // as dueTimer's
	owner    handle // flow; 0: the shard
	next     handle // of the same owner
	timer    links
	spot     spot
	socket   uint8
}

// ofShards is set in the names of shards' timers, so that none is a flow's.
const ofShards = uevents.Timer(1 << 63)

// alarmsMax bounds the timers of one flow, and of a shard beside its flows: a
// handler that arms one per packet is told so instead of filling memory.
const alarmsMax = 64

// fireOne handles the first timer that is due by a clock, if there is one. What
// it raises is queued.
func (s *Shard) fireOne(clock int64) bool {
	if s.seg.changed { // by the handlers of the timer before
		s.seg.changed = false
		s.adjust(s.cur, s.fl)
	}
	if !s.wheel.advance(clock) {
		return false
	}
	if t := s.wheel.peek(); t&ofAlarm != 0 {
		s.ring(handle(t &^ ofAlarm))
	} else {
		s.silent(handle(t))
	}
	return true
}

// silent ends a flow whose timeout is over. Its timer stands where the flow was
// silent since the last look; a flow that was not gets a new deadline, so that
// packets never touch the wheel.
func (s *Shard) silent(h handle) {
	fl := s.flows.At(h)
	deadline, ends := s.wheel.deadline(timer(h))
	switch {
	case !ends:
		s.wheel.disarm(timer(h))
		return
	case deadline > s.wheel.now:
		s.wheel.move(timer(h), deadline)
		return
	}
	s.stats.Timers++
	if fl.flags&flowReleased != 0 {
		s.remove(h, fl)
		return
	}
	s.end(h, uevents.EndIdle)
	s.sceneOfTimer(uint64(fl.id))
}

// sceneOfTimer tells handlers what they see when a timer is due: its time, and
// no packet.
func (s *Shard) sceneOfTimer(number uint64) {
	clock := s.clock
	s.clock = s.wheel.now
	s.scene(uevents.PhaseTimer, number)
	s.clock = clock
}

// relive gives the flow the timeout that its connection's state has now: an
// earlier deadline where that is shorter, and a timer where there was none.
func (s *Shard) relive(h handle, fl *flow) {
	life := fl.lifeNow()
	if life == fl.role.life() {
		return
	}
	fl.role.setLife(life)
	if after, ends := s.cfg.Timeouts.of(life); ends {
		s.wheel.hasten(timer(h), later(fl.last, after))
	}
}

// ring raises OnTimer for an alarm and forgets it.
func (s *Shard) ring(h handle) {
	a := *s.alarms.At(h)
	number := ^uint64(0) // behind the flows', as in the wheel
	if a.owner != 0 {
		fl := s.flows.At(a.owner)
		s.forget(&s.mores.At(fl.more).timers, h)
		s.enterFlow(a.owner, fl)
		number = uint64(fl.id)
	} else {
		s.forget(&s.ambient, h)
		s.leaveFlow()
		s.disp.Bind(s.plans.At(s.sound(s.plans.ForMask(1<<a.socket), 0)))
	}
	s.stats.Timers++
	s.sceneOfTimer(number)
	s.disp.Queue(uevents.Occurrence{Kind: uevents.KindTimer, Hook: uevents.PostTCP, A: uint64(a.id), Only: a.socket + 1})
}

// alarmMin is how soon a timer that is armed while timers fire may be due. The
// next frame may be hours away: a handler of OnTimer that arms the next timer for
// no time, or hardly any, would be called for each nanosecond until then.
const alarmMin = time.Millisecond

// soonest returns after what time an alarm rings that is to ring after d: later
// than now, so that what it raises comes behind what is raised now.
func (s *Shard) soonest(d time.Duration) time.Duration {
	if s.disp.Phase() == uevents.PhaseTimer {
		return max(d, alarmMin)
	}
	return max(d, 1)
}

// arm adds an alarm of the flow at hand, or of the shard.
func (s *Shard) arm(after time.Duration, socket uint8, ofShard bool) (uevents.Timer, error) {
	list, owner, order := &s.ambient, handle(0), ^uint64(0)
	if !ofShard {
		list, owner, order = &s.moreOf(s.fl).timers, s.cur, uint64(s.fl.id)
	}
	n := 0
	for h := *list; h != 0; h = s.alarms.At(h).next {
		n++
	}
	if n >= alarmsMax {
		return 0, fmt.Errorf("%w: %d timers are armed", uevents.ErrBusy, n)
	}
	serial, of := &s.armed, ofShards
	if !ofShard {
		serial, of = &s.slots[s.fl.id.Slot()].timers, 0
	}
	*serial++
	h, a := s.alarms.New()
	*a = alarm{id: of | uevents.Timer(*serial), owner: owner, next: *list, socket: socket, order: order, sub: uint32(*serial) &^ (1 << 31),
		deadline: later(s.disp.Context().Now().UnixNano(), s.soonest(after))}
	s.wheel.arm(ofAlarm|timer(h), a.deadline)
	*list = h
	return a.id, nil
}

// disarm cancels the alarm of an owner by its name.
func (s *Shard) disarm(list *handle, id uevents.Timer) bool {
	for h := *list; h != 0; h = s.alarms.At(h).next {
		if s.alarms.At(h).id == id {
			s.forget(list, h)
			return true
		}
	}
	return false
}

// forget takes an alarm out of its owner's list and the wheel.
func (s *Shard) forget(list *handle, h handle) {
	a := s.alarms.At(h)
	at := list
	for *at != h {
		at = &s.alarms.At(*at).next
	}
	*at = a.next
	s.wheel.disarm(ofAlarm | timer(h))
	s.alarms.Free(h)
}

// disarmAll cancels all alarms of an owner.
func (s *Shard) disarmAll(list *handle) {
	for *list != 0 {
		s.forget(list, *list)
	}
}

// passTime fires what is due by a clock that no frame has brought.
func (s *Shard) passTime(clock int64) {
	for {
		if !s.disp.Idle() {
			s.disp.Run()
		}
		switch {
		case s.ending.flow != 0:
			s.endOn()
		case !s.fireOne(clock):
			return
		}
	}
}

// byFirst returns all flows that are left, in the order of the frames they began
// with.
func (s *Shard) byFirst() []handle {
	type begun struct {
		frame uint64
		h     handle
	}
	left := make([]begun, 0, s.flows.Len())
	for i := range s.slots {
		for h, fl := range s.flowsOf(wire.Slot(i)) {
			left = append(left, begun{fl.frame, h})
		}
	}
	slices.SortFunc(left, func(a, b begun) int { return cmp.Compare(a.frame, b.frame) })
	hs := make([]handle, len(left))
	for i := range left {
		hs[i] = left[i].h
	}
	return hs
}
