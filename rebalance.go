package mbox

import (
	"cmp"
	"slices"
	"time"

	"github.com/mbox-stack/mbox/shard"
)

// Rebalance says when slots are moved from shards that have too much to do to
// those that have less.
type Rebalance uint8

// The choices. What is found does not depend on it, but where work is done does.
const (
	RebalanceLive   Rebalance = iota // with a live source among those of the run
	RebalanceAlways                  // with captures, too, which wait for their shards anyway
	RebalanceNever
)

// rebalances reports whether slots are moved between the shards of a run.
func (c *Config) rebalances(live bool) bool {
	return c.Shards > 1 && (c.Rebalance == RebalanceAlways || c.Rebalance == RebalanceLive && live)
}

const (
	// sampleEvery and samplesPerLook make a look a second long. Whether a shard is
	// busy is then known to some five hundredths, for a ten-thousandth of a CPU.
	sampleEvery    = 10 * time.Millisecond
	samplesPerLook = 100

	// A shard is relieved once it has been busy for more than busyMin of two looks
	// in a row, and the least busy one for so much less that to even them out is
	// worth the trouble.
	busyMin = 0.6
	gapMin  = 0.2
	// gainMin is what must be moved at least. Where no slot is small enough for
	// what there is to even out, the work is an elephant's: to move it would only
	// make another shard the busy one.
	gainMin = 0.03
	// restLooks is for how many looks a slot that was moved stays where it is.
	restLooks = 30
	// flowsAtOnce bounds the flows of a move, and so how long two shards are at it:
	// about a millisecond. flowsPerLook bounds all that is moved.
	flowsAtOnce  = 4096
	flowsPerLook = 16 * flowsAtOnce
)

// rebalance looks after the shards until the stack ends.
func (r *running) rebalance() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var b balancer
	busy := make([]float64, len(r.shards))
	for n := 1; ; n++ {
		select {
		case <-r.owners.closed:
			return
		case <-r.group.Done():
			return
		case <-tick.C:
		}
		for i, sh := range r.shards {
			if sh.Busy() {
				busy[i] += 1. / samplesPerLook
			}
		}
		if n%samplesPerLook == 0 {
			r.relieve(&b, busy)
			clear(busy)
		}
	}
}

// relieve moves slots off the shard that has most to do, if need be.
func (r *running) relieve(b *balancer, busy []float64) {
	from, to, known := b.look(busy)
	if from == to {
		return
	}
	var loads []shard.Load
	r.on(from, func(sh *shard.Shard) { loads = sh.Loads(nil) })
	if !known {
		return // what was counted until now is of some other time
	}
	for _, slots := range portions(b.choose(loads, busy[from], busy[to])) {
		if !r.move(slots, from, to) {
			return
		}
	}
}

// balancer decides what is moved. The zero value has seen nothing yet.
type balancer struct {
	looks int
	hot   int            // 1 + shard that was too busy at the last look; 0: none was
	rests [SlotCount]int // the look up to which a slot stays where it is
}

// look takes how busy shards were, as shares of the time. It returns which is to
// give work to which, the same twice if none, and whether the first was too busy
// at the look before as well.
func (b *balancer) look(busy []float64) (from, to int, again bool) {
	b.looks++
	for i := range busy {
		if busy[i] > busy[from] {
			from = i
		}
		if busy[i] < busy[to] {
			to = i
		}
	}
	if busy[from] < busyMin || busy[from]-busy[to] < gapMin {
		b.hot = 0
		return 0, 0, false
	}
	again = b.hot == from+1
	b.hot = from + 1
	return from, to, again
}

// choose returns the slots to move between two shards that were busy for a share
// of the time each: the largest that even them out, and so the fewest.
func (b *balancer) choose(loads []shard.Load, from, to float64) (chosen []shard.Load) {
	var frames uint64
	for i := range loads {
		frames += uint64(loads[i].Frames)
	}
	if frames == 0 {
		return nil
	}
	slices.SortFunc(loads, func(x, y shard.Load) int {
		return cmp.Or(cmp.Compare(y.Frames, x.Frames), cmp.Compare(x.Slot, y.Slot))
	})
	perFrame := from / float64(frames)
	room, gain, flows := (from-to)/2, 0., 0
	for _, l := range loads {
		cost := perFrame * float64(l.Frames)
		if l.Frames == 0 || b.rests[l.Slot] > b.looks || cost > room || flows+l.Flows > flowsPerLook {
			continue
		}
		chosen = append(chosen, l)
		room, gain, flows = room-cost, gain+cost, flows+l.Flows
	}
	if gain < gainMin {
		return nil
	}
	b.hot = 0 // what waits at the shard keeps it busy for a while yet
	for _, l := range chosen {
		b.rests[l.Slot] = b.looks + restLooks
	}
	return chosen
}

// portions divides slots so that each part has few flows, or is a single slot.
func portions(loads []shard.Load) (parts [][]Slot) {
	flows := 0
	for i, l := range loads {
		if i == 0 || flows+l.Flows > flowsAtOnce {
			parts = append(parts, nil)
			flows = 0
		}
		last := &parts[len(parts)-1]
		*last = append(*last, l.Slot)
		flows += l.Flows
	}
	return parts
}
