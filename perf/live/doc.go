//go:build linux

// Live measures live capture on a veth pair in namespaces of its own, one receive
// goroutine and one shard:
//
//	go run ./perf/live                         as root; all of it, about a minute
//	go run ./perf/live -only cpu -seconds 10   mbox web --mode flow at full load: CPU a packet
//	go run ./perf/live -only latency           from the kernel's timestamp to the handler
//	go run ./perf/live -only soak -soak 10m    memory under connections that come and go
//
// cpu: one sender puts short HTTP connections of 16 segments on the wire as fast
// as the kernel takes them. What mbox has used is what getrusage says of its
// process, less what it uses to start and stop.
//
// latency: a packet every half millisecond, and how long after its timestamp a
// handler of the library saw it, for rings that hand their blocks over after 1, 2
// and 10 ms.
//
// soak: connections open and close all the time, no two of the same. If the
// monitor's resident memory at the end is not within 5 % of what it was after a
// minute (after half of a soak that is shorter than two), the run has failed.
//
// With -profile cpu, mbox writes a profile of the load into the working directory.
package main
