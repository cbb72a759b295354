// Package rx is where packets come from, and their way to the shards.
//
// A Source brings frames in chunks that lie in one block of memory: File and
// Reader read captures, NewMemory plays frames that are there already, and
// anyone may write another (see the Example). A Receiver is the goroutine that
// stands behind a source:
//
//	Source --Chunk--> clock, parse, filter, defragment, hash --Batch--> Outlet of shard 0
//	  ^                                                      --Batch--> Outlet of shard 1
//	  |                                                      --Mark---> all of them
//	  +------------------ Block, when its last batch is released -------------+
//
// Nothing is copied on that way: a batch lends frames that still lie in the
// block that the source filled, and the block goes back when the last batch cut
// from it has been released. A capture has a bounded number of blocks, so slow
// shards hold its reader up; a live source cannot wait, and what a shard has no
// room for is dropped and counted.
//
// Every frame received ends in exactly one disposition of Counters.
//
// # How captures are read
//
// With read() into blocks of 512 KiB, records parsed where they lie. A record
// that goes beyond its block's end is moved to the head of the next one.
// Measured on a capture of 64 MB in the page cache, 750 octets a packet, with
// the headers of each looked at: 60 ns a packet; in blocks of 256 KiB 72, of
// 1 MiB 71; from a mapping of the file 114, with all pages mapped at once 131,
// because each page costs a fault; by gopacket's pcapgo 336. A mapping would
// also kill the program if the file was cut short meanwhile (SIGBUS).
//
// Damage is never guessed over: everything before it is delivered, then one
// CaptureError says what broke and where. Lengths are checked against what was
// read before anything is believed.
//
// # Traps
//
// A chunk's frames are lent until the next call of Next, its octets until the
// block is released. A Chunk holds one reference; Receiver releases it, and so
// must whoever calls Next himself.
package rx
