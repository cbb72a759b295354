package shard

import "github.com/mbox-stack/mbox/uevents"

// Fate is what became of a frame that a shard was handed, with something to
// track in it. Each such frame has exactly one.
type Fate uint8

// The fates.
const (
	FateTracked     Fate = iota // it belongs to a flow
	FateUnscoped                // a flow that no socket's scope selects
	FateReleased                // a flow that all sockets have released
	FateVerdict                 // a PreTCP handler dropped it
	FateChecksum                // wrong transport checksum, under ChecksumsVerify
	FateNoPickup                // not the beginning of a connection, and pick-up is off
	FateNoRoom                  // no record could be had
	FateICMPUnknown             // an ICMP error that quotes no flow we know
	FateRawOnly                 // nothing to track: raw sockets may have seen it
	FateMoving                  // its slot was on its way from shard to shard, and too much of it held back
	FateCount
)

// String returns the fate as counters name it.
func (f Fate) String() string {
	return [...]string{"tracked", "unscoped", "released", "dropped-by-verdict", "bad-checksum",
		"no-pickup", "no-room", "icmp-of-no-flow", "raw-only", "slot-moving", "?"}[min(f, FateCount)]
}

// Stats counts what a shard did since it began. The zero value is the start.
type Stats struct {
	Batches  uint64
	Marks    uint64
	Frames   uint64            // handed to the shard; the sum of Fates
	Fates    [FateCount]uint64 //
	Octets   uint64            // captured, of Frames
	Raised   uint64            // anomalies
	Orphans  uint64            // TCP segments of no connection, whatever the reason
	Flows    uint64            // begun
	Ended    [endCount]uint64  // by uevents.EndReason
	Live     uint64            // flows now
	Marked   uint64            // of them, marks of released flows
	Timers   uint64            // that fired
	Gaps     uint64            // holes given up
	GapBytes uint64            // octets in them
	Refused  uint64            // octets that no budget had room for
	Panics   uint64            // of handlers and filters
	Offloads uint64            // works that Offload took
	Results  uint64            // that came back from them, or word that there is none
	Lost     uint64            // results of Offload whose flow was gone; after the end, that have not come back as well
	Busy     uint64            // calls of Offload that found the pool full
	Pressed  uint64            // steps at which stream memory was short
	Memory   uint64            // octets of records and streams
	Streams  uint64            // of Memory, what octets that wait or are kept lie in
	Held     uint64            // frames held back while their slot was on its way here
	SlotsIn  uint64            // slots that came from other shards
	SlotsOut uint64            // and that went to them
	FlowsIn  uint64            // flows of those slots
	FlowsOut uint64            //
	MarksIn  uint64            // of those flows, marks of released ones
	MarksOut uint64            //
	Hurried  uint64            // frames that did not wait for the other rings any longer (Config.Rings)
	Late     uint64            // frames that came behind younger ones of other rings all the same
	Clock    uint64            // of the source at the latest mark, ns since 1970; Add leaves it alone

	// Evicted counts the records that made room for another flow.
	Evicted [EvictionCount]uint64
}

// Eviction is what a flow was when it had to make room for another one.
type Eviction uint8

// The evictions, in the order in which a full slot looks for room.
const (
	EvictedReleased    Eviction = iota // the mark of a flow that all sockets had released
	EvictedClosed                      // over, and kept for late segments
	EvictedUnproven                    // embryonic, or heard from one side only
	EvictedEstablished                 // heard from both sides
	EvictionCount
)

// String returns the eviction as counters name it.
func (e Eviction) String() string {
	return [...]string{"released", "closed", "unproven", "established", "?"}[min(e, EvictionCount)]
}

// eviction returns what a flow of the class is as one that makes room.
func (c class) eviction() Eviction {
	return [classCount]Eviction{EvictedClosed, EvictedUnproven, EvictedEstablished, EvictedReleased}[c]
}

const endCount = int(uevents.EndShutdown) + 1

// Add adds the counters of another shard.
func (s *Stats) Add(o *Stats) {
	for i := range s.Fates {
		s.Fates[i] += o.Fates[i]
	}
	for i := range s.Ended {
		s.Ended[i] += o.Ended[i]
	}
	for i := range s.Evicted {
		s.Evicted[i] += o.Evicted[i]
	}
	for _, f := range [...]struct {
		to   *uint64
		from uint64
	}{
		{&s.Batches, o.Batches}, {&s.Marks, o.Marks}, {&s.Frames, o.Frames}, {&s.Octets, o.Octets},
		{&s.Raised, o.Raised}, {&s.Orphans, o.Orphans}, {&s.Flows, o.Flows}, {&s.Live, o.Live},
		{&s.Marked, o.Marked}, {&s.Timers, o.Timers}, {&s.Gaps, o.Gaps}, {&s.GapBytes, o.GapBytes},
		{&s.Refused, o.Refused}, {&s.Panics, o.Panics}, {&s.Offloads, o.Offloads}, {&s.Results, o.Results}, {&s.Lost, o.Lost}, {&s.Busy, o.Busy}, {&s.Pressed, o.Pressed}, {&s.Memory, o.Memory},
		{&s.Streams, o.Streams}, {&s.Held, o.Held}, {&s.SlotsIn, o.SlotsIn}, {&s.SlotsOut, o.SlotsOut},
		{&s.FlowsIn, o.FlowsIn}, {&s.FlowsOut, o.FlowsOut}, {&s.MarksIn, o.MarksIn}, {&s.MarksOut, o.MarksOut},
		{&s.Hurried, o.Hurried}, {&s.Late, o.Late},
	} {
		*f.to += f.from
	}
}

// Stats returns the counters as they were at the latest mark. It may be called
// from anywhere.
func (s *Shard) Stats() Stats { return *s.published.Load() }

// Publish makes the counters visible to others as they are now. It must run as a
// Request.
func (s *Shard) Publish() { s.publish() }

// publish makes the counters visible to others.
func (s *Shard) publish() {
	c := s.stats
	c.Streams, c.Clock = uint64(s.arena.Bytes()), uint64(max(s.clock, 0))
	c.Memory = uint64(s.flows.Bytes() + s.pairs.Bytes() + s.mores.Bytes() + s.alarms.Bytes() +
		s.arena.Bytes() + s.ranks.Bytes())
	for i := range s.slots {
		c.Memory += uint64(s.slots[i].index.bytes())
	}
	s.published.Store(&c)
}

// fate ends the work on the frame under way.
func (s *Shard) fate(f Fate) { s.stats.Fates[f]++ }
