package mbox

import (
	"fmt"
	"sync/atomic"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/wire"
)

// owners is which shard has each slot, as whoever asks a shard sees it. Of slots
// that move it names the old owner until the new one has them.
type owners struct {
	table  atomic.Pointer[rx.Table]
	moving atomic.Pointer[chan struct{}] // closed when the move under way is over; nil: there is none
	closed chan struct{}                 // no move begins any more
	turn   chan struct{}                 // held by the move under way
}

func newOwners(shards int) *owners {
	o := &owners{closed: make(chan struct{}), turn: make(chan struct{}, 1)}
	o.table.Store(rx.Spread(shards))
	return o
}

// of returns the shard that has a slot.
func (o *owners) of(at wire.Slot) int { return int(o.table.Load()[at]) }

// settle waits for the move under way, if there is one.
func (o *owners) settle() {
	if over := o.moving.Load(); over != nil {
		<-*over
	}
}

// MoveSlots hands slots over to a shard, with all that there is of their flows,
// and returns when it owns them. What handlers see does not depend on it. It is
// what Config.Rebalance does by itself; a program that knows better where work
// comes from may do it too.
//
// It fails with ErrInHandler in a handler, and must not be called where it would
// hold up a receiver that it waits for, and so itself for ever: in Config.Tap, and
// in Source.Next of a live source (where rings are brought into one order, it waits
// for the source's next frames). Of a stack that does not run, nothing is moved.
func (s *Stack) MoveSlots(shard int, slots ...Slot) error {
	if shard < 0 || shard >= s.cfg.Shards {
		return fmt.Errorf("%w: shard %d of %d", ErrConfig, shard, s.cfg.Shards)
	}
	for _, at := range slots {
		if at >= SlotCount {
			return fmt.Errorf("%w: slot %d of %d", ErrConfig, at, SlotCount)
		}
	}
	run := s.current()
	if run == nil {
		return nil
	}
	if run.inHandler() {
		return ErrInHandler
	}
	for from := range run.shards {
		run.move(slots, from, shard)
	}
	return nil
}

// SlotCount is how many slots there are: see Slot.
const SlotCount = wire.SlotCount

// Slot is one of the parts that flows are divided into by the hash of their key.
// All flows of a slot are on one shard. See FlowID.Slot.
type Slot = wire.Slot

// move moves slots of one shard to another, and returns when they are there. It
// reports false if the stack ends before. Slots that the first does not have are
// left alone. It must not be called on a shard, nor on a receiver's goroutine but
// in Source.Next of a source that can wait.
func (r *running) move(slots []wire.Slot, from, to int) bool {
	select {
	case <-r.owners.closed:
		return false
	case r.owners.turn <- struct{}{}:
	}
	defer func() { <-r.owners.turn }()
	var have []wire.Slot
	var seen [SlotCount]bool
	for _, at := range slots {
		if r.owners.of(at) == from && !seen[at] {
			seen[at] = true
			have = append(have, at)
		}
	}
	if len(have) == 0 || from == to {
		return true
	}
	m := shard.NewMove(have, from, to, len(r.receivers))
	over := make(chan struct{})
	r.owners.moving.Store(&over)
	arrived := r.carry(m, func() {
		r.owners.gave(m)
		close(over)
		r.owners.moving.Store(nil)
	})
	if !arrived {
		close(over)
	}
	return arrived
}

// carry takes a move through its steps. Receivers that can wait stand still from
// the first step to the last, so that nothing comes early; others take the lane.
// arrived is called when the slots are there: behind that nobody waits for a
// receiver, on whose goroutine somebody may be asking a shard (Config.Tap).
func (r *running) carry(m *shard.Move, arrived func()) bool {
	stop := r.group.Done()
	for _, rec := range r.receivers {
		if rec.Waits() {
			rec.Stand()
			defer rec.Resume()
		}
	}
	if !r.shards[m.To].Traffic.Put(m.Expect(), stop) || !await(m.Ready(), stop) {
		return false
	}
	for i, rec := range r.receivers {
		if r.ringOf[i] == 0 && !r.leave(rec, m) {
			return false
		}
	}
	r.leaveTogether(m)
	select {
	case c := <-m.Cargo():
		if !r.shards[m.To].Requests.Put(func(sh *shard.Shard) { sh.Settle(m, c) }, stop) {
			return false
		}
	case <-stop:
		return false
	}
	if !await(m.Done(), stop) {
		return false
	}
	arrived()
	for _, rec := range r.receivers {
		if !rec.Waits() {
			rec.Stand()
			rec.Steer(m.Slots, m.To)
			rec.Resume()
		}
	}
	return true
}

// leave has one receiver leave the old owner, behind all that it had for it.
func (r *running) leave(rec *rx.Receiver, m *shard.Move) bool {
	if rec.Waits() {
		rec.Steer(m.Slots, m.To)
	} else {
		rec.Stand()
		defer rec.Resume()
		rec.Lane(m.Slots, m.To, lane{r.outlet(m.To), m})
	}
	return r.shards[m.From].Traffic.Put(m.Left(), r.group.Done())
}

// leaveTogether has the receivers leave whose frames shards bring into one order:
// at a time that none of them has reached, so that all that is older is with the
// old owner, in its order.
func (r *running) leaveTogether(m *shard.Move) {
	var at int64
	for i, rec := range r.receivers {
		if r.ringOf[i] != 0 {
			rec.Stand()
			defer rec.Resume()
			at = max(at, rec.Clock()+1)
		}
	}
	for i, rec := range r.receivers {
		if ring := r.ringOf[i]; ring != 0 {
			out := r.outlet(m.To)
			out.ring = ring
			rec.LeaveAt(at, m.Slots, m.From, m.To, lane{out, m}, func() {
				r.shards[m.From].Traffic.Put(m.LeftAt(at, ring), r.group.Done())
			})
		}
	}
}

// gave notes who has the slots of a move now.
func (o *owners) gave(m *shard.Move) {
	table := *o.table.Load()
	for _, at := range m.Slots {
		table[at] = uint16(m.To)
	}
	o.table.Store(&table)
}

// stay waits for the move under way, and lets no other begin.
func (o *owners) stay() {
	close(o.closed)
	o.turn <- struct{}{}
}

// await waits for what is closed when it has come, and reports false if stop is
// closed before.
func await(come, stop <-chan struct{}) bool {
	select {
	case <-come:
		return true
	case <-stop:
		return false
	}
}

// lane is the way to a shard of frames whose slots are under way to it.
type lane struct {
	outlet
	move *shard.Move
}

// Batch implements rx.Outlet.
func (l lane) Batch(b *buffers.Batch, wait bool) bool { return l.send(l.move.Lane(b, l.ring), wait) }

// onSlot runs f on the shard that has a slot, and waits for it. It does not, and
// reports false, if the stack has failed with the slot under way.
func (r *running) onSlot(at wire.Slot, f func(*shard.Shard)) bool {
	for {
		last := isClosed(r.over)
		owned := false
		r.on(r.owners.of(at), func(sh *shard.Shard) {
			if owned = sh.Owns(at); owned {
				f(sh)
			}
		})
		if owned || last {
			return owned
		}
		r.owners.settle()
	}
}

// onSlots calls f for each shard in turn with the slots that are left to do, until
// none is: f does those that the shard has and returns the others. So each slot
// is done once, whatever moves meanwhile.
func (r *running) onSlots(f func(shard int, left []wire.Slot) []wire.Slot) {
	left := make([]wire.Slot, wire.SlotCount)
	for i := range left {
		left[i] = wire.Slot(i)
	}
	for {
		last := isClosed(r.over)
		for i := range r.shards {
			left = f(i, left)
		}
		if len(left) == 0 || last {
			return
		}
		r.owners.settle()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
