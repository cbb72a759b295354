package shard

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowTimer is a timer of a wheel that is obviously right: a list that is
// sorted before each look.
type slowTimer struct {
	deadline tick
	order    uint64
	h        handle
}

func TestWheelAgainstASortedList(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWheel(0)
	w.advance(tickAt(1_700_000_000_000_000_000)) // as of today
	var slow []slowTimer
	delay := func() tick { return tick(r.Uint64N(1 << r.IntN(45))) }
	for i := range 6000 {
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			d, order := w.now+delay(), r.Uint64N(10)
			h := w.arm(d, order, handle(i), 0)
			slow = append(slow, slowTimer{w.nodes.At(h).deadline, order, h})
		case 4:
			if n := len(slow); n > 0 {
				k := r.IntN(n)
				w.disarm(slow[k].h)
				slow = slices.Delete(slow, k, k+1)
			}
		case 5:
			if n := len(slow); n > 0 {
				k := r.IntN(n)
				w.move(slow[k].h, w.now+delay())
				slow[k].deadline = w.nodes.At(slow[k].h).deadline
			}
		default:
			limit := min(w.now+delay()>>8, tickMax-1)
			drainBoth(t, w, &slow, limit, seed)
		}
		if w.nodes.Len() != len(slow) {
			t.Fatalf("seed %d: %d timers, want %d", seed, w.nodes.Len(), len(slow))
		}
	}
	drainBoth(t, w, &slow, tickMax, seed)
	if len(slow) != 0 || w.nodes.Len() != 0 {
		t.Errorf("seed %d: %d timers never fired", seed, len(slow))
	}
}

// drainBoth fires what is due by limit in both, which must be the same in the
// same order but for timers that are alike in both deadline and order.
func drainBoth(t *testing.T, w *wheel, slow *[]slowTimer, limit tick, seed uint64) {
	t.Helper()
	slices.SortStableFunc(*slow, func(a, b slowTimer) int {
		return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.order, b.order))
	})
	for w.advance(limit) {
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
	if len(*slow) > 0 && (*slow)[0].deadline <= limit {
		t.Fatalf("seed %d: a timer due at %d did not fire by %d", seed, (*slow)[0].deadline, limit)
	}
	if w.now < limit && limit != tickMax {
		t.Fatalf("seed %d: time stands at %d, not %d", seed, w.now, limit)
	}
}

func TestTicksRoundUp(t *testing.T) {
	for _, clock := range []int64{0, 1, 1<<tickShift - 1, 1 << tickShift, 1<<tickShift + 1} {
		up, down := tickAfter(clock), tickAt(clock)
		if up.clock() < clock || down.clock() > clock || up.clock()-down.clock() > 1<<tickShift {
			t.Errorf("clock %d lies between ticks %d and %d", clock, down.clock(), up.clock())
		}
	}
}

func BenchmarkWheel(b *testing.B) {
	w := newWheel(0)
	r := rand.New(rand.NewPCG(1, 1))
	var hs []handle
	for range 100000 {
		hs = append(hs, w.arm(w.now+tick(r.Uint64N(1<<17)), 0, 0, 0))
	}
	b.Run("move", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			w.move(hs[i%len(hs)], w.now+tick(i%(1<<17)))
		}
	})
}
