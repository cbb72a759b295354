package rx

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A ring that is one of several of which shards make one order (Together) says
// how far it has come whenever another one's frames wait for that, and not only
// when it has frames itself. Nobody ticks for it: who hands frames over wakes
// those that sleep.

// pacing is what a ring needs for that. The zero value is a ring that goes alone.
type pacing struct {
	common *pace        // nil: nobody waits for this ring
	last   int64        // stamp of the latest frame cut, or what idleClock returned last
	told   atomic.Int64 // last, once it has been handed over
	dozing atomic.Bool  // the ring waits for frames, or is about to
}

// paceMargin is how long ago a frame may have got its stamp that has not come to
// the ring yet. Mostly the kernel stamps it in the ring, and this is 0; but where
// some socket wants stamps of what is received (SO_TIMESTAMP), before the frame
// queues for the softirq.
const paceMargin = time.Millisecond

// Part implements Parted: what is shared out by the flow's hash, or by a card whose
// hash is known to be the same for both directions, keeps connections together.
func (r *Ring) Part() (of any, split bool) {
	if len(r.group.rings) == 1 || r.cfg.Fanout == FanoutHash {
		return r.group, false
	}
	if r.cfg.Fanout == FanoutQueue {
		symmetric, known := SymmetricQueues(r.cfg.Interface)
		return r.group, !known || !symmetric
	}
	return r.group, true
}

func (r *Ring) follow(p *pace) { r.pacing.common = p }

func (r *Ring) inOrder() *pace { return r.pacing.common }

func (r *Ring) urge(clock int64) {
	if r.pacing.told.Load() < clock && r.pacing.dozing.Load() {
		r.napper.wake()
	}
}

// handed notes that what Next returned before has been handed over.
func (r *Ring) handed() {
	p := &r.pacing
	if p.common == nil || p.last == p.told.Load() {
		return
	}
	p.told.Store(p.last)
	if len(r.frames) > 0 { // else it has only said what time it is
		p.common.reached(r, p.last)
	}
}

// note keeps a stamp that the ring has come to: of the latest frame that was cut,
// or of the time.
func (r *Ring) note(stamp int64) { r.pacing.last = laterOf(r.pacing.last, stamp) }

// owed returns how long the ring may sleep before it has to say what time it is,
// no longer than most. 0 is now.
func (r *Ring) owed(now time.Time, most time.Duration) time.Duration {
	p := &r.pacing
	if p.common == nil {
		return most
	}
	p.dozing.Store(true) // before the look: who asks later wakes the ring
	want := p.common.want.Load()
	if want <= p.told.Load() || !r.empty() {
		return most // what is in the open block is handed over soon
	}
	if clock := now.Add(-paceMargin).UnixNano(); clock < want {
		return min(most, time.Duration(want-clock))
	}
	return 0
}

// empty reports whether there surely is no frame in the ring that has not been
// cut: the kernel counts them in the head of the block that it fills.
func (r *Ring) empty() bool {
	if r.sock == nil {
		return true
	}
	if r.sock.left > 0 {
		return false
	}
	b := r.sock.blocks[r.sock.next]
	return b.state.Load() == blockHome && atomic.LoadUint32(&b.head.Num_pkts) == 0 &&
		atomic.LoadUint32(&b.head.Block_status) == unix.TP_STATUS_KERNEL
}
