package shard

import (
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/wire"
)

// Phases are where flows stand in their life, as timeouts and evictions see it.
const (
	PhaseEmbryonic Phase = iota
	PhaseEstablished
	PhaseClosing
	PhaseClosed
	PhaseDatagram // not TCP
	PhaseReleased // a mark is left of a flow that all sockets let go
	PhaseCount
)

// Phase is where a flow stands in its life.
type Phase uint8

// String returns the phase as counters name it.
func (p Phase) String() string {
	return [...]string{"embryonic", "established", "closing", "closed", "datagram", "released", "?"}[min(p, PhaseCount)]
}

// Census counts flows by what they are now. The zero value is the start.
type Census struct {
	Flows     [PhaseCount]uint64
	Endpoints [2][stateCount]uint64 // of TCP flows, by the side and its state
}

const stateCount = int(tcpfsm.Untracked) + 1

// Add adds the counts of another shard.
func (c *Census) Add(o *Census) {
	for i := range c.Flows {
		c.Flows[i] += o.Flows[i]
	}
	for side := range c.Endpoints {
		for i := range c.Endpoints[side] {
			c.Endpoints[side][i] += o.Endpoints[side][i]
		}
	}
}

// censusSlots is how many slots are counted at once: of a table of two million
// flows some four thousand, which hold a shard up for less than a millisecond.
const censusSlots = 8

// Count adds the flows of slots to c: of a few, the first of those given that the
// shard has. It returns the slots that another shard has and came before the last
// one counted, and those behind it. It must run as a Request: whoever counts a
// whole table asks again and again, so that traffic goes on in between.
//
// Nothing is counted while packets are handled: states change with every other
// segment of a short connection, and nobody may be looking.
func (s *Shard) Count(slots []wire.Slot, c *Census) (others, left []wire.Slot) {
	counted := 0
	for i, at := range slots {
		if !s.Owns(at) {
			others = append(others, at)
			continue
		}
		for _, fl := range s.flowsOf(at) {
			c.count(fl)
		}
		if counted++; counted == censusSlots {
			return others, slots[i+1:]
		}
	}
	return others, nil
}

func (c *Census) count(fl *flow) {
	if fl.flags&flowReleased != 0 {
		c.Flows[PhaseReleased]++
		return
	}
	c.Flows[phaseOf(fl.role.life())]++
	if fl.isTCP() {
		for _, d := range [...]wire.Dir{wire.ToServer, wire.ToClient} {
			c.Endpoints[d][fl.conn.State(d)]++
		}
	}
}

func phaseOf(l lifecycle) Phase {
	switch l {
	case lifeEmbryonic:
		return PhaseEmbryonic
	case lifeEstablished:
		return PhaseEstablished
	case lifeClosing:
		return PhaseClosing
	case lifeClosed:
		return PhaseClosed
	}
	return PhaseDatagram
}
