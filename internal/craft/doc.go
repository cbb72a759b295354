// Package craft writes frames from a description of them: what the tests of
// mbox feed it, and what its traffic generator is made of.
//
//	            Path                          TCP, ICMP          text
//	┌───────────────────────────────┬───────────────────────┬──────────┐
//	│ Ethernet, tags │ IPv4 or IPv6 │ TCP, UDP, ICMP header │ payload  │
//	└───────────────────────────────┴───────────────────────┴──────────┘
//	AppendEthernet   AppendIP         AppendTCP, AppendUDP, AppendICMP
//	                 AppendFragment   AppendSegment, AppendDatagram
//
// A [Path] says between which endpoints a packet travels and what it is wrapped
// in; it stays the same for all packets of one direction. Each Append function
// appends one frame to a slice and returns the slice, allocating only where the
// slice must grow. Lengths and checksums are right unless Path.Faults asks for
// wrong ones.
//
// # What does not fit in a description
//
// Tunnels are made from inside to outside: write the inner packet over a path
// whose Link is Bare, put the tunnel's header before it, and hand both to
// [AppendIP] or [AppendDatagram] as payload. A frame that was cut by a snaplen
// is a shorter slice of the whole one. Damage that Faults does not name is done
// to the frame's octets afterwards.
//
// # Traps
//
// Captures are hostile, descriptions are not: a description that cannot be
// written (two families in one path, 41 octets of TCP options, 70,000 octets in
// one packet) is a bug of the caller and panics.
package craft
