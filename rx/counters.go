package rx

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/wire"
)

// outcomesMax is room for every wire.Outcome there is.
const outcomesMax = 16

// Totals counts what a Receiver did with the frames of its source.
//
// All fields count frames unless they say otherwise.
type Totals struct {
	Frames uint64 // received
	Octets uint64 // captured octets of those

	Filtered uint64              // not wanted by Options.Filter
	Surplus  uint64              // behind the last one that Options.Limit allows
	Refused  [outcomesMax]uint64 // nothing to track, by wire.Outcome; raw sockets may have had them
	// Fragments counts what became of IP fragments, singly. The fragment that
	// completes a datagram is Completed there; the datagram goes on.
	Fragments frag.Stats

	// Rings of one interface give one another the fragments of datagrams that
	// another one puts together. Adopted are those that were taken over from
	// others: they are not among Frames.
	Forwarded     uint64
	ForwardNoRoom uint64 // dropped: the other ring had no room
	Adopted       uint64

	// Of the datagrams that were put together, these did not go on to a shard.
	DatagramsFiltered uint64
	DatagramsRefused  uint64
	DatagramsNested   uint64 // they were fragments of a tunnelled datagram in their turn

	ClockSteps uint64 // times that the source's clock was re-based
	ClockLate  uint64 // frames whose timestamp lay behind the clock, within bounds

	Clock uint64 // of the source at the last mark, ns since 1970
	Marks uint64 // sent to every shard
	Steps uint64 // of those, the ones with Mark.Step
}

// Delivery counts what went into a mailbox, or would have.
type Delivery struct {
	Frames    uint64 // whole packets, for tracking
	Octets    uint64 // captured octets of those
	Datagrams uint64 // datagrams put together from fragments
	Raw       uint64 // frames for raw sockets only, counted as refused or fragments as well
}

func (d *Delivery) add(e *Delivery) {
	d.Frames += e.Frames
	d.Octets += e.Octets
	d.Datagrams += e.Datagrams
	d.Raw += e.Raw
}

// ShardTotals counts what a Receiver did for one shard.
type ShardTotals struct {
	Handed  Delivery // taken by the shard's mailbox
	Dropped Delivery // the mailbox had no room, or the shard had stopped
	// HeldBack counts the batches of Dropped for which there was no need to ask:
	// the shard held its share of the source's blocks.
	HeldBack uint64
	// MarksOwed counts marks that found no room; the next one made up for them.
	MarksOwed uint64
	// Waits counts how often a batch had to wait for room, and WaitedNs for how
	// long in all, in ns. A live source never waits.
	Waits    uint64
	WaitedNs uint64
}

// Counters is a snapshot of what a Receiver has done.
type Counters struct {
	Totals
	Shards []ShardTotals
}

// Handed returns the sum over all shards of what their mailboxes took.
func (c *Counters) Handed() (sum Delivery) {
	for i := range c.Shards {
		sum.add(&c.Shards[i].Handed)
	}
	return sum
}

// Dropped returns the sum over all shards of what their mailboxes did not take.
func (c *Counters) Dropped() (sum Delivery) {
	for i := range c.Shards {
		sum.add(&c.Shards[i].Dropped)
	}
	return sum
}

// Disposed returns the sum of all dispositions of frames: filtered, refused,
// fragments, forwarded to another ring, handed to a shard, dropped at its
// mailbox. It equals Frames (invariant I9). Fragments that were not frames, but
// datagrams or adopted, do not count.
func (c *Counters) Disposed() uint64 {
	sum := c.Filtered + c.Surplus + c.Fragments.Disposed() - c.DatagramsNested - c.Adopted + c.Forwarded + c.ForwardNoRoom
	for _, n := range c.Refused {
		sum += n
	}
	for i := range c.Shards {
		sum += c.Shards[i].Handed.Frames + c.Shards[i].Dropped.Frames
	}
	return sum
}

// DatagramsDisposed returns the sum of all dispositions of datagrams that were
// put together. It equals Fragments.Completed.
func (c *Counters) DatagramsDisposed() uint64 {
	sum := c.DatagramsFiltered + c.DatagramsRefused + c.DatagramsNested
	for i := range c.Shards {
		sum += c.Shards[i].Handed.Datagrams + c.Shards[i].Dropped.Datagrams
	}
	return sum
}

// words returns the counters' memory: both structs hold nothing but uint64.
func (c *Counters) words() (totals, shards []uint64) {
	const word = unsafe.Sizeof(uint64(0))
	totals = unsafe.Slice((*uint64)(unsafe.Pointer(&c.Totals)), unsafe.Sizeof(c.Totals)/word)
	if len(c.Shards) > 0 {
		shards = unsafe.Slice((*uint64)(unsafe.Pointer(&c.Shards[0])), uintptr(len(c.Shards))*unsafe.Sizeof(c.Shards[0])/word)
	}
	return totals, shards
}

// board shows the receive goroutine's counters to the others: written without
// waiting or allocating, read whole. The version is odd while it is written.
type board struct {
	version atomic.Uint64
	words   []atomic.Uint64
	shards  int
}

func newBoard(shards int) *board {
	c := Counters{Shards: make([]ShardTotals, shards)}
	totals, each := c.words()
	return &board{words: make([]atomic.Uint64, len(totals)+len(each)), shards: shards}
}

// publish shows c. One goroutine calls it.
func (b *board) publish(c *Counters) {
	totals, shards := c.words()
	b.version.Add(1)
	for i, w := range totals {
		b.words[i].Store(w)
	}
	for i, w := range shards {
		b.words[len(totals)+i].Store(w)
	}
	b.version.Add(1)
}

// read returns what was published last. Any goroutine may call it.
func (b *board) read() Counters {
	c := Counters{Shards: make([]ShardTotals, b.shards)}
	totals, shards := c.words()
	for {
		version := b.version.Load()
		for i := range totals {
			totals[i] = b.words[i].Load()
		}
		for i := range shards {
			shards[i] = b.words[len(totals)+i].Load()
		}
		if version&1 == 0 && b.version.Load() == version {
			return c
		}
		runtime.Gosched()
	}
}

// refuse counts a frame with nothing to track.
func (t *Totals) refuse(o wire.Outcome) { t.Refused[o%outcomesMax]++ }
