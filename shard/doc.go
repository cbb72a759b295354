// Package shard is one actor of the engine: it owns the flows of a set of
// slots, and everything that happens to them happens here, one message after
// the other.
//
// A frame of a batch goes through the stages of track.go:
//
//	clock   timers that are due before the frame
//	raw     sockets that see single frames
//	find    the flow, or room for a new one
//	look    what would this segment be? PreTCP handlers, verdict
//	repeat  PreTCP handlers of what was sent before
//	step    both endpoints, counters; PostTCP events of the connection
//	acked   holes that the receiver has acknowledged beyond: OnGap, OnNewData
//	text    the sender's octets: OnNewData
//	post    OnPacket
//	settle  what handlers changed takes its final effect
//
// Each stage queues events and the dispatcher runs them before the next begins,
// so a handler that panics can be left behind and the frame goes on where it
// was: recovery is set up once per batch.
//
// Nothing here depends on the number of shards. Budgets, sequence numbers and
// eviction belong to slots; timers fire by packet time, sorted by deadline and
// FlowID; every event has an Order that is the same on any shard.
//
// A flow record holds no pointers and lies in a slab. What only some flows need
// (streams, labels, users' values, timers) lies beside it, by handle.
package shard
