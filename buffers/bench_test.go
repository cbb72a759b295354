package buffers

import (
	"math/rand/v2"
	"testing"
)

// order returns the order in which n segments arrive where one in every few is
// late by up to reach segments.
func order(n, oneIn, reach int) []int {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	for i := 0; oneIn > 0 && i < n-reach-1; i++ {
		if rng.IntN(oneIn) == 0 {
			by := 1 + rng.IntN(reach)
			late := out[i]
			copy(out[i:i+by], out[i+1:i+by+1])
			out[i+by] = late
		}
	}
	return out
}

// run inserts segments of a stream in an order, once.
func (a *Arena) run(s *Stream, order []int, text []byte, r *Result) (octets int) {
	base := s.Next()
	for _, i := range order {
		a.Insert(s, testSlot, base+uint64(i*len(text)), text, r)
		for _, p := range r.Pieces {
			octets += len(p.Data)
		}
	}
	return octets
}

func benchmarkInsert(b *testing.B, order []int, retain bool) {
	a := NewArena(Config{})
	var s Stream
	var r Result
	text := make([]byte, 1400)
	if retain {
		a.Retain(&s, testSlot, 4096)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(order) {
		a.run(&s, order, text, &r)
		if retain {
			a.Acknowledge(&s, testSlot, s.Next())
		}
	}
}

func BenchmarkInsertInOrder(b *testing.B)  { benchmarkInsert(b, order(64, 0, 0), false) }
func BenchmarkInsertReorder5(b *testing.B) { benchmarkInsert(b, order(1000, 20, 8), false) }
func BenchmarkInsertHistory4K(b *testing.B) {
	benchmarkInsert(b, order(8, 0, 0), true)
}

// BenchmarkInsertBehindHole is the worst a peer can ask for: a hole that never
// fills and small segments behind it in random order.
func BenchmarkInsertBehindHole(b *testing.B) {
	a := NewArena(Config{})
	var s Stream
	var r Result
	text := []byte("x")
	n := 30000
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	b.ReportAllocs()
	for i := range b.N {
		if i%n == 0 {
			a.Close(&s, testSlot)
		}
		a.Insert(&s, testSlot, 1+2*uint64(order[i%n]), text, &r)
	}
	b.ReportMetric(float64(a.Bytes())/float64(max(1, a.pieces.Len())), "B/piece")
}

func BenchmarkSlabAt(b *testing.B) {
	s := NewSlab[piece](0)
	var hs [64]uint32
	for i := range hs {
		hs[i], _ = s.New()
	}
	sum := uint32(0)
	for i := range b.N {
		sum += s.At(hs[i&63]).len
	}
	_ = sum
}
