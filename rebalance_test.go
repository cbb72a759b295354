package mbox

import (
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/shard"
)

// slotsOf returns the slots of loads, in order.
func slotsOf(loads []shard.Load) (slots []Slot) {
	for _, l := range loads {
		slots = append(slots, l.Slot)
	}
	slices.Sort(slots)
	return slots
}

// A shard must be too busy twice in a row, and another one much less so.
func TestWhoIsRelieved(t *testing.T) {
	for _, c := range []struct {
		name     string
		looks    [][]float64
		from, to int
		again    bool
	}{
		{"once", [][]float64{{0.2, 0.9, 0.5}}, 1, 0, false},
		{"twice", [][]float64{{0.2, 0.9, 0.5}, {0.1, 0.8, 0.5}}, 1, 0, true},
		{"another one", [][]float64{{0.2, 0.9, 0.5}, {0.9, 0.2, 0.5}}, 0, 1, false},
		{"with a pause", [][]float64{{0.2, 0.9}, {0.2, 0.2}, {0.2, 0.9}}, 1, 0, false},
		{"all are", [][]float64{{0.9, 1}, {0.9, 1}}, 0, 0, false},
		{"none is", [][]float64{{0.1, 0.5}, {0.1, 0.5}}, 0, 0, false},
	} {
		var b balancer
		var from, to int
		var again bool
		for _, busy := range c.looks {
			from, to, again = b.look(busy)
		}
		if from != c.from || to != c.to || again != c.again {
			t.Errorf("%s: from %d to %d, again %v; want from %d to %d, %v", c.name, from, to, again, c.from, c.to, c.again)
		}
	}
}

// The fewest slots that even two shards out are moved, and no elephant that would
// only make the other one busy.
func TestWhatIsMoved(t *testing.T) {
	load := func(slot Slot, frames uint32, flows int) shard.Load {
		return shard.Load{Slot: slot, Frames: frames, Flows: flows}
	}
	for _, c := range []struct {
		name     string
		loads    []shard.Load
		from, to float64
		want     []Slot
	}{
		{"halves", []shard.Load{load(1, 10, 1), load(2, 40, 1), load(3, 50, 1)}, 1, 0, []Slot{3}},
		{"the elephant stays", []shard.Load{load(1, 90, 1), load(2, 6, 1), load(3, 4, 1)}, 1, 0.2, []Slot{2, 3}},
		{"an elephant alone", []shard.Load{load(1, 100, 1)}, 1, 0, nil},
		{"nothing to speak of", []shard.Load{load(1, 990, 1), load(2, 10, 1)}, 1, 0, nil},
		{"no frames", []shard.Load{load(1, 0, 1)}, 1, 0, nil},
		{"too many flows", []shard.Load{load(1, 40, flowsPerLook), load(2, 35, 1), load(3, 25, flowsPerLook)}, 1, 0, []Slot{1}},
	} {
		var b balancer
		if got := slotsOf(b.choose(c.loads, c.from, c.to)); !slices.Equal(got, c.want) {
			t.Errorf("%s: slots %v, want %v", c.name, got, c.want)
		}
	}
}

// What was moved rests, so that nothing goes to and fro.
func TestWhatWasMovedRests(t *testing.T) {
	var b balancer
	loads := func() []shard.Load { return []shard.Load{{Slot: 1, Frames: 50}, {Slot: 2, Frames: 50}} }
	b.look([]float64{1, 0})
	if got := slotsOf(b.choose(loads(), 1, 0)); !slices.Equal(got, []Slot{1}) {
		t.Fatalf("slots %v, want 1", got)
	}
	if _, _, again := b.look([]float64{1, 0}); again {
		t.Error("a shard is relieved again at the look behind a move")
	}
	b.look([]float64{0, 1})
	if got := slotsOf(b.choose(loads()[:1], 1, 0.5)); got != nil {
		t.Errorf("slots %v, want none: it has just come", got)
	}
	for range restLooks {
		b.look([]float64{0, 0})
	}
	if got := slotsOf(b.choose(loads(), 1, 0)); !slices.Equal(got, []Slot{1}) {
		t.Errorf("slots %v, want 1: it has been there long enough", got)
	}
}

// A move has few flows, so that its shards are soon back at work.
func TestPortions(t *testing.T) {
	parts := portions([]shard.Load{{Slot: 1, Flows: flowsAtOnce - 1}, {Slot: 2, Flows: 1}, {Slot: 3, Flows: 1}, {Slot: 4, Flows: 2 * flowsAtOnce}})
	if len(parts) != 3 || !slices.Equal(parts[0], []Slot{1, 2}) || !slices.Equal(parts[1], []Slot{3}) || !slices.Equal(parts[2], []Slot{4}) {
		t.Errorf("parts %v", parts)
	}
}
