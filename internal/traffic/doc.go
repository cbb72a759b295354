// Package traffic makes workloads: frames with times, the same for the same
// seed, of connections whose every octet is known in advance.
//
//	Config ──► Connections ─┐
//	FloodConfig ──► Flood ──┼─► Merge ─► Next, All, WriteCapture
//	Demo ───────────────────┘
//
// A [Stream] gives one frame at a time into the caller's buffer, so that five
// million frames need no more memory than one. [Connections] are planned by a
// small simulation of both endpoints as the middle sees them: what is lost
// before the middle is sent again, what is late is overtaken, and nobody
// acknowledges what has not passed. [Flow] then says which octets a faithful
// reader gets out of each stream, to compare with or to hash: a connection that
// opens during a flood must come out as it does without one.
//
// [Demo] is written by hand instead: a working day of a small network in which
// most of what can happen to a connection happens once, each with a note.
//
// Nothing here reads a clock: times start where the description says.
//
// # Traps
//
// Merged workloads of connections need different Sites, or they share addresses
// and ports. Floods need nothing: their addresses are their own, but two floods
// of one kind need different seeds and may still meet.
package traffic
