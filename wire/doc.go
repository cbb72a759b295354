// Package wire turns octets into meaning: it finds the innermost IP packet of a
// frame, names its flow, and reads the part of its TCP header that connection
// state looks at.
//
//	octets ──► Parser.Parse ──► Packet ─┬─ Key      which flow, both directions alike
//	 + LinkType                         ├─ Segment  SEG.SEQ, SEG.ACK, SEG.WND, options
//	                                    ├─ offsets  into the frame: network, transport, payload
//	                                    ├─ Outcome  whole, a fragment, or why it is neither
//	                                    └─ Stack    the headers on the way, for Encap
//
// A [Packet] is a value without pointers, filled in place, that means nothing
// without its frame. [Parser.Parse] allocates nothing and has no state, so one
// Parser serves any number of goroutines.
//
// # How a frame is walked
//
// Nearly every frame is Ethernet, IPv4 or IPv6 without options, and TCP or UDP:
// for these there is one short path (parser.go). All others are walked header by
// header from the outside in (walk.go): each header has a method that checks its
// length, steps over it and names the next. Link types, EtherTypes, IP protocols
// and UDP ports are tables.
//
// Whenever an IP packet stands whole it is written to the Packet, and
// overwritten by one found further inside. A UDP port is only a guess at a
// tunnel: if it leads nowhere, the outer datagram is still there, and is the
// flow (MarkOpaque).
//
// # Traps
//
// What headers claim is not believed beyond what was captured. PayloadLen is
// what the IP header announces, Captured what the frame has of it; a segment
// whose options the snaplen cut is still Whole.
//
// The key of an ICMP error is the flow it quotes, not that of its own addresses
// (MarkICMPError); its own are in the header at NetworkOff.
//
// Fragments are not put together here (package frag does): a Fragment has
// addresses but no ports, and [Parser.Resume] parses the datagram in the place
// where its fragments were found.
//
// IP header checksums are verified while parsing, since the header is at hand,
// and only marked. Those of transports cost a pass over the payload and are
// verified by [VerifyTransport] for whoever wants to know.
//
// [Seq] is a circle: only [Seq.Less], [Seq.LessEq] and [Seq.Diff] compare
// sequence numbers (RFC 9293 §3.4).
package wire
