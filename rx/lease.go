package rx

import (
	"sync/atomic"

	"github.com/mbox-stack/mbox/buffers"
)

// blocked is a source with a fixed number of blocks, which it fills again and
// again whether they have come back or not.
type blocked interface {
	Live
	// BlockCount returns how many there are.
	BlockCount() int
}

// leases bounds how many of a live source's blocks one shard may hold at a time.
//
// A shard that has stopped working keeps every block that batches in its mailbox
// lie in, and the source can fill none of those again, or only at the price of a
// copy: without a bound, one slow shard would take the memory of all. With n
// shards each may hold a part in n+1 of the blocks, so that even if all the
// others stand still, a shard that works has two parts to itself. What lies in a
// block beyond that is dropped for the slow shard alone, and counted there.
//
// The zero value bounds nothing.
type leases struct {
	src  blocked // nil: nothing is bounded
	held atomic.Int32
	free chan *lease // to be used again
}

// lease is a shard's share in one block: batches hold it in place of the block.
type lease struct {
	block  *buffers.Block // what batches lend
	parent *buffers.Block // the source's
}

// leaseMax is how many leases are kept for reuse; more are left to the collector.
const leaseMax = 64

// of makes l bound what one shard holds of src.
func (l *leases) of(src Source) {
	if b, ok := src.(blocked); ok && b.Live() {
		l.src, l.free = b, make(chan *lease, leaseMax)
	}
}

// take returns what batches of one of shards are to lend instead of block, with
// a reference that the caller releases; nil if the shard holds its share.
func (l *leases) take(block *buffers.Block, shards int) *buffers.Block {
	if l.src == nil {
		block.Retain()
		return block
	}
	if l.held.Load() >= int32(max(1, l.src.BlockCount()/(shards+1))) {
		return nil
	}
	l.held.Add(1)
	block.Retain()
	var x *lease
	select {
	case x = <-l.free:
	default:
		x = &lease{}
		x.block = buffers.NewBlock(nil, func(*buffers.Block) { l.giveBack(x) })
	}
	x.parent = block
	x.block.Retain()
	return x.block
}

// giveBack ends a lease, on the goroutine that released its last batch.
func (l *leases) giveBack(x *lease) {
	parent := x.parent
	x.parent = nil
	l.held.Add(-1)
	parent.Release()
	select {
	case l.free <- x:
	default:
	}
}
