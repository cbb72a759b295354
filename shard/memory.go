package shard

import (
	"runtime/debug"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// Memory is how stream memory is shared out. The zero value gives every slot
// room for what one flow may have.
type Memory struct {
	FlowCap uint64 // octets that one stream may hold; 0: 4 MiB
	Floor   uint64 // octets that the streams of a slot may always have; 0: no sharing
	Share   Sharer // who decides on more; nil: nobody, every slot has its Allowance
	// Allowance is what a slot may have before the first decision, in octets. 0
	// stands for twice FlowCap.
	Allowance uint64
}

// Sharer shares the memory for streams out among the slots of all shards, at
// fixed steps of the traffic. Each shard reports what its slots have at step n,
// and is told what they may have until the next step; the answer rests on the
// reports of all shards at step n-1, so that nobody waits for the slowest and
// the outcome does not depend on how many shards there are.
type Sharer interface {
	// Step takes a shard's report: the slots that have more than the floor. It
	// returns what slots may have, Grants{} while there is no pressure. The report
	// is the callee's from then on; the result is lent until the next Step.
	Step(shard int, report []Usage) Grants
}

// Usage is what the streams of a slot have, in octets of memory.
type Usage struct {
	Slot   wire.Slot
	Octets uint64
}

// Grants is what slots may have until the next step.
type Grants struct {
	// Pressed says that memory is short: a slot that is not named may have the
	// floor, others what Named says. Without it every slot may have Allowance.
	Pressed bool
	Named   []Usage
}

func (m *Memory) arena() buffers.Config {
	return buffers.Config{FlowCap: m.FlowCap, Allowance: m.Allowance}
}

// shareMemory reports what the shard's slots have and sets what they may have.
func (s *Shard) shareMemory() {
	m := &s.cfg.Memory
	if m.Share == nil {
		return
	}
	var report []Usage
	if s.arena.UsedInAll() > m.Floor { // else no slot has more
		for i := range s.slots {
			if used := s.arena.Used(wire.Slot(i)); used > m.Floor {
				report = append(report, Usage{wire.Slot(i), used})
			}
		}
	}
	g := m.Share.Step(s.cfg.Index, report)
	if !g.Pressed && !s.pressed {
		return
	}
	s.stats.Pressed++
	allowed := m.Allowance
	if g.Pressed {
		allowed = m.Floor
	}
	for i := range s.slots {
		s.arena.SetAllowance(wire.Slot(i), allowed)
	}
	for _, u := range g.Named {
		s.arena.SetAllowance(u.Slot, u.Octets)
	}
	s.pressed = g.Pressed
}

// trimEvery is how much packet time goes by between two looks at what could be
// given back: a burst that ends holds its memory a few seconds longer.
const trimEvery = 4 * time.Second

// trimOver is how many times the records in use a table may have room for before
// the rest is given back.
const trimOver = 2

// trim gives memory back that a burst has left: chunks of records of which none
// is in use. It is called between batches.
func (s *Shard) trim() {
	if s.clock < s.trimmed+int64(trimEvery) && s.clock >= s.trimmed {
		return
	}
	s.trimmed = s.clock
	if s.flows.Cap() <= trimOver*s.flows.Len() {
		return
	}
	freed := s.flows.Trim() + s.pairs.Trim() + s.mores.Trim() + s.alarms.Trim()
	s.wheel.trim()
	s.arena.Trim()
	if freed > burstOctets {
		go debug.FreeOSMemory()
	}
}

// burstOctets is how much memory a burst must have left for the runtime to be
// asked to give back at once what was its on the heap, indexes above all. By
// itself it takes many minutes. The collection that this costs finds a heap that
// has become small.
const burstOctets = 32 << 20
