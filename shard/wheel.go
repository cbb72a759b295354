package shard

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
)

// tickShift makes a tick of 2^20 ns, about a millisecond: finer than any timeout
// here needs, and coarse enough that a busy shard looks at its wheel rarely.
// Deadlines are rounded up to it.
const tickShift = 20

// tick is a point in packet time in units of 2^tickShift ns.
type tick uint64

// tickAt returns the last tick at or before a clock.
func tickAt(clock int64) tick { return tick(clock >> tickShift) }

// tickAfter returns the first tick at or after a clock.
func tickAfter(clock int64) tick { return tick((clock + 1<<tickShift - 1) >> tickShift) }

// clock returns the time of a tick in ns.
func (t tick) clock() int64 { return int64(t) << tickShift }

const (
	wheelBits   = 6
	wheelPlaces = 1 << wheelBits
	wheelMask   = wheelPlaces - 1
	// wheelLevels covers 2^48 ticks: more than a clock in ns can count.
	wheelLevels = 8
	// tickMax is the last tick of such a clock.
	tickMax = tick(1)<<(63-tickShift) - 1
)

// timer is a node of the wheel: 32 octets, without pointers.
type timer struct {
	deadline tick
	order    uint64 // among timers of one tick, the lowest first: the FlowID
	owner    handle // what it is for: the shard's business
	sub      uint32 // among timers of one order, the lowest first
	next     handle
	prev     handle
}

// timerPlace says where a list of timers begins.
type timerPlace struct{ head handle }

// wheel is a hierarchical timing wheel (Varghese and Lauck, 1987) on packet
// time. Arming and disarming cost the same however many timers there are, and
// passing over an hour without packets costs no more than a second: a bitmap of
// each level says where the next timer is.
//
// A timer lies on the level of the highest group of six bits in which its
// deadline differs from now, so that all timers of a lower level are due before
// any of a higher one.
type wheel struct {
	now    tick
	quiet  tick // no place is reached before it: what most looks need to know
	nodes  *buffers.Slab[timer]
	bitmap [wheelLevels]uint64
	places [wheelLevels][wheelPlaces]timerPlace
	due    timerPlace // reached and not yet taken, in order
	dueOf  []handle   // scratch for sorting
}

// newWheel returns a wheel of up to limit timers.
func newWheel(limit int) *wheel { return &wheel{nodes: buffers.NewSlab[timer](limit)} }

// arm adds a timer and returns its handle, 0 if there are too many. A deadline
// that has passed is due at the next tick.
func (w *wheel) arm(deadline tick, order uint64, owner handle, sub uint32) handle {
	h, n := w.nodes.New()
	if h == 0 {
		return 0
	}
	*n = timer{deadline: min(max(deadline, w.now+1), tickMax), order: order, owner: owner, sub: sub}
	w.link(h)
	return h
}

// place returns where a deadline after now lies.
func (w *wheel) place(deadline tick) (level, slot int) {
	diff := uint64(deadline^w.now) | wheelMask
	level = (63 - bits.LeadingZeros64(diff)) / wheelBits
	return level, int(deadline>>(level*wheelBits)) & wheelMask
}

func (w *wheel) link(h handle) {
	level, slot := w.place(w.nodes.At(h).deadline)
	assert.That(level < wheelLevels, "a deadline is within the wheel's reach")
	w.push(&w.places[level][slot], h)
	w.bitmap[level] |= 1 << slot
	// Time may not run past where a place begins without emptying it: its timers
	// belong on lower levels then.
	w.quiet = min(w.quiet, w.nodes.At(h).deadline&^(1<<(level*wheelBits)-1))
}

func (w *wheel) push(p *timerPlace, h handle) {
	n := w.nodes.At(h)
	n.prev, n.next = 0, p.head
	if p.head != 0 {
		w.nodes.At(p.head).prev = h
	}
	p.head = h
}

// disarm takes a timer away, due or not.
func (w *wheel) disarm(h handle) {
	w.unlink(h)
	w.nodes.Free(h)
}

func (w *wheel) unlink(h handle) {
	n := w.nodes.At(h)
	if n.next != 0 {
		w.nodes.At(n.next).prev = n.prev
	}
	if n.prev != 0 {
		w.nodes.At(n.prev).next = n.next
		return
	}
	if w.due.head == h {
		w.due.head = n.next
		return
	}
	level, slot := w.place(n.deadline)
	p := &w.places[level][slot]
	assert.That(p.head == h, "a timer without one before it heads its list")
	if p.head = n.next; p.head == 0 {
		w.bitmap[level] &^= 1 << slot
	}
}

// move gives a timer another deadline.
func (w *wheel) move(h handle, deadline tick) {
	w.unlink(h)
	w.nodes.At(h).deadline = min(max(deadline, w.now+1), tickMax)
	w.link(h)
}

// advance moves time on to the next tick at which a timer is due, but not past
// limit, and reports whether there is one. Its timers are then to be taken with
// peek, in order, before advance is called again.
func (w *wheel) advance(limit tick) bool {
	if limit < w.quiet && w.due.head == 0 {
		w.now = max(w.now, limit)
		return false
	}
	return w.seek(limit)
}

// seek is advance for when something may be due.
func (w *wheel) seek(limit tick) bool {
	for w.due.head == 0 {
		level, at, ok := w.next()
		if !ok || at > limit {
			w.now = max(w.now, limit)
			if w.quiet = at; !ok {
				w.quiet = tickMax
			}
			return false
		}
		slot := int(at>>(level*wheelBits)) & wheelMask
		list := w.places[level][slot].head
		w.places[level][slot].head = 0
		w.bitmap[level] &^= 1 << slot
		w.now = at
		if level == 0 {
			w.sortDue(list)
			continue
		}
		for list != 0 {
			h := list
			list = w.nodes.At(h).next
			if w.nodes.At(h).deadline == at {
				w.dueOf = append(w.dueOf, h) // due now: lower levels are for later
			} else {
				w.link(h)
			}
		}
		w.sortDue(0)
	}
	return true
}

// next returns the first place that is not empty, and when it is reached.
func (w *wheel) next() (level int, at tick, ok bool) {
	for level = range wheelLevels {
		if w.bitmap[level] == 0 {
			continue
		}
		slot := bits.TrailingZeros64(w.bitmap[level])
		span := tick(1) << (level * wheelBits)
		base := w.now &^ (span<<wheelBits - 1)
		at = base + tick(slot)*span
		assert.That(at >= w.now, "no timer lies in the past")
		return level, at, true
	}
	return 0, 0, false
}

// sortDue makes the due list of a place's timers and those in w.dueOf.
func (w *wheel) sortDue(list handle) {
	for ; list != 0; list = w.nodes.At(list).next {
		w.dueOf = append(w.dueOf, list)
	}
	slices.SortFunc(w.dueOf, func(a, b handle) int {
		x, y := w.nodes.At(a), w.nodes.At(b)
		return cmp.Or(cmp.Compare(x.order, y.order), cmp.Compare(x.sub, y.sub))
	})
	for i := len(w.dueOf) - 1; i >= 0; i-- {
		w.push(&w.due, w.dueOf[i])
	}
	w.dueOf = w.dueOf[:0]
}

// peek returns the timer that is due first, 0 if none is.
func (w *wheel) peek() handle { return w.due.head }
