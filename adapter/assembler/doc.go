// Package assembler runs streams written for github.com/google/gopacket's
// reassembly package on mbox: the same StreamFactory and the same Streams, with
// Attach in the place of NewStreamPool, NewAssembler, the loop that reads packets,
// and the calls that flush.
//
//	                      ┌─ OnPacket, PreTCP ──► New (first segment), Accept
//	mbox.Socket ──events──┼─ OnGap ─────────────► skip of the next ReassembledSG
//	                      ├─ OnNewData ─────────► ReassembledSG
//	                      ├─ OnPacket, PostTCP ─► ReassembledSG without octets: SYN, FIN, RST
//	                      └─ OnConnEnd ─────────► ReassemblyComplete
//
// What a Stream gets is in the order and with the meaning of gopacket's own
// Assembler, and the octets are the same; docs/MIGRATING.md lists the calls one by
// one. What is better than there is better here too: memory is bounded, a gap is
// given up when the receiver has acknowledged beyond it and not when somebody
// flushes, idle connections end by themselves, and fragments, tunnels and
// connections without a SYN need no code.
//
// # What differs
//
//   - The client is who sent the SYN, or received the SYN-ACK, not who sent the
//     first packet of the capture; New gets its flows from client to server.
//   - A connection that is picked up in its middle delivers at once, with a first
//     skip of -1 unless Accept sets start; gopacket holds everything until a flush.
//   - A segment that Accept refuses is dropped as by a PreTCP handler. On a stack
//     with other sockets it is so for them as well.
//   - Octets that waited for a hole to be filled have the CaptureInfo of the packet
//     that filled it.
//   - Each stored piece is a ReassembledSG of its own, so Stats counts one chunk
//     and one packet, plus what KeepFrom had kept.
//   - ReassemblyComplete gets a context, not nil.
//
// # Traps
//
// With several shards, Streams of different connections run at the same time, and
// so the factory's New is serialised but Streams are not: where they share state
// without a lock, use Config.Shards = 1.
package assembler
