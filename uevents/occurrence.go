package uevents

import "github.com/mbox-stack/mbox/wire"

// Occurrence is one event as the engine raises it. What A, B and Data mean
// depends on Kind:
//
//	Rexmit      Data: the originals, Off, A: octets repeated, B: rexmit bits, above them Rexmit.At
//	StateChange A: from, B: to
//	Anomaly     A: which
//	Gap         Off, A: octets, B: GapReason
//	NewData     Data: the octets, Off
//	ConnEnd     A: EndReason
//	ICMPError   A: type, B: code
//	Timer       A: the timer
//	Custom      Custom: which and with what
type Occurrence struct {
	Data   []byte
	Off    uint64
	A, B   uint64
	Custom *Raised // nil unless Kind is KindCustom
	Kind   Kind
	Hook   Hook
	Side   wire.Dir
	// Only restricts the occurrence to one socket, by index plus one; 0 is all.
	Only uint8
}

// Raised is an event that a handler raised, with the value it gave; or the end of
// the flow for a socket that a handler let go of it.
type Raised struct {
	Event  Event
	Value  any
	depth  int
	hook   Hook // of the event at hand then, and its side
	side   wire.Dir
	parted program // of OnConnEnd, as it was before; nil iff a handler raised Event
	only   uint8   // as Occurrence.Only
}

// The bits of Occurrence.B for KindRexmit. The lowest two hold the Match.
const (
	rexmitMatch  = 3
	rexmitSYN    = 1 << 2
	rexmitSYNACK = 1 << 3
	rexmitFIN    = 1 << 4

	rexmitAtShift = 32
)

// RexmitOf returns the occurrence of r at a hook. Repeat is not needed: the
// segment's payload has it.
func RexmitOf(r Rexmit, side wire.Dir, hook Hook) Occurrence {
	b := uint64(r.Match) | uint64(r.At)<<rexmitAtShift
	if r.SYN {
		b |= rexmitSYN
	}
	if r.SYNACK {
		b |= rexmitSYNACK
	}
	if r.FIN {
		b |= rexmitFIN
	}
	return Occurrence{Kind: KindRexmit, Hook: hook, Side: side, Data: r.Original, Off: r.Offset, A: uint64(r.Len), B: b}
}

func (o *Occurrence) rexmit() Rexmit {
	return Rexmit{
		SYN: o.B&rexmitSYN != 0, SYNACK: o.B&rexmitSYNACK != 0, FIN: o.B&rexmitFIN != 0,
		Offset: o.Off, Len: uint32(o.A), Match: Match(o.B & rexmitMatch), Original: o.Data, At: uint32(o.B >> rexmitAtShift),
	}
}
