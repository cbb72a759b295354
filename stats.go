package mbox

import (
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/wire"
)

// Stats is what a stack has done. Its two ledgers balance: each frame that was
// received has one disposition, and each packet that went to a shard one fate.
type Stats struct {
	Sources []rx.Counters // in the order given to Run
	Shards  []shard.Stats
	// Mailboxes are the shards', as they are at this moment; there are none after Run.
	Mailboxes []Mailbox
}

// Mailbox is how full the mailbox of one shard is.
type Mailbox struct {
	Traffic, TrafficMax   int // batches and marks that wait
	Requests, RequestsMax int // queries and changes that wait
}

// Disposition is a line of a ledger.
type Disposition struct {
	Name  string
	Count uint64
}

// Stats returns what the stack has done so far: of a stack that runs, what the
// receivers and shards had done at their latest marks, read one after the other
// and so perhaps a few batches apart; after Run, everything.
func (s *Stack) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return s.run.stats()
	}
	return s.last
}

func (r *running) stats() (st Stats) {
	for _, rec := range r.receivers {
		st.Sources = append(st.Sources, rec.Counters())
	}
	for _, sh := range r.shards {
		st.Shards = append(st.Shards, sh.Stats())
		st.Mailboxes = append(st.Mailboxes, Mailbox{
			Traffic: sh.Traffic.Depth(), TrafficMax: sh.Traffic.Cap(),
			Requests: sh.Requests.Depth(), RequestsMax: sh.Requests.Cap(),
		})
	}
	return st
}

// Total returns the sum over all shards.
func (s *Stats) Total() (sum shard.Stats) {
	for i := range s.Shards {
		sum.Add(&s.Shards[i])
	}
	return sum
}

// loseResults counts as lost what has not come back from Offload at the end.
func (s *Stats) loseResults() {
	total := s.Total()
	s.Shards[0].Lost += total.Offloads - total.Results
	s.Shards[0].Results += total.Offloads - total.Results
}

// Received returns the frames and octets that all sources have brought.
func (s *Stats) Received() (frames, octets uint64) {
	for i := range s.Sources {
		frames += s.Sources[i].Frames
		octets += s.Sources[i].Octets
	}
	_, ahead := s.betweenRings()
	return frames + ahead, octets
}

// betweenRings returns how many fragments are on their way from one ring to
// another. While the stack runs it may be that more are known to have arrived
// than to have left, as each ring shows its counters when it likes: those were
// received by a ring that has yet to say so.
func (s *Stats) betweenRings() (underway, ahead uint64) {
	var left, arrived uint64
	for i := range s.Sources {
		left += s.Sources[i].Forwarded
		arrived += s.Sources[i].Adopted
	}
	return left - min(left, arrived), arrived - min(left, arrived)
}

// Frames returns what became of the frames received, by name. The counts add up
// to Received.
func (s *Stats) Frames() []Disposition {
	var handed, dropped, filtered, surplus, noRoom uint64
	underway, _ := s.betweenRings()
	refused := make([]uint64, len(rx.Counters{}.Refused))
	var f frag.Stats
	for i := range s.Sources {
		c := &s.Sources[i]
		filtered += c.Filtered
		surplus += c.Surplus
		handed += c.Handed().Frames
		dropped += c.Dropped().Frames
		for o, n := range c.Refused {
			refused[o] += n
		}
		f.Held += c.Fragments.Held
		f.Merged += c.Fragments.Merged
		f.Completed += c.Fragments.Completed - c.DatagramsNested // those were frames once already
		noRoom += c.ForwardNoRoom
		f.Duplicate += c.Fragments.Duplicate
		f.Expired += c.Fragments.Expired
		f.Evicted += c.Fragments.Evicted
		f.Bad += c.Fragments.Bad
	}
	ds := []Disposition{
		{"fragment-held", f.Held}, {"fragment-merged", f.Merged}, {"fragment-completed", f.Completed},
		{"fragment-duplicate", f.Duplicate}, {"fragment-expired", f.Expired}, {"fragment-evicted", f.Evicted},
		{"fragment-bad", f.Bad}, {"fragment-between-rings", underway}, {"fragment-no-room", noRoom},
	}
	for o, n := range refused {
		if n > 0 {
			ds = append(ds, Disposition{wire.Outcome(o).String(), n})
		}
	}
	return append(ds, Disposition{"filtered", filtered}, Disposition{"beyond-count", surplus}, Disposition{"mailbox-full", dropped}, Disposition{"handed-to-shards", handed})
}

// Packets returns what became of the packets that shards were handed: whole
// frames, and datagrams put together from fragments. While the stack runs, what
// is on its way to a shard counts as in flight.
func (s *Stats) Packets() (handed uint64, fates []Disposition) {
	for i := range s.Sources {
		d := s.Sources[i].Handed()
		handed += d.Frames + d.Datagrams
	}
	total := s.Total()
	var done uint64
	for f, n := range total.Fates {
		if f := shard.Fate(f); f != shard.FateRawOnly {
			fates = append(fates, Disposition{f.String(), n})
			done += n
		}
	}
	if len(s.Mailboxes) > 0 { // it runs: what a receiver sent off before it said so may be done already
		handed = max(handed, done)
	}
	return handed, append(fates, Disposition{"in-flight", handed - min(handed, done)})
}

// Balanced reports whether both ledgers add up.
func (s *Stats) Balanced() bool {
	frames, _ := s.Received()
	for _, d := range s.Frames() {
		frames -= d.Count
	}
	handed, fates := s.Packets()
	for _, d := range fates {
		handed -= d.Count
	}
	return frames == 0 && handed == 0
}
