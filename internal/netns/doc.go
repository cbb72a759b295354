// Package netns is the test bench of live capture: network namespaces joined by
// veth pairs, in which tests, benchmarks and the demo run real clients, servers
// and captures. It needs root and Linux; elsewhere the package is empty.
//
//	client ──c0═════s0── server          a Cable with two ends
//
//	client ──c0═══a0─┐      ┌─b0═══s0── server
//	               hop 1   hop 2          frames pass in user space and may be
//	                 w0════w1             lost, moved, repeated and tagged
//	                       └ captured here
//
// # Nothing is left behind
//
// A namespace has no name in /var/run/netns. It is held by one thread and by one
// descriptor, and everything in it (links, addresses, neighbours) ends with it;
// processes that Start ran in it are killed when it closes. So nothing survives
// this process, however it ends: by a return, a panic, or a signal that nobody
// catches.
//
// # Threads
//
// A namespace belongs to a thread, and goroutines change theirs. Do keeps the
// calling goroutine on a thread inside while a function runs; what that function
// starts with go runs elsewhere, outside. A socket stays where it was made, so
// Listen and Dial give sockets of the namespace that any goroutine may use, and
// a capture that has been opened within Do goes on reading in there. Names are
// not resolved: addresses are literal.
//
// # Traps
//
// Cables carry what the kernel of either side says on its own: neighbour
// solicitations, multicast reports. Counts are taken from the kernel's, Counters,
// and not from what a test believes it has sent. With offloads on, which is how a
// cable comes, frames are as long as 64 KiB and their checksums are not filled in.
package netns
