package shard

import (
	"testing"

	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// A slot ranks its flows from seven eighths of what it may have until it has less
// than four, and what is kept for that goes with the last slot that does.
func TestSlotsRankWhenNearlyFull(t *testing.T) {
	var set uevents.Set
	s, err := New(Config{FlowsPerSlot: 16}, set.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var made [2][]handle
	begin := func(at wire.Slot) {
		h, fl := s.flows.New()
		sl := &s.slots[at]
		sl.flows++
		sl.live++
		fl.id = uevents.MakeFlowID(at, sl.flows)
		if !sl.index.insert(uint64(sl.flows), h) {
			t.Fatal("no room in the index")
		}
		if sl.ranks != nil {
			s.join(sl, h, classUnproven)
		}
		s.crowd(sl, at)
		made[at] = append(made[at], h)
	}
	for at := range wire.Slot(2) {
		for n := 1; n <= 14; n++ {
			begin(at)
			if ranked := s.slots[at].ranks != nil; ranked != (n == 14) {
				t.Fatalf("slot %d, %d of 16 flows: ranked %v", at, n, ranked)
			}
		}
		i := 0
		for h := s.slots[at].ranks[classUnproven].oldest; h != 0; h = s.ranks.At(h).newer {
			if h != made[at][i] {
				t.Fatalf("slot %d: flow %d does not stand where it began", at, i)
			}
			i++
		}
		if i != 14 {
			t.Fatalf("slot %d: %d flows stand in its list, want 14", at, i)
		}
	}
	for n := 13; n >= 7; n-- {
		sl := &s.slots[0]
		s.leave(sl, made[0][13-n])
		s.thin(sl)
		if ranked := sl.ranks != nil; ranked != (n > 7) {
			t.Fatalf("%d of 16 flows: ranked %v", n, ranked)
		}
	}
	if s.ranked != 1 || s.slots[1].ranks[classUnproven].oldest != made[1][0] || s.ranks.At(made[1][0]).newer != made[1][1] {
		t.Error("the other slot's ranks went, too")
	}
}
