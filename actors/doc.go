// Package actors runs the goroutines of mbox and the mailboxes between them.
//
// An actor owns its state alone and learns of the world through messages. Here
// that takes three things: a Mailbox, which is a bounded queue that counts what
// it refuses; Serve, the loop that takes messages one at a time, requests from
// outside ahead of the traffic; and a Group, which starts actors, ends all of
// them when one fails, and turns a panic into an error with its stack, so that
// a bug in one shard is reported and does not take the program's other work
// down with it unsaid.
//
// The package knows nothing of packets.
//
// Two traps, both measured. A channel operation costs 50 to 110 ns, so messages
// are batches of frames and never single ones. A goroutine that is locked to
// its thread pays 23 to 26 us for a hand-over instead, so shards are not locked
// unless asked (runtime.LockOSThread in a body given to Group.Go).
package actors
