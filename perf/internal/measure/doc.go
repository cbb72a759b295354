// Package measure is what programs share that are measured against each other:
// the workloads they run on, how they are asked, and what they answer. The
// command in perf asks; the programs in perf/peers answer.
//
//	perf ──"turn\n"──▶ peer      Serve runs the peer's function once, timed
//	perf ◀──Sample───  peer      one JSON object a line
//
// A [Workload] is generated in memory, the same octets in every peer, and says
// how many flows there are and how many octets each side sends. Serve compares
// that with what the peer has counted in every turn, so nobody is fast by leaving
// something out.
//
// What is timed is a run through all frames, from an empty table whose memory is
// there: a first turn does not count. Forgetting the flows afterwards is timed
// apart. The collector has run before, and what it does during the turn counts.
//
// # Traps
//
// A peer must not write to standard output: that is where its answers go.
package measure
