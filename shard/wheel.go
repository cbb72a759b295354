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

// timer names what a timer is for: a flow, whose silence it measures, or with
// ofAlarm set an alarm. There is one for each at most, and it lies in their
// records. 0 is none.
type timer uint32

const ofAlarm timer = 1 << 31

// spot is where a timer lies.
type spot uint16

const (
	spotNone  spot = iota // it is not armed
	spotDue               // in wheel.due
	spotFirst             // in a place: from here on, level by level
)

// links are a timer's neighbours in its place. Of one that is due they hold the
// deadline by which it lies in its list.
type links struct{ next, prev timer }

func (l *links) setDue(deadline int64) { l.next, l.prev = timer(deadline>>32), timer(deadline) }
func (l *links) due() int64            { return int64(l.next)<<32 | int64(l.prev) }

// dueTimer is a timer of the tick at hand.
type dueTimer struct {
	deadline int64  // ns
	order    uint64 // among timers of one deadline, the lowest first: the FlowID
	sub      uint32 // among timers of one order, the lowest first
	t        timer
}

// compare orders timers as wheel.due has them, the first to fire last. That of
// names makes it a total order; it decides nothing, as no two timers are alike in
// all the rest.
func (a dueTimer) compare(b dueTimer) int {
	if a.deadline != b.deadline {
		return cmp.Compare(b.deadline, a.deadline)
	}
	return cmp.Or(cmp.Compare(b.order, a.order), cmp.Compare(b.sub, a.sub), cmp.Compare(b.t, a.t))
}

// wheel is a hierarchical timing wheel (Varghese and Lauck, 1987) on packet
// time. Arming and disarming cost the same however many timers there are, and
// passing over an hour without packets costs no more than a second: a bitmap of
// each level says where the next timer is.
//
// A timer lies on the level of the highest group of six bits in which the tick of
// its deadline differs from that of now, so that all timers of a lower level are
// due before any of a higher one. When a tick is reached, its timers leave their
// place and are sorted: within it nanoseconds decide.
//
// A flow's deadline is not kept: it moves with each packet, which must not cost
// anything. Its timer lies no later than where it belongs, and is moved on when
// its place is reached.
type wheel struct {
	now      int64 // ns; as of the last look that had something to do
	quiet    int64 // nothing is due before it, and no place is reached: what most looks need to know
	armed    int   // timers
	flows    *buffers.Slab[flow]
	alarms   *buffers.Slab[alarm]
	timeouts *Timeouts
	bitmap   [wheelLevels]uint64
	places   [wheelLevels][wheelPlaces]timer
	due      []dueTimer // timers up to the end of now's tick, the first one last
}

// newWheel returns a wheel of the timers of some flows and alarms.
func newWheel(flows *buffers.Slab[flow], alarms *buffers.Slab[alarm], timeouts *Timeouts) *wheel {
	return &wheel{flows: flows, alarms: alarms, timeouts: timeouts}
}

// at returns where a timer lies.
func (w *wheel) at(t timer) (*links, *spot) {
	if t&ofAlarm != 0 {
		a := w.alarms.At(handle(t &^ ofAlarm))
		return &a.timer, &a.spot
	}
	fl := w.flows.At(handle(t))
	return &fl.timer, &fl.spot
}

// deadline returns when a timer is due; ok is false for a flow's that never is.
func (w *wheel) deadline(t timer) (at int64, ok bool) {
	if t&ofAlarm != 0 {
		return w.alarms.At(handle(t &^ ofAlarm)).deadline, true
	}
	fl := w.flows.At(handle(t))
	after, ends := w.timeouts.of(fl.role.life())
	return later(fl.last, after), ends
}

// dueAt returns what a timer would be in w.due.
func (w *wheel) dueAt(t timer, deadline int64) dueTimer {
	if t&ofAlarm != 0 {
		a := w.alarms.At(handle(t &^ ofAlarm))
		return dueTimer{deadline, a.order, a.sub, t}
	}
	return dueTimer{deadline, uint64(w.flows.At(handle(t)).id), idleTimer, t}
}

// arm adds a timer that is not armed. A deadline that has passed is due at once.
func (w *wheel) arm(t timer, deadline int64) {
	w.armed++
	w.link(t, deadline)
}

// place returns where a tick after now's lies.
func (w *wheel) place(t tick) (level, slot int) {
	diff := uint64(t^tickAt(w.now)) | wheelMask
	level = (63 - bits.LeadingZeros64(diff)) / wheelBits
	return level, int(t>>(level*wheelBits)) & wheelMask
}

func (w *wheel) link(t timer, deadline int64) {
	deadline = max(deadline, w.now)
	l, spot := w.at(t)
	at := tickAt(deadline)
	if at <= tickAt(w.now) {
		d := w.dueAt(t, deadline)
		i, _ := slices.BinarySearchFunc(w.due, d, dueTimer.compare)
		w.due = slices.Insert(w.due, i, d)
		l.setDue(deadline)
		*spot = spotDue
		w.quiet = min(w.quiet, deadline)
		return
	}
	level, slot := w.place(at)
	assert.That(level < wheelLevels, "a deadline is within the wheel's reach")
	p := &w.places[level][slot]
	l.prev, l.next = 0, *p
	if *p != 0 {
		first, _ := w.at(*p)
		first.prev = t
	}
	*p = t
	*spot = spotOf(level, slot)
	w.bitmap[level] |= 1 << slot
	// Time may not run past where a place begins without emptying it: its timers
	// belong on lower levels then.
	w.quiet = min(w.quiet, (at &^ (1<<(level*wheelBits) - 1)).clock())
}

// spotOf returns the spot of a place.
func spotOf(level, slot int) spot { return spotFirst + spot(level<<wheelBits|slot) }

// place returns the place that a spot is.
func (s spot) place() (level, slot int) {
	i := int(s - spotFirst)
	return i >> wheelBits & (wheelLevels - 1), i & wheelMask
}

// disarm takes a timer away, due or not, if it is armed.
func (w *wheel) disarm(t timer) {
	l, spot := w.at(t)
	if *spot == spotNone {
		return
	}
	w.unlink(t, l, *spot)
	*spot = spotNone
	w.armed--
}

func (w *wheel) unlink(t timer, l *links, at spot) {
	if at == spotDue {
		w.undue(t, l)
		return
	}
	if l.next != 0 {
		after, _ := w.at(l.next)
		after.prev = l.prev
	}
	if l.prev != 0 {
		before, _ := w.at(l.prev)
		before.next = l.next
		return
	}
	level, slot := at.place()
	p := &w.places[level][slot]
	assert.That(*p == t, "a timer without one before it heads its list")
	if *p = l.next; *p == 0 {
		w.bitmap[level] &^= 1 << slot
	}
}

// undue takes a timer out of those that are due: mostly what peek returned.
func (w *wheel) undue(t timer, l *links) {
	if last := len(w.due) - 1; w.due[last].t == t {
		w.due = w.due[:last]
		return
	}
	i, ok := slices.BinarySearchFunc(w.due, w.dueAt(t, l.due()), dueTimer.compare)
	assert.That(ok, "a timer of the tick at hand is in its list")
	w.due = slices.Delete(w.due, i, i+1)
}

// move gives a timer another deadline.
func (w *wheel) move(t timer, deadline int64) {
	l, spot := w.at(t)
	w.unlink(t, l, *spot)
	w.link(t, deadline)
}

// hasten moves a timer that lies too late for a deadline, or is not armed.
func (w *wheel) hasten(t timer, deadline int64) {
	l, spot := w.at(t)
	switch at := *spot; {
	case at == spotNone:
		w.arm(t, deadline)
	case at == spotDue && deadline < l.due(), at >= spotFirst && tickAt(deadline) < w.begins(at.place()):
		w.move(t, deadline)
	}
}

// begins returns the tick at which a place is reached.
func (w *wheel) begins(level, slot int) tick {
	shift := level * wheelBits
	return tickAt(w.now)>>(shift+wheelBits)<<(shift+wheelBits) + tick(slot)<<shift
}

// advance reports whether a timer is due by a clock: then it is the one that
// peek returns, now is its deadline, and it is to be moved or disarmed before
// advance is called again.
func (w *wheel) advance(clock int64) bool { return clock >= w.quiet && w.seek(clock) }

// seek is advance for when something may be due.
func (w *wheel) seek(clock int64) bool {
	for {
		if n := len(w.due); n > 0 {
			w.quiet = w.due[n-1].deadline
			if w.quiet <= clock {
				w.now = max(w.now, w.quiet)
				return true
			}
			w.now = max(w.now, clock)
			return false // any place comes later
		}
		level, slot, ok := w.next()
		if !ok {
			w.now, w.quiet = max(w.now, clock), never
			return false
		}
		if at := w.begins(level, slot); at.clock() > clock {
			w.now, w.quiet = max(w.now, clock), at.clock()
			return false
		}
		w.reach(level, slot)
	}
}

// reach moves time on to where a place begins, and empties it.
func (w *wheel) reach(level, slot int) {
	at := w.begins(level, slot)
	list := w.places[level][slot]
	w.places[level][slot] = 0
	w.bitmap[level] &^= 1 << slot
	w.now = at.clock()
	for t := list; t != 0; {
		l, spot := w.at(t)
		next := l.next
		switch deadline, ends := w.deadline(t); {
		case !ends:
			*spot = spotNone
			w.armed--
		case tickAt(deadline) <= at:
			deadline = max(deadline, w.now)
			w.due = append(w.due, w.dueAt(t, deadline))
			l.setDue(deadline)
			*spot = spotDue
		default:
			w.link(t, deadline) // on a lower level, or for a flow that was not silent
		}
		t = next
	}
	slices.SortFunc(w.due, dueTimer.compare)
}

// next returns the first place that is not empty.
func (w *wheel) next() (level, slot int, ok bool) {
	for level = range wheelLevels {
		if w.bitmap[level] != 0 {
			slot = bits.TrailingZeros64(w.bitmap[level])
			assert.That(w.begins(level, slot) > tickAt(w.now), "no place lies in the past")
			return level, slot, true
		}
	}
	return 0, 0, false
}

// peek returns the timer that is due first. There is one after advance said so.
func (w *wheel) peek() timer { return w.due[len(w.due)-1].t }

// trim gives back what many timers have left behind.
func (w *wheel) trim() {
	if len(w.due) == 0 {
		w.due = nil
	}
}
