package uevents

import "cmp"

// Phase orders what happens at one time of the clock.
type Phase uint8

// The phases. Timers that are due at T run before the first frame with a clock
// of T or later; what ends with the source comes last. PhaseVisit marks what traffic
// and time have not brought about: results of Offload, calls from outside, slots
// that move (Socket.Moves), and what their handlers raise. When that is, is not
// determined.
const (
	PhaseTimer Phase = iota
	PhaseFrame
	PhaseVisit
	PhaseEnd
)

// Order places an event among all events of a run, on whichever shard it was
// raised. Two runs over the same capture give the same orders, for any number
// of shards, but for visits.
type Order struct {
	Clock  int64  // ns
	Number uint64 // of the frame; FlowID of a timer or visit, all ones of a shard's timer; first frame of a flow that ends with the source
	Sub    uint32 // within the frame or timer
	Phase  Phase
}

// Compare returns -1, 0 or 1 as o comes before, is, or comes after p.
func (o Order) Compare(p Order) int {
	if o.Phase == PhaseEnd || p.Phase == PhaseEnd {
		if c := cmp.Compare(o.Phase, p.Phase); c != 0 {
			return c
		}
	} else if c := cmp.Compare(o.Clock, p.Clock); c != 0 {
		return c
	}
	if c := cmp.Compare(o.Phase, p.Phase); c != 0 {
		return c
	}
	if c := cmp.Compare(o.Number, p.Number); c != 0 {
		return c
	}
	return cmp.Compare(o.Sub, p.Sub)
}

// Order returns the place of the event at hand; each call a later one.
func (c *Context) Order() Order {
	o := Order{Clock: c.time(), Number: c.number, Sub: c.sub, Phase: c.phase}
	c.sub++
	return o
}
