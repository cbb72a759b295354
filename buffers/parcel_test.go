package buffers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// said copies what a result says, with its octets.
func said(r *buffers.Result) string {
	text := fmt.Sprintf("gap %v new %d rexmit %+v refused %+v", r.Gap, r.New, r.Rexmit, r.Refused)
	for _, ps := range [][]buffers.Piece{r.Pieces, r.Originals} {
		text += ";"
		for _, p := range ps {
			text += fmt.Sprintf(" %d+%x", p.Off, p.Data)
		}
	}
	return text
}

// A stream that is carried from arena to arena, at any time, does what one does
// that stays: what it delivers, compares, refuses and charges for is the same.
func TestAParcelChangesNothing(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 7))
		cfg := buffers.Config{FlowCap: 1500, Allowance: 2500}
		stays := buffers.NewArena(cfg)
		cfg.Seed = 99
		moves := [2]*buffers.Arena{buffers.NewArena(cfg), buffers.NewArena(cfg)}
		const slot = wire.Slot(3)
		var other buffers.Stream // so that ages in one arena are not those in the other
		var r buffers.Result
		for i := range uint64(50) {
			moves[1].Insert(&other, 9, 10+20*i, []byte("other"), &r)
		}
		var a, b buffers.Stream
		policy := buffers.Policy(seed % 6)
		a.SetPolicy(policy)
		b.SetPolicy(policy)
		at := 0
		for step := range 300 {
			if rng.IntN(4) == 0 {
				stays.Commit()
				p := moves[at].Pack(&b, slot)
				if used := moves[at].Used(slot); used != 0 || b != (buffers.Stream{}) {
					t.Fatalf("seed %d, step %d: %d octets are left of %+v", seed, step, used, b)
				}
				at ^= 1
				moves[at].Unpack(&p, &b, slot)
			}
			op, off, n := rng.IntN(20), a.Next()+uint64(rng.IntN(120)), rng.IntN(40)
			off -= min(off, uint64(rng.IntN(60)))
			text := make([]byte, n)
			for i := range text {
				text[i] = byte(rng.IntN(3))
			}
			x, y := does(stays, &a, slot, op, off, text), does(moves[at], &b, slot, op, off, text)
			if x != y {
				t.Fatalf("seed %d, step %d, operation %d: stays %s, moves %s", seed, step, op, x, y)
			}
			if stays.Used(slot) != moves[at].Used(slot) || stays.Memory(&a) != moves[at].Memory(&b) || a.Next() != b.Next() {
				t.Fatalf("seed %d, step %d: %d octets at %d, and %d at %d", seed, step, stays.Used(slot), a.Next(), moves[at].Used(slot), b.Next())
			}
			if !slices.Equal(stays.Held(&a, nil), moves[at].Held(&b, nil)) {
				t.Fatalf("seed %d, step %d: held %v, and %v", seed, step, stays.Held(&a, nil), moves[at].Held(&b, nil))
			}
		}
	}
}

// does changes a stream, and returns what came of it.
func does(a *buffers.Arena, s *buffers.Stream, slot wire.Slot, op int, off uint64, text []byte) string {
	var r buffers.Result
	switch op {
	case 0:
		a.Retain(s, slot, 64)
	case 1:
		a.Forget(s, slot)
	case 2:
		return fmt.Sprint(a.Skip(s, slot, &r), said(&r))
	case 3, 4:
		a.Acknowledge(s, slot, off)
	case 5:
		a.SetCap(s, 600+off%1000)
	default:
		a.Insert(s, slot, off, text, &r)
	}
	return said(&r)
}
