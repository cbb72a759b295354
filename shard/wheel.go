package shard

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
)

// tickShift makes a tick of 2^20 ns, about a millisecond: what one place of the
// wheel's lowest level holds. Deadlines are exact: timers of the tick at hand lie
// in their order.
const tickShift = 20

// tick is a point in packet time in units of 2^tickShift ns.
type tick uint64

// tickAt returns the tick that a clock lies in.
func tickAt(clock int64) tick { return tick(clock >> tickShift) }

// clock returns the time at which a tick begins, in ns.
func (t tick) clock() int64 { return int64(t) << tickShift }

const (
	wheelBits   = 6
	wheelPlaces = 1 << wheelBits
	wheelMask   = wheelPlaces - 1
	// wheelLevels covers 2^48 ticks: more than a clock in ns can count.
	wheelLevels = 8
)

// never is a deadline that no clock reaches.
const never int64 = math.MaxInt64

// later returns the clock after d has passed; never, if that is beyond all clocks.
func later(clock int64, d time.Duration) int64 {
	if int64(d) > never-clock {
		return never
	}
	return clock + int64(d)
}

// timer is a node of the wheel: 32 octets, without pointers.
type timer struct {
	deadline int64  // ns
	order    uint64 // among timers of one deadline, the lowest first: the FlowID
	owner    handle // what it is for: the shard's business
	sub      uint32 // among timers of one order, the lowest first
	next     handle // in its place
	prev     handle
}

// timerPlace says where a list of timers begins.
type timerPlace struct{ head handle }

// wheel is a hierarchical timing wheel (Varghese and Lauck, 1987) on packet
// time. Arming and disarming cost the same however many timers there are, and
// passing over an hour without packets costs no more than a second: a bitmap of
// each level says where the next timer is.
//
// A timer lies on the level of the highest group of six bits in which the tick of
// its deadline differs from that of now, so that all timers of a lower level are
// due before any of a higher one. When a tick is reached, its timers leave their
// place and are sorted: within it nanoseconds decide.
type wheel struct {
	now    int64 // ns; as of the last look that had something to do
	quiet  int64 // nothing is due before it, and no place is reached: what most looks need to know
	nodes  *buffers.Slab[timer]
	bitmap [wheelLevels]uint64
	places [wheelLevels][wheelPlaces]timerPlace
	due    []handle // timers up to the end of now's tick, the first one last
}

// newWheel returns a wheel of up to limit timers.
func newWheel(limit int) *wheel { return &wheel{nodes: buffers.NewSlab[timer](limit)} }

// arm adds a timer and returns its handle, 0 if there are too many. A deadline
// that has passed is due at once.
func (w *wheel) arm(deadline int64, order uint64, owner handle, sub uint32) handle {
	h, n := w.nodes.New()
	if h == 0 {
		return 0
	}
	*n = timer{deadline: max(deadline, w.now), order: order, owner: owner, sub: sub}
	w.link(h, n)
	return h
}

// place returns where a tick after now's lies.
func (w *wheel) place(t tick) (level, slot int) {
	diff := uint64(t^tickAt(w.now)) | wheelMask
	level = (63 - bits.LeadingZeros64(diff)) / wheelBits
	return level, int(t>>(level*wheelBits)) & wheelMask
}

func (w *wheel) link(h handle, n *timer) {
	t := tickAt(n.deadline)
	if t <= tickAt(w.now) {
		at, _ := slices.BinarySearchFunc(w.due, h, w.compare)
		w.due = slices.Insert(w.due, at, h)
		w.quiet = min(w.quiet, n.deadline)
		return
	}
	level, slot := w.place(t)
	assert.That(level < wheelLevels, "a deadline is within the wheel's reach")
	p := &w.places[level][slot]
	n.prev, n.next = 0, p.head
	if p.head != 0 {
		w.nodes.At(p.head).prev = h
	}
	p.head = h
	w.bitmap[level] |= 1 << slot
	// Time may not run past where a place begins without emptying it: its timers
	// belong on lower levels then.
	w.quiet = min(w.quiet, (t &^ (1<<(level*wheelBits) - 1)).clock())
}

// compare orders timers as w.due has them. That of handles makes it a total
// order; it decides nothing, as no two timers are alike in all the rest.
func (w *wheel) compare(a, b handle) int {
	x, y := w.nodes.At(b), w.nodes.At(a)
	return cmp.Or(cmp.Compare(x.deadline, y.deadline), cmp.Compare(x.order, y.order), cmp.Compare(x.sub, y.sub), cmp.Compare(b, a))
}

// disarm takes a timer away, due or not.
func (w *wheel) disarm(h handle) {
	w.unlink(h, w.nodes.At(h))
	w.nodes.Free(h)
}

func (w *wheel) unlink(h handle, n *timer) {
	t := tickAt(n.deadline)
	if last := len(w.due) - 1; last >= 0 && w.due[last] == h { // what peek returned
		w.due = w.due[:last]
		return
	}
	if t <= tickAt(w.now) {
		at, ok := slices.BinarySearchFunc(w.due, h, w.compare)
		assert.That(ok, "a timer of the tick at hand is in its list")
		w.due = slices.Delete(w.due, at, at+1)
		return
	}
	if n.next != 0 {
		w.nodes.At(n.next).prev = n.prev
	}
	if n.prev != 0 {
		w.nodes.At(n.prev).next = n.next
		return
	}
	level, slot := w.place(t)
	p := &w.places[level][slot]
	assert.That(p.head == h, "a timer without one before it heads its list")
	if p.head = n.next; p.head == 0 {
		w.bitmap[level] &^= 1 << slot
	}
}

// move gives a timer another deadline.
func (w *wheel) move(h handle, deadline int64) {
	n := w.nodes.At(h)
	w.unlink(h, n)
	n.deadline = max(deadline, w.now)
	w.link(h, n)
}

// advance reports whether a timer is due by a clock: then it is the one that
// peek returns, now is its deadline, and it is to be moved or disarmed before
// advance is called again.
func (w *wheel) advance(clock int64) bool { return clock >= w.quiet && w.seek(clock) }

// seek is advance for when something may be due.
func (w *wheel) seek(clock int64) bool {
	for {
		if n := len(w.due); n > 0 {
			w.quiet = w.nodes.At(w.due[n-1]).deadline
			if w.quiet <= clock {
				w.now = max(w.now, w.quiet)
				return true
			}
			w.now = max(w.now, clock)
			return false // any place comes later
		}
		level, at, ok := w.next()
		if !ok || at.clock() > clock {
			w.now = max(w.now, clock)
			if w.quiet = at.clock(); !ok {
				w.quiet = never
			}
			return false
		}
		w.reach(level, at)
	}
}

// reach moves time on to where a place begins, and empties it.
func (w *wheel) reach(level int, at tick) {
	slot := int(at>>(level*wheelBits)) & wheelMask
	list := w.places[level][slot].head
	w.places[level][slot].head = 0
	w.bitmap[level] &^= 1 << slot
	w.now = at.clock()
	for h := list; h != 0; {
		n := w.nodes.At(h)
		next := n.next
		if tickAt(n.deadline) == at {
			w.due = append(w.due, h)
		} else {
			w.link(h, n) // on a lower level
		}
		h = next
	}
	slices.SortFunc(w.due, w.compare)
}

// next returns the first place that is not empty, and when it is reached.
func (w *wheel) next() (level int, at tick, ok bool) {
	for level = range wheelLevels {
		if w.bitmap[level] == 0 {
			continue
		}
		slot := bits.TrailingZeros64(w.bitmap[level])
		span := tick(1) << (level * wheelBits)
		base := tickAt(w.now) &^ (span<<wheelBits - 1)
		at = base + tick(slot)*span
		assert.That(at > tickAt(w.now), "no place lies in the past")
		return level, at, true
	}
	return 0, 0, false
}

// peek returns the timer that is due first. There is one after advance said so.
func (w *wheel) peek() handle { return w.due[len(w.due)-1] }

// trim gives back what many timers have left behind, and returns how many octets
// that was.
func (w *wheel) trim() int {
	if len(w.due) == 0 {
		w.due = nil
	}
	return w.nodes.Trim()
}
