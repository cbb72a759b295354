package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// checkInvariants walks over all that the shard owns, in checked builds: what
// the table, the lists, the slabs and the counters say of the flows is the same
// (I7), and every timer belongs to somebody who knows it. It costs as much as
// there are flows, so marks call it at the powers of two, and the last one does.
func (s *Shard) checkInvariants(last bool) {
	if n := s.stats.Marks; !assert.Enabled || !last && n&(n-1) != 0 {
		return
	}
	var c census
	for i := range s.slots {
		c.slot(s, wire.Slot(i))
	}
	c.timers += s.checkAlarms(s.ambient, 0)
	var ended uint64
	for _, n := range s.stats.Ended {
		ended += n
	}
	assert.That(c.flows == s.stats.Live && c.marks == s.stats.Marked, "I7: flows in lists are those counted as live")
	came := s.stats.FlowsIn - s.stats.MarksIn
	went := s.stats.FlowsOut - s.stats.MarksOut
	assert.That(s.stats.Flows+came == ended+c.flows-c.marks+went, "I7: flows begun have ended, live, or went elsewhere")
	assert.That(s.flows.Len() == int(c.flows), "I7: flows in the slab are those in lists")
	assert.That(s.pairs.Len() == c.pairs && s.mores.Len() == c.mores, "streams and what few flows have belong to flows")
	assert.That(len(s.bags.all)-len(s.bags.idle) == c.bags+min(1, len(s.bags.all)), "values belong to flows")
	assert.That(s.wheel.armed == c.timers, "timers belong to flows and handlers")
	assert.That(!last || c.flows == 0, "nothing outlives the last mark")
}

// checkOwner verifies that frames come to the shard that has their slot.
func (s *Shard) checkOwner(b *buffers.Batch) {
	for i := range b.Frames {
		assert.That(s.Owns(wire.SlotOf(b.Frames[i].Hash)), "a frame comes to the owner of its slot")
	}
}

// census is what a walk has counted.
type census struct {
	flows, marks       uint64
	pairs, mores, bags int
	timers             int
}

// slot counts what is in one slot.
func (c *census) slot(s *Shard, at wire.Slot) {
	sl := &s.slots[at]
	before := c.flows
	for h, fl := range s.flowsOf(at) {
		c.flow(s, at, h, fl)
	}
	flows := int(c.flows - before)
	assert.That(flows == sl.live && flows == int(sl.index.used), "I7: flows in the index are those counted")
	if sl.ranks != nil {
		assert.That(c.ranked(s, sl.ranks) == flows, "I7: flows in the index are those in lists, if there are any")
	}
	assert.That(flows > 0 || s.arena.Used(at) == 0, "stream memory belongs to flows")
	assert.That(flows == 0 || s.Owns(at), "what a shard has is its own")
}

// ranked counts the flows in a slot's lists.
func (c *census) ranked(s *Shard, lists *ranks) (listed int) {
	for class := range lists {
		older := handle(0)
		for h := lists[class].oldest; h != 0; h = s.ranks.At(h).newer {
			r := s.ranks.At(h)
			assert.That(int(r.class) == class && r.older == older, "a flow stands where its list says")
			older = h
			listed++
		}
		assert.That(lists[class].newest == older, "a list ends with its newest flow")
	}
	return listed
}

// flow counts what belongs to one flow.
func (c *census) flow(s *Shard, at wire.Slot, h handle, fl *flow) {
	key := s.keyOf(fl)
	found, _ := s.lookup(key.Hash(s.cfg.Seed), &key)
	assert.That(found == h && fl.id.Slot() == at, "I7: a flow in a list is found by its key, in its slot")
	c.flows++
	if fl.paired() {
		c.pairs++
	}
	if fl.spot != spotNone {
		c.timers++
	}
	m := new(more)
	if fl.more != 0 {
		m = s.mores.At(fl.more)
		c.mores++
	}
	c.bags += count(m.bag)
	c.timers += s.checkAlarms(m.timers, h)
	if fl.flags&flowReleased != 0 {
		c.marks++
		assert.That(fl.pair == 0 && m.bag == 0 && m.timers == 0, "a mark has nothing beside its record")
		return
	}
	plan := s.plans.At(fl.plan)
	assert.That(plan != nil && plan.Sockets != 0, "a flow that is no mark is somebody's")
}

// checkAlarms counts the alarms of an owner.
func (s *Shard) checkAlarms(list, owner handle) (n int) {
	for h := list; h != 0; h = s.alarms.At(h).next {
		a := s.alarms.At(h)
		assert.That(a.owner == owner && a.spot != spotNone, "an alarm is its owner's")
		n++
	}
	return n
}

// count returns 1 for a handle of something, 0 for none.
func count(h handle) int { return int(min(h, 1)) }
