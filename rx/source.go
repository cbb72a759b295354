package rx

import (
	"errors"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// ErrClosed is what Next returns once the source has been closed.
var ErrClosed = errors.New("rx: source closed")

// Source is where frames come from: a capture, memory, an interface. Users may
// write their own; the package's Example does.
//
// One goroutine calls Next; Close may come from any other at any time.
type Source interface {
	// Next sets c to the next frames and waits until there is at least one. It
	// returns io.EOF when there are no more, ErrClosed after Close, or an error
	// that says where the input broke; frames set together with an error count.
	//
	// A live source that has been idle for a while returns without frames and
	// with Chunk.Clock set, so that timers fire on a silent line.
	Next(c *Chunk) error

	// Close ends the source: a Next that waits returns ErrClosed. Octets that
	// have been lent stay readable until their blocks are released. Closing
	// twice is legal.
	Close() error
}

// Live is implemented by sources that cannot wait for their reader, such as
// interfaces. What a shard has no room for is dropped and counted there, while
// the reader of a capture waits.
type Live interface {
	Source
	// Live reports whether frames are lost when they are not fetched in time.
	Live() bool
}

// Stopper is implemented by sources that have frames on their way when they are
// asked to end, which are to be received all the same.
type Stopper interface {
	Source
	// Stop lets no more frames in, and returns at once: Next brings those that are
	// in already, and then io.EOF. It may come from any goroutine.
	Stop()
}

// Frame is one frame as it was captured.
type Frame struct {
	Data      []byte // captured octets, lent until the chunk's block is released
	Timestamp int64  // ns since 1970; 0 where the capture gives no time
	WireLen   uint32 // octets on the wire, at least len(Data)
	Link      wire.LinkType
	// ChecksumOffloaded says that the sender's card had yet to fill the
	// checksum in, so that it proves nothing.
	ChecksumOffloaded bool
}

// Chunk is what one call of Next brings: frames that lie in one block.
//
// The zero value is empty and ready for Next.
type Chunk struct {
	// Frames is lent by the source until the next call of Next.
	Frames []Frame
	// Block is the memory that the frames' octets lie in. A chunk with frames
	// carries one reference to it, which the caller of Next releases. Block is
	// nil where the octets are never reused.
	Block *buffers.Block
	// Clock is the source's time in ns since 1970, or 0; it is valid iff there
	// are no frames.
	Clock int64
}

// Release gives up the chunk's reference to its block.
func (c *Chunk) Release() {
	if c.Block != nil {
		c.Block.Release()
	}
	*c = Chunk{}
}

// chunkFrames is how many frames a chunk of this package's own sources holds at
// most. Their descriptions take 40 octets each, 80 KiB in all: more would push
// the frames themselves out of a core's second-level cache.
const chunkFrames = 2048
