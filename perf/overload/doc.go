// Overload measures what a shard that has too much to do costs the flows on it,
// and what moving slots to others, or letting go of a flow, does about that:
//
//	go run ./perf/overload                    all of it, about a minute
//	go run ./perf/overload -only elephant     one flow that is more than a shard can do
//	go run ./perf/overload -shards 8 -work 50us
//
// A live source in memory sends datagrams at a rate that it keeps. A handler takes
// -work for each: by default it waits, as for an answer from elsewhere, so that
// more shards than CPUs can be had; with -spin it computes. A shard can do 1/work
// packets a second, and what it has no room for is lost.
//
// In skew, shard 0 is sent 1.2 times what it can do, by 150 flows, and each other
// one 0.4 times. In elephant, one flow of shard 0 makes 0.8 (or with -elephant
// what that says) and all others 0.4 for each shard.
//
// For each run a line says what became of the mice and of the elephant in its
// first second and a half and in its last two seconds: how many of their packets
// got to the handler, and how long that took.
package main
