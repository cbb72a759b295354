package rx

import (
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// Table says which shard owns each slot.
type Table [wire.SlotCount]uint16

// Spread returns the table that deals the slots out to shards in turn, so that
// any two shards own the same number of them, or one more.
func Spread(shards int) *Table {
	t := new(Table)
	for i := range t {
		t[i] = uint16(i % shards)
	}
	return t
}

// Mark is a message that every shard gets behind all frames up to Number, and
// ahead of all later ones.
type Mark struct {
	Number uint64 // frames received so far
	Clock  int64  // the source's clock, ns
	// Step is set at places that depend on the frames alone and not on how they
	// were cut into chunks and batches: what must be decided alike for any
	// number of shards is decided there.
	Step bool
}

// A step comes after so many frames or octets, whichever is reached first. The
// octets bound what streams can take up between two decisions about memory, the
// frames what a flood of small ones can do to the tables.
const (
	stepFrames = 2048
	stepOctets = 1 << 20
)

// Outlet is the way into one shard's mailbox. The receive goroutine calls it;
// what it takes is the shard's.
type Outlet interface {
	// Batch hands b over. If there is no room it waits, or with wait false
	// returns false, as it does when the shard has stopped: then b is still the
	// caller's.
	Batch(b *buffers.Batch, wait bool) bool
	// Mark hands m over, on the same terms.
	Mark(m Mark, wait bool) bool
}

// outbox is what is on its way to one shard.
type outbox struct {
	outlet  Outlet
	totals  *ShardTotals    // of the shard that it leads to
	batch   *buffers.Batch  // the open batch; nil until there is a frame
	room    []buffers.Frame // all that it has room for
	filled  int             // how many of them are frames
	pending Delivery        // what the open batch holds; Frames when it is sent
	owed    bool            // a mark with Step found no room

	leases leases
	lease  *buffers.Block // what batches of the chunk at hand lend; nil until there is one
	spent  bool           // the shard holds as many blocks as it may: nothing of this one is for it
}

// lead has the box lead to a shard.
func (o *outbox) lead(outlet Outlet, totals *ShardTotals) { o.outlet, o.totals = outlet, totals }

// lend binds the open batch to the block of the chunk at hand.
func (o *outbox) lend(block *buffers.Block, shards int) {
	if o.lease != nil {
		o.batch.Lend(o.lease)
	} else if !o.spent {
		o.lease = o.leases.take(block, shards)
		if o.spent = o.lease == nil; !o.spent {
			o.batch.Lend(o.lease)
		}
	}
}

// leave ends the work on a chunk.
func (o *outbox) leave() {
	if o.lease != nil {
		o.lease.Release()
	}
	o.lease, o.spent = nil, false
}

// frame returns the frame that the next commit adds to the open batch. A batch
// that is full is sent now, when there is more for its shard.
func (o *outbox) frame(r *Receiver) *buffers.Frame {
	if o.filled == len(o.room) {
		o.open(r)
	}
	return &o.room[o.filled]
}

// open sends the open batch, if there is one, and gets another for frames that
// lie in the block at hand: it is sent before the next block comes.
func (o *outbox) open(r *Receiver) {
	o.flush(r.wait)
	o.batch = r.pool.Get()
	o.room = o.batch.Frames[:cap(o.batch.Frames)]
	if r.block != nil {
		o.lend(r.block, r.shards)
	}
}

// flush hands the open batch over, or drops what is in it.
func (o *outbox) flush(wait bool) {
	if o.batch == nil {
		return
	}
	o.batch.Frames = o.room[:o.filled]
	if o.filled == 0 { // what it was opened for was filtered out
		o.batch.Release()
		o.batch, o.room = nil, nil
		return
	}
	t := o.totals
	o.pending.Frames = uint64(o.filled) - o.pending.Datagrams - o.pending.Raw
	if !o.spent && (o.outlet.Batch(o.batch, false) || wait && o.await(t)) {
		t.Handed.add(&o.pending)
	} else {
		if o.spent {
			t.HeldBack++
		}
		t.Dropped.add(&o.pending)
		o.batch.Release()
	}
	o.batch, o.room, o.filled, o.pending = nil, nil, 0, Delivery{}
}

// await hands the open batch over as soon as there is room, and notes how long
// that took: only here, where the receiver stands still anyway, is a clock read.
func (o *outbox) await(t *ShardTotals) bool {
	began := time.Now()
	taken := o.outlet.Batch(o.batch, true)
	t.Waits++
	t.WaitedNs += uint64(time.Since(began))
	return taken
}

// mark hands m over. A live source does not wait: a mark that finds no room is
// made up for by the next one, which says all that it said.
func (o *outbox) mark(m Mark, t *ShardTotals, wait bool) {
	m.Step = m.Step || o.owed
	if o.outlet.Mark(m, wait) {
		o.owed = false
		return
	}
	t.MarksOwed++
	o.owed = m.Step
}
