// Perf measures what a packet costs in mbox, beside the least that it can cost
// and beside programs that do the same.
//
//	go run ./perf                             everything, in one table
//	go run ./perf -workload w1 -payload 0,512 -mode track,read -verify both
//	go run ./perf -peers                      against other programs
//	go run ./perf -format json > baseline.json
//	go run ./perf -format bench > new.txt     for benchstat
//	go run ./perf -workload w4 -write w4.pcap a workload as a capture
//
// What is compared is a program of its own in perf/peers (some cannot be linked
// together), started once for each figure, on the same CPU as the others, with
// the same frames in its memory. Then they take turns: program by program, round
// after round, the first one of a round being another each time, so that what
// disturbs the machine disturbs all of them alike. One that has not counted
// exactly what the workload holds has failed, however fast it was.
//
// What counts is the median of CPU time: on a machine that others use, wall time
// measures them. Best and worst turn beside it say what the median is worth.
// Forgetting the flows after a turn is timed apart (end).
//
// # The floor
//
// The peer floor is a bare loop over the same frames that does what nobody can
// leave out: parse, hash, look up one flow line and write to it, read the octets
// that the mode reads. Its variant floor/ahead looks up 32 frames before it
// counts the first, so that their misses overlap.
//
// # A further peer
//
// It is a directory in perf/peers whose main calls measure.Serve, and a name in
// the list in suite.go.
package main
