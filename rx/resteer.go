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
