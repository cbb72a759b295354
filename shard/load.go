package shard

import (
	"sync/atomic"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// load is which slots make a shard work: frames by slot, of a sample.
type load struct {
	busy   atomic.Bool // a message of traffic is under way
	at     int         // of the next frame to look at, in the next batch
	frames [wire.SlotCount]uint32
}

// sampleEvery is how many frames there are to one that is looked at: a slot that
// is worth moving has many. It is a prime, so that traffic in step does not
// show one of its feet only.
const sampleEvery = 17

// sample looks at some frames of a batch.
func (l *load) sample(b *buffers.Batch) {
	i := l.at
	for ; i < len(b.Frames); i += sampleEvery {
		l.frames[wire.SlotOf(b.Frames[i].Hash)]++
	}
	l.at = i - len(b.Frames)
}

// sampleMerged is sample for frames of several batches.
func (l *load) sampleMerged(frames []*buffers.Frame) {
	i := l.at
	for ; i < len(frames); i += sampleEvery {
		l.frames[wire.SlotOf(frames[i].Hash)]++
	}
	l.at = i - len(frames)
}

// watched is message for a shard whose load is asked for.
func (s *Shard) watched(m Message) bool {
	s.load.busy.Store(true)
	defer s.load.busy.Store(false)
	return s.message(m)
}

// Busy reports whether the shard is at work on traffic at this moment: asked at
// times that have nothing to do with it, how often is how busy it is. It may be
// called from anywhere, on a shard whose load is asked for.
func (s *Shard) Busy() bool { return s.load.busy.Load() }

// Load is what a shard has to do for one slot.
type Load struct {
	Slot   wire.Slot
	Frames uint32 // of those sampled since the call before
	Flows  int    // that live
}

// Loads appends to dst what the shard has to do for each slot that it has, and
// begins to count anew. It must run as a Request.
func (s *Shard) Loads(dst []Load) []Load {
	for i := range s.slots {
		if at := wire.Slot(i); s.Owns(at) {
			l := Load{Slot: at, Flows: s.slots[i].live}
			if s.load != nil {
				l.Frames = s.load.frames[i]
				s.load.frames[i] = 0
			}
			dst = append(dst, l)
		}
	}
	return dst
}

// ordersRoom is how many places of a mailbox are kept for words about moves: one
// from each receiver and one from whoever moves, and as many that receivers
// which offer at once may take too much.
func ordersRoom(senders int) int { return 2*senders + 1 }
