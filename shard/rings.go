package shard

import (
	"math"
	"slices"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// Rings of one interface, and interfaces that see one direction each, bring the
// segments of one connection by several ways, which hand over some milliseconds
// apart: the ACK may be here before the octets that it acknowledges. So a shard
// brings what such sources hand it into the order of its stamps, frame by frame,
// before it does anything with it.
//
// All there is to it is one rule. A source's mark is a floor: nothing older will
// come from it. The oldest frame that waits is taken once it is no younger than the
// floors of all sources. Those that are asked for it say what time it is when they
// have nothing else to say (rx.Together), so the wait is about as long as the kernel
// keeps a block back.
//
// A datagram that one ring put together of what came by another one stands apart:
// it has the time of the other one, which sets its floor below until it is here.
//
// The wait is bounded. What waits holds blocks that the kernel wants back, and a
// source may have nobody to run it: beyond Config.Rings, or ringWait, the oldest
// is taken whoever is missing, and counted (Stats.Hurried). What turns out to come
// too late takes place at the time that it is by then (align), and is counted
// (Stats.Late).

const (
	// ringWait is by how much one source's clock may be ahead of the oldest frame
	// that waits for another's. Blocks come within twice the retire time, which is
	// 10 ms, and a thread that has to wait for a CPU within some tens; by a fifth of
	// a second something else is wrong, such as the time of day set back.
	ringWait = int64(200 * time.Millisecond)

	// ringBatchesMax is how many batches of one source may wait, whatever they hold,
	// and how many datagrams that stand apart: of 64 KiB each at the worst.
	ringBatchesMax = 2048

	// mergedMax is how many frames are brought into order at a time.
	mergedMax = 4 * warmFrames
)

// ring is what one of the sources has brought and the shard has yet to do. The
// zero value has said nothing yet.
type ring struct {
	queue  []Message // oldest first, from head on; a mark follows what it marks
	head   int
	at     int   // index of the next frame in the batch at the head
	top    int64 // ns: of what is next; ringOver if nothing waits
	floor  int64 // ns: nothing older will come; ringOver when nothing will at all
	seen   int64 // ns: of what came last
	marks  int   // in the queue: parts of blocks that are held
	blocks int   // as many as that may be
	lane   bool  // frames were held back: that they are behind others' time is no fault
}

// ringOver is the floor of a source that has ended.
const ringOver = math.MaxInt64

// rings are the sources that are brought into one order. The zero value has none.
type rings struct {
	all    []ring           // each source's; one for what stands apart; each source's lane. The last are not waited for
	width  int              // how many of them have anything: lanes mostly do not
	merged []*buffers.Frame // in order; what is done next
	spent  []*buffers.Batch // that those lie in, and no others that wait
	clock  int64            // of the latest in merged
}

func newRings(blocks []int) rings {
	if len(blocks) == 0 {
		return rings{}
	}
	r := rings{all: make([]ring, 2*len(blocks)+1), width: len(blocks) + 1}
	for i := range r.all {
		r.all[i].top = ringOver
		if i < len(blocks) {
			r.all[i].blocks = max(blocks[i], 1)
		} else {
			r.all[i].floor, r.all[i].lane = ringOver, i > len(blocks)
		}
	}
	return r
}

// sources returns how many there are.
func (r *rings) sources() int { return len(r.all) / 2 }

// put adds a message of a source.
func (r *rings) put(m Message) {
	if b := m.Batch; b != nil && len(b.Frames) == 0 {
		b.Release()
	} else if b != nil && b.Apart {
		r.all[r.sources()].insert(m)
	} else {
		r.all[m.Ring-1].put(m)
	}
}

// putLane adds a batch that came by a lane. Each source's are in order; nothing
// needs to be waited for on their account, as the source's marks come behind them.
func (r *rings) putLane(m Message) {
	if m.Batch.Apart {
		r.put(m)
		return
	}
	r.width = len(r.all)
	r.all[r.sources()+int(m.Ring)].put(m)
}

// insert adds a batch of one frame where it belongs by its clock.
func (r *ring) insert(m Message) {
	at := len(r.queue)
	for at > r.head && r.queue[at-1].Batch.Frames[0].Clock > m.Batch.Frames[0].Clock {
		at--
	}
	r.queue = slices.Insert(r.queue, at, m)
	r.look()
}

// put adds a message.
func (r *ring) put(m Message) {
	defer r.look()
	if b := m.Batch; b != nil {
		r.seen = max(r.seen, b.Frames[len(b.Frames)-1].Clock)
		r.queue = append(r.queue, m)
		return
	}
	if m.Move != nil { // a word of its own, at a time of its own
		r.queue = append(r.queue, m)
		r.marks++
		return
	}
	r.floor = max(r.floor, m.Mark.Clock)
	r.seen = max(r.seen, r.floor)
	m.Mark.Clock = r.floor // Over comes without
	if m.Mark.Over {
		r.floor = ringOver
	}
	if n := len(r.queue); n > r.head && r.queue[n-1].Batch == nil && r.queue[n-1].Move == nil { // it says all that the one before says
		m.Mark.Step = m.Mark.Step || r.queue[n-1].Mark.Step
		r.queue[n-1] = m
		return
	}
	r.queue = append(r.queue, m)
	r.marks++
}

// look sees what is next.
func (r *ring) look() {
	if r.head == len(r.queue) {
		r.top = ringOver
	} else if m := &r.queue[r.head]; m.Batch == nil {
		r.top = m.Mark.Clock
	} else {
		r.top = m.Batch.Frames[r.at].Clock
	}
}

// pop takes what is at the head out of the queue.
func (r *ring) pop() {
	if r.queue[r.head].Batch == nil {
		r.marks--
	}
	r.queue[r.head] = Message{}
	r.head++
	r.at = 0
	if r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
	} else if r.head >= ringBatchesMax { // the front is of no more use
		n := copy(r.queue, r.queue[r.head:])
		clear(r.queue[n:])
		r.queue, r.head = r.queue[:n], 0
	}
	r.look()
}

// full reports whether more waits than may.
func (r *ring) full() bool {
	return r.marks > r.blocks || len(r.queue)-r.head > ringBatchesMax
}

// choose returns the source whose next frame or mark is the oldest of all that
// wait, nil if nothing does, and up to which clock it may go on before it is
// another's turn. It reports hurried if some source may yet bring something
// older, but too much waits.
func (r *rings) choose() (from *ring, until int64, hurried bool) {
	oldest, second, floor := int64(ringOver), int64(ringOver), int64(ringOver)
	for i := range r.all[:r.width] {
		one := &r.all[i]
		floor = min(floor, one.floor)
		if one.top < oldest {
			second = oldest
			from, oldest = one, one.top
		} else {
			second = min(second, one.top)
		}
	}
	if from == nil && r.width > r.sources()+1 {
		r.width = r.sources() + 1
	}
	switch {
	case from == nil || oldest <= floor:
		return from, min(second, floor), false
	case r.crowded(oldest):
		return from, second, true
	}
	return nil, 0, false
}

// crowded reports whether more waits than may, or for longer.
func (r *rings) crowded(oldest int64) bool {
	for i := range r.all[:r.width] {
		if one := &r.all[i]; one.full() || one.seen-oldest > ringWait {
			return true
		}
	}
	return false
}

// fromRing takes a message of one of the sources that are brought into one order,
// and does what can be done by now.
func (s *Shard) fromRing(m Message) {
	if b := m.Batch; b != nil && b.Apart && !s.Owns(wire.SlotOf(b.Frames[0].Hash)) {
		s.refuseHeld(b) // nobody was waited for, and its slot has left meanwhile
		return
	}
	s.rings.put(m)
	for s.merge() {
	}
}

// merge does what is next of all that waits. It reports false if that has to wait.
func (s *Shard) merge() bool {
	r := &s.rings
	r.clock = s.clock
	for len(r.merged) < mergedMax {
		from, until, hurried := r.choose()
		if from == nil {
			break
		}
		if m := from.queue[from.head]; m.Batch == nil {
			if len(r.merged) > 0 {
				break // its turn comes behind them
			}
			from.pop()
			if m.Move != nil {
				s.leftBy(m.Move)
			} else {
				s.mark(m.Mark)
			}
			return true
		}
		s.extend(from, until, hurried)
	}
	if len(r.merged) == 0 {
		return false
	}
	s.runMerged()
	return true
}

// extend adds frames of the batch at a ring's head to those that are done next: at
// least one, and then those up to a clock.
func (s *Shard) extend(from *ring, until int64, hurried bool) {
	r := &s.rings
	b := from.queue[from.head].Batch
	for {
		f := &b.Frames[from.at]
		if f.Clock < r.clock && r.clock-f.Clock <= clockSlack {
			f.Clock = r.clock
			if !from.lane {
				s.stats.Late++
			}
		}
		r.clock = f.Clock
		r.merged = append(r.merged, f)
		if hurried && !from.lane {
			s.stats.Hurried++
		}
		from.at++
		if from.at == len(b.Frames) {
			from.pop()
			r.spent = append(r.spent, b)
			return
		}
		if from.top = b.Frames[from.at].Clock; from.top > until || len(r.merged) >= mergedMax {
			return
		}
	}
}

// runMerged is run for frames of several batches.
func (s *Shard) runMerged() {
	r := &s.rings
	s.at = 0
	s.stats.Batches += uint64(len(r.spent))
	if s.load != nil {
		s.load.sampleMerged(r.merged)
	}
	if assert.Enabled {
		for _, f := range r.merged {
			assert.That(s.Owns(wire.SlotOf(f.Hash)), "a frame comes to the owner of its slot")
		}
	}
	s.protect(s.mergedFrames)
	r.merged = r.merged[:0]
	for _, b := range r.spent {
		b.Release()
	}
	clear(r.spent)
	r.spent = r.spent[:0]
}

// mergedFrames is frames for those.
func (s *Shard) mergedFrames() {
	all := s.rings.merged
	for s.at < len(all) {
		if s.frame == nil {
			if s.at%warmFrames == 0 {
				s.warmUpMerged(all[s.at:min(s.at+warmFrames, len(all))])
			}
			if f := all[s.at]; !s.quick(f, s.hints[s.at%warmFrames]) {
				s.enter(f)
			}
		}
		if s.frame != nil {
			s.stages()
			s.arena.Commit()
			s.frame = nil
		}
		s.at++
	}
}

// warmUpMerged is warmUp for those.
func (s *Shard) warmUpMerged(frames []*buffers.Frame) {
	sum := uint64(0)
	for _, f := range frames {
		sum += s.indexOf(f.Hash).touch(f.Hash)
	}
	s.warmed += sum
	for i, f := range frames {
		s.hints[i] = s.indexOf(f.Hash).guess(f.Hash)
	}
	s.warmRecords(len(frames))
}

// drainRings does all that waits, in order: no more will come.
func (s *Shard) drainRings() {
	for i := range s.rings.all {
		s.rings.all[i].floor = ringOver
	}
	for s.merge() {
	}
}
