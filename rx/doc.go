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
// # How interfaces are captured on
//
// With PACKET_RX_RING, version 3, on a packet socket: the kernel fills blocks of
// frames in memory that it shares with us, and hands a block over when it is
// full or the retire time is over. Frames are lent to shards where they lie; the
// block goes back when the last batch cut from it has been released, from
// whichever goroutine, in any order. The way that frames take does not allocate,
// copy or call the system but to wait. CAP_NET_RAW is all that it takes: a ring's
// memory is the kernel's own, and no locked memory of the program's.
//
// What a ring puts right: the outer VLAN tag, which the kernel takes out, goes
// back into the frame (its addresses move ahead by four octets, for which room is
// reserved). Checksums that the sender's card had yet to fill in are marked. On lo
// every packet comes twice: the copy that was sent is left out. Frames of "any"
// have the link type of the interface that they came by.
//
// What is lost, and where that is counted:
//
//	the ring has no free block          RingCounters.Drops, Freezes, Losing
//	it lay in the ring at the end       RingCounters.Unread
//	a shard's mailbox is full           ShardTotals.Dropped
//	a shard holds its share of blocks   ShardTotals.Dropped, HeldBack
//	a ring has no room for a fragment   Totals.ForwardNoRoom
//	the kernel's filter held it back    nowhere: it was never received
//
// The kernel fills blocks in their order, and stops before one that is lent. So a
// block that is still lent when the kernel has come three quarters of the way
// round to it is moved aside: a copy is mapped over it, where it is read, and the
// kernel's memory is used from another mapping. A handler that sleeps blinds
// nobody else. With n shards each may hold the n+1st part of a ring's blocks, so
// copies are bounded; what lies in others is dropped for it alone.
//
// Several rings share an interface as the kernel deals frames out (fanout), and
// each has its receiver. Any of them may bring a frame of any flow: it is steered
// by our own hash. FanoutHash brings a flow by one ring, and so in order. With the
// other modes fragments of one datagram may come by different rings, so each is
// put together by one of them, which the datagram's name says, and the others copy
// their fragments over, bounded and counted. And the directions of a flow may come
// by different rings, which hand over some ten milliseconds apart, as they do from
// two interfaces that see one direction each: shards bring such sources into one
// order, by their clocks (Together, Parted). A ring whose frames wait for another
// wakes it, and that looks into the block that the kernel is filling: if there is
// no frame in it, nothing older than now will come.
//
// An interface that goes down or away takes nothing along: Next goes on with the
// time alone, says in the log what has happened, and opens the ring anew if need
// be, which takes CAP_NET_RAW. After a rename the ring stays with the interface.
//
// # Traps
//
// The socket lives as long as its memory is mapped, and that is until the last
// lent block has come back: a batch that is never released keeps the socket, its
// fanout group and its namespace. Asking the kernel for statistics resets them
// (Counters adds them up), so nobody else may ask.
//
// A chunk's frames are lent until the next call of Next, its octets until the
// block is released. A Chunk holds one reference; Receiver releases it, and so
// must whoever calls Next himself.
package rx
