// Package frag puts IP fragments back together.
//
// A receive goroutine owns one Table and gives it every packet that wire.Parse
// called a Fragment. The fragment that completes a datagram brings it back as
// one IP packet, in memory of its own, to be parsed again as raw IP; all others
// are copied and held. Nothing here locks, reads a clock or keeps a frame.
//
//	            key: addresses, ID (IPv4: protocol), scope
//	fragment ──► bucket ──► datagram ──► pages of 1 KiB, octets at their place
//	                          │            have:   octets that are held
//	                          │            starts: where fragments begin
//	                          └─ queue by age: the oldest expires or is evicted first
//
// Octets lie at their offset in the datagram, with one bit for each that is
// held. To insert a fragment costs what copying it costs, however many came
// before it: there is no list of pieces to walk, so a flood of tiny fragments
// buys nothing (the attack of CVE-2018-5391).
//
// # Overlaps
//
// Octets that two fragments bring are settled by a Policy. Hosts differ in it,
// and an attacker who knows which one is behind us hides octets in the
// difference (Shankar and Paxson 2003, Novak 2005). First is the default.
//
// # Limits
//
// Memory is bounded by Config: pages by Octets, bookkeeping by Datagrams. When
// either is used up the oldest datagram is evicted, never the newest refused, so
// that a flood of fragments that never complete cannot keep others from
// completing. Time is the clock of the source, handed in; a datagram expires
// the same number of seconds after its first fragment in every run.
//
// # Traps
//
// A fragment whose octets the capture cut brings those that are there; where it
// is the datagram's last, the datagram is completed, marked wire.MarkTruncated,
// and its header announces the octets that are missing. A datagram cut in its
// middle never completes and is counted as expired.
//
// The datagram knows nothing of the link layer it came over: whoever asked for
// keys with VLAN or tunnel identifiers has to hand Key.Scope on.
package frag
