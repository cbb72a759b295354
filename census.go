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
	for i := range run.shards {
		var c Census
		for next := run.count(i, 0, &c); next != 0; {
			next = run.count(i, next, &c)
		}
		sum.Add(&c)
		run.on(i, (*shard.Shard).Publish)
	}
	return sum, nil
}

// count has shard i count a few of its slots, from the one given on.
func (r *running) count(i int, from wire.Slot, c *Census) (next wire.Slot) {
	r.on(i, func(sh *shard.Shard) { next = sh.Count(from, c) })
	return next
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
