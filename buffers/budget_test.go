package buffers

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// insert inserts text into s and returns what became available.
func (a *Arena) testInsert(s *Stream, off uint64, text string, r *Result) string {
	a.Insert(s, testSlot, off, []byte(text), r)
	return r.text()
}

// text returns the octets of all pieces.
func (r *Result) text() string {
	var out []byte
	for _, p := range r.Pieces {
		out = append(out, p.Data...)
	}
	return string(out)
}

// TestRefusedOctetsAreThoseFurthestAway fills a stream up to its cap, gives the
// hole up, and inserts again what had been refused.
func TestRefusedOctetsAreThoseFurthestAway(t *testing.T) {
	one := chargeFor(4)
	a := NewArena(Config{FlowCap: holdCharge + 2*one})
	var s Stream
	var r Result
	a.testInsert(&s, 4, "bbbb", &r)
	a.testInsert(&s, 12, "dddd", &r)
	// Takes two pieces, of which neither fits; the held octets between count as sent before.
	a.testInsert(&s, 8, "ccccddddeeee", &r)
	want := Refusal{Off: 8, Octets: 8, Why: ReasonFlowCap}
	if r.Refused != want || r.New != 0 || r.Rexmit.Octets != 4 {
		t.Fatalf("refused %+v, new %d, rexmit %+v", r.Refused, r.New, r.Rexmit)
	}
	if got := a.testInsert(&s, 0, "", &r); got != "" || a.Pending(&s) != 8 {
		t.Fatalf("held octets were given up for new ones: %d pending", a.Pending(&s))
	}
	if !a.Skip(&s, testSlot, &r) || r.text() != "bbbb" || r.Gap != (Range{0, 4}) {
		t.Fatalf("Skip gives %q after %v", r.text(), r.Gap)
	}
	if got := a.testInsert(&s, 8, "ccccddddeeee", &r); got != "ccccddddeeee" || r.Refused.Why != ReasonNone {
		t.Fatalf("inserted again: %q, %+v", got, r.Refused)
	}
	if n := a.Stats().Refused[ReasonFlowCap]; n != 8 {
		t.Fatalf("%d octets counted as refused", n)
	}
}

// TestSplitNeedsRoom: a new segment within a held one (Last) makes three pieces
// of one, and is refused where these do not fit.
func TestSplitNeedsRoom(t *testing.T) {
	held, within := "aaaaaaaaaa", "bb"
	need := holdCharge + chargeFor(len(held)) + chargeFor(len(within)) + chargeFor(4)
	for _, c := range []struct {
		cap  uint64
		want string
	}{{need, "-aaaabbaaaa"}, {need - 1, "-aaaaaaaaaa"}} {
		a := NewArena(Config{FlowCap: c.cap})
		s := Stream{policy: Last}
		var r Result
		a.testInsert(&s, 1, held, &r)
		a.testInsert(&s, 5, within, &r)
		if used := a.Used(testSlot); used > c.cap {
			t.Errorf("%d octets used of %d", used, c.cap)
		}
		if got := a.testInsert(&s, 0, "-", &r); got != c.want {
			t.Errorf("cap %d: %q, want %q", c.cap, got, c.want)
		}
	}
}

// TestInOrderIsNeverRefused: octets that need no memory need no budget.
func TestInOrderIsNeverRefused(t *testing.T) {
	a := NewArena(Config{FlowCap: 1})
	a.SetAllowance(testSlot, 0)
	var s Stream
	var r Result
	a.Retain(&s, testSlot, 100)
	if got := a.testInsert(&s, 0, "abc", &r); got != "abc" || r.Refused.Why != ReasonNone {
		t.Fatalf("%q, %+v", got, r.Refused)
	}
	a.Commit()
	if _, err := a.ReadAt(&s, 0, make([]byte, 1)); err != ErrGone {
		t.Fatalf("retained without a budget: %v", err)
	}
	a.testInsert(&s, 4, "x", &r)
	if r.Refused.Why != ReasonFlowCap {
		t.Fatalf("refused for %v", r.Refused.Why)
	}
	a.SetCap(&s, math.MaxUint64)
	a.testInsert(&s, 4, "x", &r)
	if r.Refused.Why != ReasonAllowance || a.Cap(&s) != FlowCapMax {
		t.Fatalf("refused for %v under a cap of %d", r.Refused.Why, a.Cap(&s))
	}
}

// TestHistoryGivesWay: what waits is worth more than what was delivered.
func TestHistoryGivesWay(t *testing.T) {
	a := NewArena(Config{FlowCap: holdCharge + 2*chargeFor(1400)})
	var s Stream
	var r Result
	seg := string(bytes.Repeat([]byte("h"), 1400))
	a.Retain(&s, testSlot, 1<<20)
	for i := range uint64(3) {
		a.testInsert(&s, i*1400, seg, &r)
	}
	a.Commit()
	// Two blocks of 1,536 octets, of which the first was filled up and has gone.
	if held := a.Held(&s, nil); len(held) != 1 || held[0] != (Range{1536, 4200}) {
		t.Fatalf("held %v", held)
	}
	a.testInsert(&s, 5000, seg, &r)
	a.testInsert(&s, 7000, seg, &r)
	if held := a.Held(&s, nil); r.Refused.Why != ReasonNone || len(held) != 2 || held[0] != (Range{5000, 6400}) {
		t.Fatalf("held %v, refused %v", held, r.Refused.Why)
	}
	if n := a.Stats().HistoryDropped; n != 4200 {
		t.Fatalf("%d octets of history counted as dropped", n)
	}
}

// TestSlotsDoNotMeet plays a slot's calls with and without those of others: what
// comes of them and what is accounted must be the same (determinism over
// shards).
func TestSlotsDoNotMeet(t *testing.T) {
	play := func(others int) (log []uint64) {
		a := NewArena(Config{FlowCap: 3000, Allowance: 5000, Seed: uint64(others)})
		streams := make([][4]Stream, others+1)
		rngs := make([]*rand.Rand, others+1)
		for i := range rngs {
			rngs[i] = rand.New(rand.NewPCG(uint64(i), 5))
			for j := range streams[i] {
				streams[i][j].SetPolicy(Policy(j))
			}
		}
		var r Result
		text := make([]byte, 700)
		for range 3000 {
			for i, rng := range rngs {
				s := &streams[i][rng.IntN(4)]
				slot := wire.Slot(i)
				a.Insert(s, slot, s.Next()+uint64(rng.IntN(1500)), text[:1+rng.IntN(600)], &r)
				if r.Refused.Why != ReasonNone {
					a.Skip(s, slot, &r)
				}
				if i == 0 {
					log = append(log, s.Next(), a.Used(0), uint64(r.Refused.Octets), uint64(len(r.Pieces)))
				}
			}
		}
		return log
	}
	alone, among := play(0), play(5)
	for i := range alone {
		if alone[i] != among[i] {
			t.Fatalf("step %d: %d alone, %d among others", i/4, alone[i], among[i])
		}
	}
}

// TestSmallSegmentsAreAccounted: a peer that sends single octets behind a hole
// gets no more real memory than is accounted to it.
func TestSmallSegmentsAreAccounted(t *testing.T) {
	a := NewArena(Config{})
	var s Stream
	var r Result
	for off := uint64(1); r.Refused.Why == ReasonNone; off += 2 {
		a.Insert(&s, testSlot, off, []byte("x"), &r)
	}
	used := a.Used(testSlot)
	if used > flowCapDefault || used < flowCapDefault-2*chargeFor(1) {
		t.Fatalf("%d octets used of %d", used, flowCapDefault)
	}
	if real := uint64(a.Bytes()); real > used+used/10 {
		t.Errorf("%d octets of memory for %d accounted", real, used)
	}
}

// TestLargeText: more than a block holds is several pieces of one segment.
func TestLargeText(t *testing.T) {
	text := make([]byte, 3*chunkOctets+5)
	for i := range text {
		text[i] = byte(i * 7)
	}
	for policy := range policyCount {
		a := NewArena(Config{})
		s := Stream{policy: policy}
		var r Result
		a.Retain(&s, testSlot, 1<<30)
		a.Insert(&s, testSlot, 1, text, &r)
		if r.New != uint32(len(text)) {
			t.Fatalf("%v: %d new octets of %d", policy, r.New, len(text))
		}
		a.Insert(&s, testSlot, 0, []byte{9}, &r)
		if len(r.Pieces) != 5 || r.text() != string(append([]byte{9}, text...)) {
			t.Fatalf("%v: %d pieces", policy, len(r.Pieces))
		}
		a.Insert(&s, testSlot, uint64(len(text))+1, text, &r)
		a.Compare(&s, 1, append(text, text...), &r)
		if r.Rexmit.Match() != MatchSame || r.Rexmit.Octets != uint32(2*len(text)) {
			t.Fatalf("%v: %+v", policy, r.Rexmit)
		}
	}
}

// TestLastOffset: a stream cannot go beyond what 64 bits count.
func TestLastOffset(t *testing.T) {
	for _, base := range []uint64{math.MaxUint64 - 3, math.MaxUint64 - 5} {
		a := NewArena(Config{})
		var s Stream
		var r Result
		a.Start(&s, testSlot, base)
		a.Insert(&s, testSlot, math.MaxUint64-3, []byte("abcdef"), &r)
		if r.Refused != (Refusal{Off: math.MaxUint64, Octets: 3, Why: ReasonOffset}) || r.New != 3 {
			t.Fatalf("refused %+v, new %d", r.Refused, r.New)
		}
		for a.Skip(&s, testSlot, &r) {
		}
		a.Insert(&s, testSlot, math.MaxUint64, []byte("x"), &r)
		if s.Next() != math.MaxUint64 || r.New != 0 || r.Refused.Octets != 1 {
			t.Fatalf("next %d, new %d, refused %+v", s.Next(), r.New, r.Refused)
		}
		a.Compare(&s, math.MaxUint64-1, []byte("xyz"), &r)
		if r.Rexmit.Octets != 1 {
			t.Fatalf("%+v", r.Rexmit)
		}
	}
}

// TestTwoRefusals: octets beyond the last offset, and before them some that
// there is no room for.
func TestTwoRefusals(t *testing.T) {
	a := NewArena(Config{FlowCap: 1})
	var s Stream
	var r Result
	a.Insert(&s, testSlot, math.MaxUint64-2, []byte("abcde"), &r)
	if r.Refused != (Refusal{Off: math.MaxUint64 - 2, Octets: 5, Why: ReasonFlowCap}) || a.Used(testSlot) != 0 {
		t.Fatalf("refused %+v, %d octets used", r.Refused, a.Used(testSlot))
	}
}

// TestWords: what is printed of a Result.
func TestWords(t *testing.T) {
	got := []string{Range{3, 9}.String(), ReasonNone.String(), ReasonFlowCap.String(), ReasonAllowance.String(), ReasonOffset.String()}
	for _, x := range []Rexmit{{}, {Octets: 2}, {Octets: 2, Unknown: 1}, {Octets: 2, Unknown: 1, Differ: 1}} {
		got = append(got, x.Match().String())
	}
	want := []string{"[3,9)", "none", "flow-cap", "allowance", "offset", "none", "same", "unknown", "differs"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLentOctetsCanBeRead: ReadAt knows what the last Result lends, until it
// ends.
func TestLentOctetsCanBeRead(t *testing.T) {
	a := NewArena(Config{})
	var s, other Stream
	var r, r2 Result
	a.testInsert(&s, 3, "def", &r)
	a.testInsert(&s, 8, "ij", &r)
	a.testInsert(&s, 0, "abc", &r)
	p := make([]byte, 10)
	n, err := a.ReadAt(&s, 0, p)
	if string(p[:n]) != "abcdef" || err != ErrHole {
		t.Fatalf("read %q, %v", p[:n], err)
	}
	if n, err := a.ReadAt(&s, 2, p[:3]); n != 3 || err != nil || string(p[:3]) != "cde" {
		t.Fatalf("read %d octets, %q, %v", n, p[:3], err)
	}
	if held := a.Held(&s, nil); len(held) != 2 || held[0] != (Range{0, 6}) || held[1] != (Range{8, 10}) {
		t.Fatalf("held %v", held)
	}
	if next, ok := a.NextHeld(&s, 6); next != 8 || !ok {
		t.Fatalf("next held %d, %v", next, ok)
	}
	if _, err := a.ReadAt(&other, 0, p); err != ErrHole {
		t.Fatalf("another stream reads %v", err)
	}
	data := r.Pieces[1].Data
	a.testInsert(&other, 0, "x", &r2)
	if _, err := a.ReadAt(&s, 0, p); err != ErrGone {
		t.Fatalf("read %v after the octets were lent", err)
	}
	if next, ok := a.NextHeld(&s, 0); next != 8 || !ok {
		t.Fatalf("next held %d, %v", next, ok)
	}
	if _, ok := a.NextHeld(&s, 10); ok {
		t.Fatal("octets are held beyond the last")
	}
	if assert.Enabled && string(data) == "def" {
		t.Fatal("checked builds scribble over octets that were lent")
	}
}

// TestCloseKeepsWhatIsLent: handlers that stop a side still read the payload of
// the event they are in.
func TestCloseKeepsWhatIsLent(t *testing.T) {
	a := NewArena(Config{})
	var s, other Stream
	var r Result
	a.testInsert(&other, 3, "zzz", &Result{})
	a.testInsert(&s, 3, "def", &r)
	a.testInsert(&s, 0, "abc", &r)
	a.Close(&s, testSlot)
	a.Close(&other, testSlot)
	a.Acknowledge(&s, testSlot, 4)
	if r.text() != "abcdef" || a.Used(testSlot) != 0 {
		t.Fatalf("lent %q, %d octets used", r.text(), a.Used(testSlot))
	}
	if _, err := a.ReadAt(&s, 0, make([]byte, 1)); err != ErrGone {
		t.Fatalf("a closed stream reads %v", err)
	}
}

// TestStart: reassembly switched on amid a stream.
func TestStart(t *testing.T) {
	a := NewArena(Config{})
	s := Stream{policy: BSD}
	var r Result
	a.Retain(&s, testSlot, 10)
	a.testInsert(&s, 0, "old", &r)
	a.testInsert(&s, 7, "older", &r)
	a.Start(&s, testSlot, 1000)
	if got := a.testInsert(&s, 1000, "new", &r); got != "new" || s.Policy() != BSD {
		t.Fatalf("%q after Start", got)
	}
	if held := a.Held(&s, nil); len(held) != 1 || held[0] != (Range{1000, 1003}) {
		t.Fatalf("held %v", held)
	}
	if a.Skip(&s, testSlot, &r) || r.Gap != (Range{}) || len(r.Pieces) != 0 {
		t.Fatal("there is a hole where nothing waits")
	}
	a.SkipTo(&s, testSlot, 1010, &r)
	if r.Gap != (Range{1003, 1010}) || s.Next() != 1010 {
		t.Fatalf("gap %v, next %d", r.Gap, s.Next())
	}
}

// TestSteadyStateDoesNotAllocate: in order, reordered, with history, all lost.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		name   string
		order  []int
		retain bool
	}{
		{"in order", order(64, 0, 0), false},
		{"reordered", order(500, 10, 16), false},
		{"history", order(64, 0, 0), true},
		{"history, reordered", order(500, 10, 16), true},
	} {
		a := NewArena(Config{})
		var s Stream
		var r Result
		text := make([]byte, 1400)
		if c.retain {
			a.Retain(&s, testSlot, 4096)
		}
		round := func() {
			if n := a.run(&s, c.order, text, &r); n != len(c.order)*len(text) {
				t.Fatalf("%s: %d octets of %d", c.name, n, len(c.order)*len(text))
			}
			a.Acknowledge(&s, testSlot, s.Next())
			a.Compare(&s, s.Next()-100, text, &r)
		}
		round()
		if n := testing.AllocsPerRun(20, round); n != 0 {
			t.Errorf("%s: %v allocations a round", c.name, n)
		}
		if a.Close(&s, testSlot); a.Used(testSlot) != 0 {
			t.Errorf("%s: %d octets stay", c.name, a.Used(testSlot))
		}
	}
}

// TestTreapIsBalanced: whatever order offsets come in, finding one is a walk of
// a few dozen steps.
func TestTreapIsBalanced(t *testing.T) {
	for _, step := range []uint64{3, math.MaxUint64 - 2} { // up, down
		a := NewArena(Config{})
		var s Stream
		var r Result
		off := uint64(100000)
		for range 20000 {
			a.Insert(&s, testSlot, off, []byte("x"), &r)
			off += step
		}
		var depth func(n uint32) int
		depth = func(n uint32) int {
			if n == 0 {
				return 0
			}
			p := a.pieces.At(n)
			return 1 + max(depth(p.left), depth(p.right))
		}
		if n := depth(a.holds.At(s.hold).root); n > 60 {
			t.Errorf("20,000 pieces lie %d deep", n)
		}
	}
}
