// Package buffers is the memory of mbox: batches of frames on their way to a
// shard, slabs of records that the collector need not look into, and streams.
//
// # Batches
//
// A receive goroutine fills a Batch with frames that lie in one Block of its
// source, and hands it over; the shard that gets it owns the batch and its
// frames, and releases it. A block goes back to its source with the last batch
// cut from it. Reassembled datagrams lie in memory of their own.
//
//	source: Block ──┬── Batch ──> shard ── Release ──┐
//	                └── Batch ──> shard ── Release ──┴──> Block to the source
//
// # Slabs
//
// A Slab holds records of one type by handle. Records hold no pointers and
// never move, so a million flows cost the collector a thousand pointers.
//
// # Streams
//
// A Stream is one direction's octets: 24 octets of state for a flow record. An
// Arena, one per shard, holds what a stream cannot pass on at once.
//
//	offset:   0 ........ acked-n ......... Next ....... hole ....... end
//	          gone       retained, if asked     missing      waiting
//
// Octets that are next in order are not copied: the Result lends them from the
// segment itself. Octets beyond a hole are copied and wait until the hole fills
// or is given up (Skip). With Retain, delivered octets are kept as well until
// the peer acknowledges them and a little longer; they are what retransmissions
// are compared with and what ReadAt reads.
//
// Waiting octets are kept in pieces, one for what each segment has contributed,
// since what a receiver does with overlaps depends on the segments' bounds; see
// Policy. Delivered octets never change.
//
// Memory is accounted as it is taken: a waiting octet costs a block of at least
// 64 octets and a record. What a slot's streams may have depends on calls for
// that slot alone, so results are the same however slots are spread over shards.
// Real memory can exceed what is accounted while chunks are partly used; chunks
// that are free serve every block size, and Trim gives them up.
//
// # Traps
//
// Offsets are not sequence numbers: the caller maps them. Octets before Next
// that are not held read as sent before, also those of a hole that was given up;
// whether they match is then unknown. What a Result lends ends with the arena's
// next Insert, whichever stream that is for; checked builds (-tags mboxdebug)
// scribble over it then. Nothing here may be used by two goroutines at a time,
// except BatchPool and Block.
package buffers
