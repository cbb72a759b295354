package shard

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// slowTimer is a timer of a wheel that is obviously right: a list that is
// sorted before each look.
type slowTimer struct {
	deadline int64
	order    uint64
	h        handle
}

func TestWheelAgainstASortedList(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWheel(0)
	w.advance(1_700_000_000_000_000_000) // as of today
	var slow []slowTimer
	delay := func() int64 { return r.Int64N(1 << r.IntN(62)) }
	near := func() int64 { // often the time of another timer, or one next to it
		if n := len(slow); n > 0 && r.IntN(2) == 0 {
			return slow[r.IntN(n)].deadline + r.Int64N(3) - 1
		}
		return later(w.now, time.Duration(delay()))
	}
	for i := range 6000 {
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			d, order := near(), r.Uint64N(10)
			h := w.arm(d, order, handle(i), uint32(i))
			slow = append(slow, slowTimer{max(d, w.now), order, h})
		case 4:
			if n := len(slow); n > 0 {
				k := r.IntN(n)
				w.disarm(slow[k].h)
				slow = slices.Delete(slow, k, k+1)
			}
		case 5:
			if n := len(slow); n > 0 {
				k, d := r.IntN(n), near()
				w.move(slow[k].h, d)
				slow[k].deadline = max(d, w.now)
			}
		default:
			drainBoth(t, w, &slow, min(later(w.now, time.Duration(delay()>>8)), never-1), seed)
		}
		if w.nodes.Len() != len(slow) {
			t.Fatalf("seed %d: %d timers, want %d", seed, w.nodes.Len(), len(slow))
		}
	}
	drainBoth(t, w, &slow, never, seed)
	if len(slow) != 0 || w.nodes.Len() != 0 {
		t.Errorf("seed %d: %d timers never fired", seed, len(slow))
	}
}

// drainBoth fires what is due by a clock in both, which must be the same in the
// same order but for timers that are alike in both deadline and order.
func drainBoth(t *testing.T, w *wheel, slow *[]slowTimer, clock int64, seed uint64) {
	t.Helper()
	slices.SortStableFunc(*slow, func(a, b slowTimer) int {
		return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.order, b.order))
	})
	for w.advance(clock) {
		h := w.peek()
		n := w.nodes.At(h)
		if len(*slow) == 0 {
			t.Fatalf("seed %d: a timer fires that is not armed", seed)
		}
		first := (*slow)[0]
		if n.deadline != first.deadline || n.order != first.order || w.now != n.deadline {
			t.Fatalf("seed %d: fires (%d, %d) at %d, want (%d, %d)", seed, n.deadline, n.order, w.now, first.deadline, first.order)
		}
		k := slices.IndexFunc(*slow, func(s slowTimer) bool { return s.h == h })
		w.disarm(h)
		*slow = slices.Delete(*slow, k, k+1)
	}
	if len(*slow) > 0 && (*slow)[0].deadline <= clock {
		t.Fatalf("seed %d: a timer due at %d did not fire by %d", seed, (*slow)[0].deadline, clock)
	}
}

// A timer is due to the nanosecond, whatever else lies in its tick, and one that
// was armed for a time gone by is due at once.
func TestWheelIsExact(t *testing.T) {
	w := newWheel(0)
	const start = 1_700_000_000_000_000_000
	w.advance(start)
	last := w.arm(start+1002, 0, 0, 0)
	first := w.arm(start+1001, 9, 0, 0)
	for _, step := range []struct {
		clock int64
		due   handle
	}{{start + 1000, 0}, {start + 1001, first}, {start + 1001, 0}, {start + 1002, last}, {start + 1<<40, 0}} {
		if due := w.advance(step.clock); due != (step.due != 0) {
			t.Fatalf("at %d: something is due: %v", step.clock-start, due)
		} else if due {
			if h := w.peek(); h != step.due || w.now != step.clock {
				t.Fatalf("at %d: timer %d at %d, want %d", step.clock-start, h, w.now-start, step.due)
			}
			w.disarm(w.peek())
		}
	}
	h := w.arm(start, 0, 0, 0)
	if !w.advance(start+1<<40) || w.peek() != h {
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
	w := newWheel(0)
	r := rand.New(rand.NewPCG(1, 1))
	var hs []handle
	for range 100000 {
		hs = append(hs, w.arm(w.now+r.Int64N(1<<37), 0, 0, 0))
	}
	b.Run("move", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			w.move(hs[i%len(hs)], w.now+int64(i%(1<<17))<<tickShift)
		}
	})
}
