package uevents

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/mbox-stack/mbox/wire"
)

// FlowID names a flow for the whole run: its slot in the upper 12 bits, and
// below them the ordinal of the flow within the slot, from 1. It does not depend
// on the number of shards. The zero value is no flow.
type FlowID uint64

// slotShift is where a FlowID's slot begins: 64 bits less the 12 of SlotCount.
const slotShift = 52

// MakeFlowID returns the ID of the slot's flow number sequence.
func MakeFlowID(s wire.Slot, sequence uint64) FlowID {
	return FlowID(s)<<slotShift | FlowID(sequence)
}

// Slot returns the slot that the flow belongs to.
func (id FlowID) Slot() wire.Slot { return wire.Slot(id >> slotShift) }

// String returns the ID in hexadecimal.
func (id FlowID) String() string { return strconv.FormatUint(uint64(id), 16) }

// Flow names a flow and its endpoints. It is a value and may be kept; with
// Stack.Do it leads back to the flow while that lives.
type Flow struct {
	ID     FlowID
	Key    wire.FlowKey
	client uint8 // index of the client in Key
	how    Start
}

// MakeFlow returns the value that names a flow whose client is Key's endpoint
// number client (0 or 1).
func MakeFlow(id FlowID, key wire.FlowKey, client uint8, how Start) Flow {
	return Flow{ID: id, Key: key, client: client & 1, how: how}
}

// Client returns the client's address and port.
func (f Flow) Client() netip.AddrPort { return f.Key.Endpoint(f.client) }

// Server returns the server's address and port.
func (f Flow) Server() netip.AddrPort { return f.Key.Endpoint(f.client ^ 1) }

// Endpoint returns the address and port of the side that sends in direction side.
func (f Flow) Endpoint(side wire.Dir) netip.AddrPort { return f.Key.Endpoint(f.client ^ uint8(side&1)) }

// ClientIndex returns which endpoint of Key is the client: 0 or 1.
func (f Flow) ClientIndex() uint8 { return f.client }

// Proto returns the flow's IP protocol.
func (f Flow) Proto() wire.Proto { return f.Key.Proto }

// Start returns what the flow began with.
func (f Flow) Start() Start { return f.how }

// Guessed reports that nothing told the client's role: the flow began neither
// with a SYN nor with a SYN-ACK, and the client is who sent the first packet.
func (f Flow) Guessed() bool { return f.how == StartMidstream }

// String returns "tcp 192.0.2.1:1234 > 192.0.2.2:80".
func (f Flow) String() string {
	return fmt.Sprintf("%s %s > %s", f.Key.Proto, f.Client(), f.Server())
}

// Start says what the first packet of a flow was.
type Start uint8

// The ways a flow begins. A datagram flow begins with a datagram.
const (
	StartSYN Start = iota
	StartSYNACK
	StartMidstream
	StartDatagram
)

// String returns "syn", "synack", "midstream" or "datagram".
func (s Start) String() string {
	return [...]string{"syn", "synack", "midstream", "datagram"}[s&3]
}

// EndReason says why a flow ended.
type EndReason uint8

// The reasons. Fin and RST are how TCP ends a connection; it is reported when
// its closing timeout is over, or when something else makes room for its key.
const (
	EndFIN      EndReason = iota // both sides sent FIN
	EndRST                       // a RST that counts
	EndIdle                      // an idle timeout
	EndEvicted                   // a budget needed the room
	EndReleased                  // the socket has released it; in statistics, every socket has
	EndReused                    // a new connection took the key of one that was still open
	EndShutdown                  // the source ended, or the stack was stopped
)

// String returns the reason as records print it.
func (r EndReason) String() string {
	return [...]string{"fin", "rst", "idle-timeout", "evicted", "released", "reused", "shutdown", "?"}[r&7]
}

// GapReason says why missing octets were given up.
type GapReason uint8

// The reasons for a gap.
const (
	GapAcknowledged GapReason = iota // the receiver has them: only we missed them
	GapBudget                        // no memory is left to hold what lies beyond
	GapEnd                           // the flow ended
)

// String returns the reason as event lines print it.
func (r GapReason) String() string {
	return [...]string{"acknowledged", "budget", "end", "?"}[r&3]
}

// Gap is a range of a stream whose octets were given up.
type Gap struct {
	Offset uint64 // of the first missing octet
	Len    uint64 // octets
	Why    GapReason
}

// Match says how repeated octets compare with those that came first.
type Match uint8

// The results of a comparison.
const (
	MatchSame    Match = iota // all that could be compared are the same
	MatchDiffers              // at least one octet differs
	MatchUnknown              // the originals are not held, so nothing was compared
)

// String returns "same", "differs" or "unknown".
func (m Match) String() string { return [...]string{"same", "differs", "unknown", "?"}[m&3] }

// Rexmit says what a segment repeats.
type Rexmit struct {
	SYN, SYNACK, FIN bool
	Offset           uint64 // stream offset of the repeated octets
	Len              uint32 // octets repeated; 0 if none
	Match            Match  // of the octets; MatchSame where Len is 0
	// Original are octets that came first and Repeat those that the segment has
	// in their place: as many, and of a conflict the piece with the first
	// difference. Both are lent, and empty where the originals are not held.
	Original, Repeat []byte
	At               uint32 // where in the segment's payload Repeat begins
}

// Evidence qualifies everything a record of the flow says.
type Evidence struct {
	OneSided     bool   // packets of one direction only
	Midstream    bool   // the handshake was not seen
	Truncated    bool   // a snaplen cut payload
	MatchUnknown bool   // octets were repeated that could not be compared
	GapOctets    uint64 // octets given up, both directions
	BadChecksums uint32 // packets with a wrong transport checksum
	Conflicts    uint32 // retransmissions whose octets differed
	Dropped      uint32 // segments that a PreTCP verdict dropped
	Refused      uint64 // octets not held because a budget was spent
	Panics       uint32 // handlers that panicked on this flow
}

// Complete reports that the evidence has nothing to object to: both sides and
// the beginning were seen, and no octet is missing or doubtful.
func (e *Evidence) Complete() bool { return *e == Evidence{} }

// Counters are what one endpoint has sent in a flow.
type Counters struct {
	Packets      uint64
	PayloadBytes uint64 // by the IP header, retransmissions included
	Rexmits      uint64 // segments that repeated something
	RexmitBytes  uint64
	SYN          uint32 // segments with SYN, without ACK
	SYNACK       uint32
	FIN          uint32
	RST          uint32
}

// RTT is the round-trip time of the handshake as seen in the middle: the way to
// the server and back, and the way to the client and back. A half is 0 where
// its segments were not seen.
type RTT struct {
	Server time.Duration // SYN to SYN-ACK
	Client time.Duration // SYN-ACK to the client's acknowledgment
}
