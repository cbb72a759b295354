package shard

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/uevents"
)

// twins are a wheel and one that is obviously right: a list that is sorted
// before each look.
type twins struct {
	*wheel
	r    *rand.Rand
	slow []timer
}

func newTwins(r *rand.Rand) *twins {
	timeouts := &Timeouts{Embryonic: 3, Established: 1 << 50, Closing: 1 << 40, Closed: 1 << 20, Datagram: Never}
	return &twins{wheel: newWheel(buffers.NewSlab[flow](0), buffers.NewSlab[alarm](0), timeouts), r: r}
}

// alarm arms a new alarm.
func (w *twins) alarm(deadline int64, order uint64) timer {
	h, a := w.alarms.New()
	a.deadline, a.order, a.sub = deadline, order, uint32(h)
	t := timer(h) | ofAlarm
	w.arm(t, deadline)
	w.slow = append(w.slow, t)
	return t
}

// flow arms the timer of a new flow.
func (w *twins) flow(id uint64) timer {
	h, fl := w.flows.New()
	fl.id, fl.last = uevents.FlowID(id), w.now
	fl.role.setLife(lifecycle(w.r.IntN(4)))
	t := timer(h)
	w.slow = append(w.slow, t)
	w.arm(t, w.when(t))
	return t
}

// when returns a timer's deadline.
func (w *twins) when(t timer) int64 {
	at, _ := w.deadline(t)
	return at
}

// pick returns a timer that is armed, and where it is in the list; 0 if there is
// none.
func (w *twins) pick() (t timer, at int) {
	if len(w.slow) == 0 {
		return 0, 0
	}
	at = w.r.IntN(len(w.slow))
	return w.slow[at], at
}

// drop forgets a timer.
func (w *twins) drop(t timer) {
	w.disarm(t)
	w.slow = slices.DeleteFunc(w.slow, func(o timer) bool { return o == t })
	if t&ofAlarm != 0 {
		w.alarms.Free(handle(t &^ ofAlarm))
	} else {
		w.flows.Free(handle(t))
	}
}

// near returns a time that is often that of another timer, or one next to it.
func (w *twins) near() int64 {
	if t, _ := w.pick(); t != 0 && w.r.IntN(2) == 0 {
		return w.when(t) + w.r.Int64N(3) - 1
	}
	return later(w.now, time.Duration(w.r.Int64N(1<<w.r.IntN(62))))
}

// turn does one thing to both.
func (w *twins) turn(t *testing.T) {
	switch w.r.IntN(9) {
	case 0, 1:
		w.alarm(max(w.near(), w.now), w.r.Uint64N(10))
	case 2, 3:
		w.flow(uint64(w.flows.Len()) + 1)
	case 4:
		if x, _ := w.pick(); x != 0 {
			w.drop(x)
		}
	case 5: // a packet: the deadline moves, and the wheel is not told
		if x, _ := w.pick(); x != 0 && x&ofAlarm == 0 {
			w.flows.At(handle(x)).last = w.now
		}
	case 6: // a flow gets another timeout
		if x, _ := w.pick(); x != 0 && x&ofAlarm == 0 {
			fl := w.flows.At(handle(x))
			fl.last = w.now
			fl.role.setLife(lifecycle(w.r.IntN(4)))
			w.hasten(x, w.when(x))
		}
	default:
		w.drain(t, min(later(w.now, time.Duration(w.r.Int64N(1<<w.r.IntN(62))>>8)), never-1))
	}
}

// drain fires what is due by a clock in both, which must be the same in the same
// order.
func (w *twins) drain(t *testing.T, clock int64) {
	t.Helper()
	order := func(x timer) dueTimer { return w.dueAt(x, w.when(x)) }
	for w.advance(clock) {
		x := w.peek()
		if at := w.when(x); x&ofAlarm == 0 && at > w.now {
			w.move(x, at) // it was not silent
			continue
		}
		if len(w.slow) == 0 {
			t.Fatalf("%x fires, which is not armed", x)
		}
		first := slices.MinFunc(w.slow, func(a, b timer) int { return -order(a).compare(order(b)) })
		if first != x || w.now != w.when(x) {
			t.Fatalf("%x fires at %d, want %x first, at %d", x, w.now, first, w.when(first))
		}
		w.drop(x)
	}
	for _, x := range w.slow {
		if w.when(x) <= clock {
			t.Fatalf("%x, due at %d, did not fire by %d", x, w.when(x), clock)
		}
	}
}

func TestWheelAgainstASortedList(t *testing.T) {
	seed := rand.Uint64()
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	w := newTwins(rand.New(rand.NewPCG(seed, 0)))
	w.advance(1_700_000_000_000_000_000) // as of today
	for range 6000 {
		w.turn(t)
		if w.armed != len(w.slow) {
			t.Fatalf("%d timers, want %d", w.armed, len(w.slow))
		}
	}
	w.drain(t, never)
	if len(w.slow) != 0 || w.armed != 0 {
		t.Errorf("%d timers never fired", len(w.slow))
	}
}

// A flow whose timeout has become Never while its timer lay in the wheel is left
// out when that is reached.
func TestWheelLeavesOutWhatNeverEnds(t *testing.T) {
	w := newTwins(rand.New(rand.NewPCG(1, 1)))
	x := w.flow(1)
	fl := w.flows.At(handle(x))
	fl.role.setLife(lifeClosing)
	w.move(x, w.when(x))
	fl.role.setLife(lifeDatagram)
	if w.advance(1<<60) || w.armed != 0 || fl.spot != spotNone {
		t.Errorf("%d timers armed, the flow's lies in spot %d", w.armed, fl.spot)
	}
}

// A timer is due to the nanosecond, whatever else lies in its tick, and one that
// was armed for a time gone by is due at once.
func TestWheelIsExact(t *testing.T) {
	w := newTwins(nil)
	const start = 1_700_000_000_000_000_000
	w.advance(start)
	last := w.alarm(start+1002, 0)
	first := w.alarm(start+1001, 9)
	for _, step := range []struct {
		clock int64
		due   timer
	}{{start + 1000, 0}, {start + 1001, first}, {start + 1001, 0}, {start + 1002, last}, {start + 1<<40, 0}} {
		if due := w.advance(step.clock); due != (step.due != 0) {
			t.Fatalf("at %d: something is due: %v", step.clock-start, due)
		} else if due {
			if x := w.peek(); x != step.due || w.now != step.clock {
				t.Fatalf("at %d: timer %x at %d, want %x", step.clock-start, x, w.now-start, step.due)
			}
			w.drop(w.peek())
		}
	}
	x := w.alarm(start, 0)
	if !w.advance(start+1<<40) || w.peek() != x {
		t.Error("a timer for a time gone by is not due")
	}
}

func TestLaterStaysWithinTheClock(t *testing.T) {
	for _, c := range []struct {
		clock int64
		after time.Duration
		want  int64
	}{{5, 7, 12}, {never - 7, 7, never}, {never - 7, 8, never}, {1 << 60, math.MaxInt64, never}} {
		if got := later(c.clock, c.after); got != c.want {
			t.Errorf("later(%d, %d) is %d, want %d", c.clock, c.after, got, c.want)
		}
	}
}

func BenchmarkWheel(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	w := newTwins(r)
	var all []timer
	for i := range 100000 {
		all = append(all, w.alarm(w.now+r.Int64N(1<<37), uint64(i)))
	}
	b.Run("move", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			w.move(all[i%len(all)], w.now+int64(i%(1<<17))<<tickShift)
		}
	})
}

// A timer that lies too late for a deadline is moved, one that is not armed is
// armed, and one that lies early enough stays where it is, which costs nothing.
func TestWheelHastens(t *testing.T) {
	const tickLen = 1 << tickShift
	const start = 1_700_000_000_000_000_000 >> tickShift << tickShift
	for _, c := range []struct {
		name   string
		lies   int64 // after start; 0: it is not armed
		hasten int64
		stays  bool
	}{
		{"not armed", 0, 5000 * tickLen, false},
		{"due in this tick, earlier", 900, 800, false},
		{"due in this tick, later", 900, 950, true},
		{"due in this tick, beyond it", 900, 5000 * tickLen, true},
		{"in a place, in this tick", 5000 * tickLen, 800, false},
		{"in a place, in another before it", 5000 * tickLen, 70 * tickLen, false},
		{"in a place, in the same", 5000 * tickLen, 5000*tickLen + 7, true},
		{"in a place, in one behind it", 70 * tickLen, 5000 * tickLen, true},
	} {
		w := newTwins(rand.New(rand.NewPCG(1, 1)))
		w.advance(start)
		h, fl := w.flows.New()
		fl.role.setLife(lifeClosing) // ends 2^40 ns after the latest packet
		x := timer(h)
		if c.lies != 0 {
			w.arm(x, start+c.lies)
		}
		at, links := fl.spot, fl.timer
		fl.last = start + c.hasten - 1<<40
		w.hasten(x, start+c.hasten)
		if stays := fl.spot == at && fl.timer == links; stays != c.stays || w.armed != 1 {
			t.Errorf("%s: it stays: %v; %d armed", c.name, stays, w.armed)
		}
		for now := int64(start); ; { // a flow's timer that comes early is moved on
			if now = start + c.hasten - 1; w.advance(now) {
				w.move(x, w.when(x))
				continue
			}
			break
		}
		if !w.advance(start+c.hasten) || w.peek() != x {
			t.Errorf("%s: it is not due in time", c.name)
		}
	}
}

// Timers that share a tick far ahead are due each at its own time, the first of
// them at the very beginning of the tick; any of them can still be taken away when
// the tick has been reached.
func TestWheelReachesATick(t *testing.T) {
	const start = 1_700_000_000_000_000_000 >> tickShift << tickShift
	const ahead = start + 300<<tickShift
	for gone := range 4 {
		w := newTwins(nil)
		w.advance(start)
		var all []timer
		for i := range int64(4) {
			all = append(all, w.alarm(ahead+i*10, 0))
		}
		if w.advance(ahead-1) || !w.advance(ahead) || w.peek() != all[0] {
			t.Fatal("the first is not due when its tick begins")
		}
		w.drop(all[gone])
		for i, x := range all {
			if due := w.advance(ahead + int64(i)*10); due != (i != gone) {
				t.Fatalf("without timer %d: timer %d is due: %v", gone, i, due)
			} else if due && w.peek() != x {
				t.Fatalf("without timer %d: %x is due, want %x", gone, w.peek(), x)
			} else if due {
				w.drop(x)
			}
		}
	}
}

// What was armed for a time gone by takes its turn among what is due now.
func TestWheelOrdersWhatIsLate(t *testing.T) {
	w := newTwins(nil)
	const start = 1_700_000_000_000_000_000
	w.advance(start)
	late := w.alarm(start-5, 2)
	first := w.alarm(start, 1)
	for _, want := range []timer{first, late} {
		if !w.advance(start) || w.peek() != want {
			t.Fatalf("%x is due, want %x", w.peek(), want)
		}
		w.drop(want)
	}
}
