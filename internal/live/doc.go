// Package live holds the tests of live capture from end to end; it has no code of
// its own. Real clients and servers in network namespaces talk to each other over
// veth pairs, and a stack captures what passes:
//
//	go test ./internal/live
//
// They need root and Linux, and are skipped with their reason elsewhere. They
// make everything they need and leave nothing behind (package netns).
//
// Other programs share the machine with them, so none relies on the kernel
// dropping nothing, or on how long anything takes. Where frames were missed,
// which is counted, the streams may lack octets; what they have must be right.
// What holds for every capture, stop checks: captured and dropped make what has
// passed the interface by the kernel's own count, and both ledgers balance.
package live
