// Perf measures mbox against programs that do the same: put the octets of every
// TCP connection in order and hand them to the user.
//
//	go run ./perf                             a table
//	go run ./perf -workload lossy -turns 21
//	go run ./perf -format json > baseline.json
//	go run ./perf -only reassembly -want 5    exit status 1 if mbox is not five times faster
//
// Each peer is a program of its own in perf/peers (some cannot be linked
// together), started once, on the same CPU as the others, with the same frames
// in its memory. Then they take turns: peer by peer, round after round, the
// first one of a round being another each time, so that what disturbs the
// machine disturbs all of them alike. A peer that has not counted exactly the
// octets that the workload holds has failed, however fast it was.
//
// What counts is the median of CPU time: on a machine that others use, wall
// time measures them. The spread beside it says what the median is worth.
//
// # A further peer
//
// It is a directory in perf/peers whose main calls measure.Serve, and a line in
// the list in peers.go.
package main
