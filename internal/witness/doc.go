// Package witness writes down everything that a stack tells its handlers, so
// that two runs can be compared octet for octet.
//
//	stack ──every event, both hooks──▶ Watch ──Output──▶ one line each, in order
//	      ──every event──────────────▶ Audit ──▶ what breaks the contract
//
// [Watch] may be told to be a nuisance: handlers that drop segments, stop sides,
// release flows, switch each other on and off, arm timers, raise events and
// panic, as a seed has it. What they do follows from the flow and from what
// happened to it so far alone, so it does not depend on shards or batches, and
// neither may anything else.
//
// [Audit] stands beside on a socket of its own and holds the contract of events
// against what it sees: begins first, ends last and once, streams without a hole
// that nobody told of.
//
// # Traps
//
// Not for measuring: each line costs more than the packet it is about.
package witness
