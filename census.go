package mbox

import (
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/wire"
)

// Census is how many flows there are, by where they stand, and TCP endpoints, by
// their state.
type Census = shard.Census

// Census counts the flows that live, and waits for the shards to do so: a few
// slots at a time, between two batches, so that traffic is not held up. Flows
// begin and end meanwhile. What Stats returns afterwards of shards is as of then.
// It fails with ErrInHandler in a handler. Of a stack
// that does not run the counts are zero.
func (s *Stack) Census() (sum Census, err error) {
	run := s.current()
	if run == nil {
		return sum, nil
	}
	if run.inHandler() {
		return sum, ErrInHandler
	}
	run.onSlots(func(i int, slots []wire.Slot) (others []wire.Slot) {
		for len(slots) > 0 {
			var some []wire.Slot
			if some, slots = run.count(i, slots, &sum); len(some) > 0 {
				others = append(others, some...)
			}
		}
		run.on(i, (*shard.Shard).Publish)
		return others
	})
	return sum, nil
}

// count has shard i count a few of its slots, and returns those it has not and
// those that are left.
func (r *running) count(i int, slots []wire.Slot, c *Census) (others, left []wire.Slot) {
	left = slots
	r.on(i, func(sh *shard.Shard) { others, left = sh.Count(slots, c) })
	return others, left
}

// Ping asks every shard for an answer, in turn, and waits for it: how long that
// takes is how long a request waits for the batch ahead of it. What Stats
// returns afterwards of shards is as of then. It fails with ErrInHandler in a
// handler.
func (s *Stack) Ping() error {
	run := s.current()
	if run == nil {
		return nil
	}
	if run.inHandler() {
		return ErrInHandler
	}
	run.each((*shard.Shard).Publish)
	return nil
}
