package rx

import (
	"sync"

	"github.com/mbox-stack/mbox/wire"
)

// A receiver's slots change their shard between two chunks: no batch is open
// then, so what was received before has been handed over, and what comes later
// goes the new way. Whoever moves slots has the receiver stand still for the
// time of the change, and changes its table himself: a receiver that waits for
// its source, has not begun or has ended stands still anyway.
//
// A receiver that can wait may be left standing until the move is over. One that
// cannot goes on at once, and what it has for slots under way takes the lane: a
// box of its own, so that batches hold frames of such slots alone or none.
//
// Of receivers whose frames shards bring into one order (Together) none may change
// earlier than another: they leave at one time of their common clock, each amid
// whatever chunk it is in then.

// parting is a move that a receiver has yet to take part in, or did.
type parting struct {
	at    int64 // clock from which on frames of the slots take the lane, ns
	slots []wire.Slot
	from  uint16 // the shard that has them
	to    int    // and the one that gets them
	lane  Outlet
	left  func() // tells from
}

// still is held by the receiver for each chunk, and by whoever has it stand.
type still struct{ sync.Mutex }

// Stand has the receiver stand still between two chunks until Resume. It waits
// until the chunk at hand has been handed over.
func (r *Receiver) Stand() { r.still.Lock() }

// Resume lets the receiver go on.
func (r *Receiver) Resume() { r.still.Unlock() }

// moveOn does something with the receiver not standing still.
func (r *Receiver) moveOn(do func()) {
	r.still.Lock()
	defer r.still.Unlock()
	do()
}

// Waits reports whether the source can wait: then the receiver may be left
// standing as long as need be.
func (r *Receiver) Waits() bool { return !r.live }

// Clock returns the time of the source, in ns. The receiver must stand still.
func (r *Receiver) Clock() int64 { return r.clock.now }

// LeaveAt has frames of slots take the lane from a time on, of the source's clock,
// that it has not reached, and then calls left, which must not wait. The receiver
// must stand still.
func (r *Receiver) LeaveAt(at int64, slots []wire.Slot, from, to int, lane Outlet, left func()) {
	r.parting = &parting{at: at, slots: slots, from: uint16(from), to: to, lane: lane, left: left}
	if r.ended {
		r.part()
	}
}

// part leaves.
func (r *Receiver) part() {
	p := r.parting
	r.parting, r.parted = nil, p
	r.Lane(p.slots, p.to, p.lane)
	p.left()
}

// partIfDue leaves if it is time.
func (r *Receiver) partIfDue() {
	if r.parting != nil && (r.clock.now >= r.parting.at || r.ended) {
		r.part()
	}
}

// beforeParting returns how many frames come before it is time to leave. If none
// do, it leaves.
func (r *Receiver) beforeParting(frames []Frame) int {
	now := r.clock.now
	for i := range frames {
		if now = max(now, frames[i].Timestamp+r.clock.shift); now >= r.parting.at {
			if i == 0 {
				r.part()
			}
			return i
		}
	}
	return len(frames)
}

// ownerAt returns where a frame goes that has a time before others that were
// handed over: to the shard that its slot was with then.
func (r *Receiver) ownerAt(slot wire.Slot, clock int64) uint16 {
	box := r.table[slot]
	if p := r.parted; p != nil && int(box) == r.shards && clock < p.at {
		return p.from
	}
	return box
}

// Lane has frames of slots go to a shard by way of lane from now on. The receiver
// must stand still.
func (r *Receiver) Lane(slots []wire.Slot, shard int, lane Outlet) {
	r.flushAll()
	r.boxes[len(r.boxes)-1].lead(lane, &r.counts.Shards[shard])
	for _, s := range slots {
		r.table[s] = uint16(len(r.boxes) - 1)
	}
}

// Steer has frames of slots go to a shard from now on. The receiver must stand
// still.
func (r *Receiver) Steer(slots []wire.Slot, shard int) {
	r.flushAll()
	r.parted = nil
	for _, s := range slots {
		r.table[s] = uint16(shard)
	}
}

// flushAll hands over what a datagram has left that was put together between two
// chunks, from fragments of other rings.
func (r *Receiver) flushAll() {
	for i := range r.boxes {
		r.boxes[i].flush(r.wait)
	}
}
