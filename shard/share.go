package shard

import (
	"cmp"
	"slices"
)

// Commons shares one pool of stream memory out among all slots of a number of
// shards. It is an actor: shards report to it by message and get its answers the
// same way, one step late, so that they work on while it counts.
//
// While the pool has room every slot takes what its streams need. When it has
// not, memory is dealt out so that the largest have the same: each slot gets
// what it has or an equal share, whichever is less.
type Commons struct {
	pool    uint64 // octets beyond the floors of all slots
	floor   uint64 // octets of each slot
	lag     bool   // answers may be late: nobody waits (live sources)
	reports []chan []Usage
	answers []chan Grants
	stop    <-chan struct{}
	stepped []bool // a shard has taken its first step; each is its shard's own
}

// commonsMargin is what streams can take up between two steps, which are at most
// a megabyte of input apart, and as much again for the answer's delay: pressure
// is declared that much before the pool is spent. A pool smaller than twice that
// keeps half of itself free: with less to deal out than that, a stream with a
// single hole would be pressed.
const commonsMargin = 8 << 20

// NewCommons returns a pool for a number of shards. With live set a shard never
// waits for an answer and goes by the last one it got.
func NewCommons(shards int, pool, floor uint64, live bool, stop <-chan struct{}) *Commons {
	c := &Commons{pool: pool, floor: floor, lag: live, stop: stop,
		reports: make([]chan []Usage, shards), answers: make([]chan Grants, shards), stepped: make([]bool, shards)}
	for i := range c.reports {
		c.reports[i] = make(chan []Usage, 1)
		c.answers[i] = make(chan Grants, 2)
	}
	return c
}

// Step implements Sharer. Different shards may call it at once.
func (c *Commons) Step(shard int, report []Usage) (g Grants) {
	if c.lag {
		select {
		case c.reports[shard] <- report:
		default: // the step before is still being counted
		}
		select {
		case g = <-c.answers[shard]:
		default:
		}
		return g
	}
	if c.stepped[shard] {
		select {
		case g = <-c.answers[shard]:
		case <-c.stop:
		}
	}
	c.stepped[shard] = true
	select {
	case c.reports[shard] <- report:
	case <-c.stop:
	}
	return g
}

// Run answers reports until done, or the channel given to NewCommons, is closed.
func (c *Commons) Run(done <-chan struct{}) {
	for {
		var all []Usage
		for _, ch := range c.reports {
			select {
			case r := <-ch:
				all = append(all, r...)
			case <-done:
				return
			case <-c.stop:
				return
			}
		}
		g := c.decide(all)
		for _, ch := range c.answers {
			select {
			case ch <- g:
			case <-done:
				return
			case <-c.stop:
				return
			}
		}
	}
}

// decide shares the pool out among the slots that have more than the floor.
func (c *Commons) decide(all []Usage) Grants {
	var used uint64
	for _, u := range all {
		used += u.Octets - c.floor
	}
	room := c.pool - min(c.pool/2, commonsMargin)
	if used <= room {
		return Grants{}
	}
	slices.SortFunc(all, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Octets, b.Octets), cmp.Compare(a.Slot, b.Slot))
	})
	for i := range all {
		share := room / uint64(len(all)-i)
		has := min(all[i].Octets-c.floor, share)
		room -= has
		all[i].Octets = c.floor + has
	}
	return Grants{Pressed: true, Named: all}
}
