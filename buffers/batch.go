package buffers

import (
	"sync/atomic"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// Role says what a shard does with a Frame.
type Role uint8

// The roles. A fragment's frame is seen by raw sockets only; the datagram that
// its last fragment completed follows it, under the same number.
const (
	RolePacket   Role = iota // a whole packet: raw sockets, then tracking
	RoleRaw                  // nothing to track (not IP, refused, a fragment): raw sockets only
	RoleDatagram             // a reassembled datagram: tracking only
)

// Frame is one captured frame with what the receive goroutine found in it.
//
// Whoever owns the batch owns its frames; Data is lent to handlers and never
// outlives the batch.
type Frame struct {
	Data      []byte // captured octets; of RoleDatagram: an IP packet
	Packet    wire.Packet
	Hash      uint64 // Packet.Key.Hash
	Clock     int64  // ns, the source's clock: never less than the frame before
	Timestamp int64  // ns since 1970, as the capture says
	Number    uint64 // 1-based ordinal within the source
	WireLen   uint32 // octets on the wire
	Link      wire.LinkType
	Role      Role
	// ChecksumOffloaded says that the sender's card had yet to fill the
	// checksum in, so that it proves nothing (TP_STATUS_CSUMNOTREADY).
	ChecksumOffloaded bool
}

// Block is memory that frames lie in, shared by the batches cut from it: a ring
// block, or a part of a file. It goes back to its source when the last of them
// has been released.
type Block struct {
	refs    atomic.Int32
	release func(*Block)
	Mem     []byte // the octets; nil where the source keeps them itself
}

// NewBlock returns a block that calls release, from whichever goroutine drops
// the last reference, when it may be reused. It starts with no references.
func NewBlock(mem []byte, release func(*Block)) *Block {
	return &Block{Mem: mem, release: release}
}

// Retain adds a reference.
func (b *Block) Retain() { b.refs.Add(1) }

// Release drops a reference; the last one gives the block back.
func (b *Block) Release() {
	n := b.refs.Add(-1)
	assert.That(n >= 0, "block released once per reference")
	if n == 0 {
		b.release(b)
	}
}

// Batch is the unit that moves from a receive goroutine to a shard. Its frames
// lie in one block; reassembled datagrams lie in memory of their own.
type Batch struct {
	Frames []Frame
	block  *Block
	pool   *BatchPool
	// Apart says that the frames are not in one order with those of other batches
	// of their source.
	Apart bool
}

// BatchPool keeps released batches for reuse. The one that was released last is
// the next to be used: it is the one that a core's caches still have. Get is for
// one goroutine; batches may be released by any.
type BatchPool struct {
	released chan *Batch
	ready    []*Batch // those that Get has taken from there, the latest last
	frames   int
}

// NewBatchPool returns a pool whose batches hold up to frames frames each, and
// which keeps up to idle batches that were released since the last Get, and as many
// from before; more are left to the collector.
func NewBatchPool(frames, idle int) *BatchPool {
	return &BatchPool{released: make(chan *Batch, idle), ready: make([]*Batch, 0, idle), frames: frames}
}

// Get returns an empty batch. The caller owns it.
func (p *BatchPool) Get() *Batch {
	p.collect()
	last := len(p.ready) - 1
	if last < 0 {
		return &Batch{Frames: make([]Frame, 0, p.frames), pool: p}
	}
	b := p.ready[last]
	p.ready = p.ready[:last]
	return b
}

// collect makes ready what has been released.
func (p *BatchPool) collect() {
	for len(p.ready) < cap(p.ready) {
		select {
		case b := <-p.released:
			p.ready = append(p.ready, b)
		default:
			return
		}
	}
}

// Full reports whether the batch holds as many frames as it may.
func (b *Batch) Full() bool { return len(b.Frames) == cap(b.Frames) }

// Next returns the batch's next frame, to be filled in place. Its fields hold
// what an earlier use left there. The batch must not be full.
func (b *Batch) Next() *Frame {
	b.Frames = b.Frames[:len(b.Frames)+1]
	return &b.Frames[len(b.Frames)-1]
}

// Lend binds the batch to the block its frames lie in. A batch is bound to one
// block at a time; binding it again to the same block changes nothing.
func (b *Batch) Lend(block *Block) {
	if b.block == block {
		return
	}
	assert.That(b.block == nil, "a batch lies in one block")
	block.Retain()
	b.block = block
}

// Release gives the batch back to its pool and its memory to where it came
// from. The caller must not touch the batch, its frames or their octets again.
func (b *Batch) Release() {
	if assert.Enabled {
		b.scribble()
	}
	if b.block != nil {
		b.block.Release()
		b.block = nil
	}
	b.Frames, b.Apart = b.Frames[:0], false
	select {
	case b.pool.released <- b:
	default:
	}
}

// scribble makes frames that are read after their release show it.
func (b *Batch) scribble() {
	for i := range b.Frames {
		b.Frames[i] = Frame{Number: ^uint64(0)}
	}
}
