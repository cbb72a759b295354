package buffers

import "fmt"

// Stream is what one endpoint sends, as far as it has been put in order: where
// it stands and where an Arena holds the rest. Offsets count octets from the
// stream's start; 0 is the first octet after the SYN.
//
// It is a value without pointers, 24 octets (TestSizes), to be embedded in a
// flow record; the zero value is an empty stream at offset 0 with policy First
// and the arena's flow cap. A Stream that was given to an arena belongs to it
// until Close: it may be moved, not copied.
type Stream struct {
	next   uint64 // first octet that has not been delivered or given up
	hold   uint32 // what the arena holds of it; 0: nothing
	cap    uint32 // most octets of memory it may have; 0: the arena's flow cap
	policy Policy
}

// Next returns the offset of the first octet that was neither delivered nor
// given up.
func (s *Stream) Next() uint64 { return s.next }

// Holds reports whether an arena holds anything of the stream, or is to retain
// what comes.
func (s *Stream) Holds() bool { return s.hold != 0 }

// Policy returns the policy for octets that arrive from now on.
func (s *Stream) Policy() Policy { return s.policy }

// SetPolicy sets the policy for octets that arrive from now on.
func (s *Stream) SetPolicy(p Policy) { s.policy = p }

// Range is the octets of a stream from Off to before End.
type Range struct {
	Off, End uint64
}

// Len returns how many octets the range has.
func (r Range) Len() uint64 { return r.End - r.Off }

// String returns the range as "[off,end)".
func (r Range) String() string { return fmt.Sprintf("[%d,%d)", r.Off, r.End) }

// Piece is octets of a stream where they lie, lent to the caller.
type Piece struct {
	Off  uint64
	Data []byte
	// Lent says that Data is a part of the text given to Insert; otherwise it
	// lies in the arena.
	Lent bool
}

// Match says how octets that were sent before compare with what they were then.
type Match uint8

// The outcomes of a comparison.
const (
	MatchNone    Match = iota // nothing was sent before
	MatchSame                 // all octets sent before are held, and equal
	MatchUnknown              // what is held is equal, but some octets are not held any more
	MatchDiffers              // at least one octet differs
)

// String returns "none", "same", "unknown" or "differs".
func (m Match) String() string {
	return [...]string{"none", "same", "unknown", "differs"}[m&3]
}

// Rexmit describes the octets of a segment that were delivered, given up or
// held before it came.
type Rexmit struct {
	Octets  uint32 // how many
	Unknown uint32 // how many of them are not held any more, or were given up unseen
	Differ  uint32 // how many of them differ from what is held
	DiffAt  uint64 // offset of the first that differs; valid iff Differ > 0
}

// Match returns the outcome in a word.
func (r *Rexmit) Match() Match {
	switch {
	case r.Differ > 0:
		return MatchDiffers
	case r.Unknown > 0:
		return MatchUnknown
	case r.Octets > 0:
		return MatchSame
	}
	return MatchNone
}

// Reason says which budget refused octets.
type Reason uint8

// The reasons.
const (
	ReasonNone      Reason = iota
	ReasonFlowCap          // the stream has as much memory as it may
	ReasonAllowance        // the streams of its slot have as much as they may
	ReasonOffset           // beyond the last offset that 64 bits can name
	reasonCount
)

// String returns "none", "flow-cap", "allowance" or "offset".
func (r Reason) String() string {
	return [...]string{"none", "flow-cap", "allowance", "offset"}[r&3]
}

// Refusal describes octets that a budget kept out: those of the segment that
// lie furthest from Stream.Next.
type Refusal struct {
	Off    uint64 // the segment's octets from Off on were not looked at
	Octets uint32 // how many of them were new
	Why    Reason // ReasonNone: nothing was refused
}

// Result is what Insert, Skip and Compare report. The caller owns it and uses
// it again; what it lends is valid until the arena's next Insert, Skip, SkipTo,
// Start, Close or Commit.
//
// Of each segment New + Rexmit.Octets + Refused.Octets are its octets.
type Result struct {
	// Pieces are octets that became available, in order and without holes,
	// one for each stored piece.
	Pieces []Piece
	// Originals are octets that were held in the place of retransmitted ones.
	// They stay as they were even where the segment has replaced them.
	Originals []Piece
	Gap       Range // octets given up before Pieces; of Skip and SkipTo
	New       uint32
	Rexmit    Rexmit
	Refused   Refusal
}

// clear makes r say nothing.
func (r *Result) clear() {
	r.Pieces = r.Pieces[:0]
	r.Originals = r.Originals[:0]
	r.Gap = Range{}
	r.New = 0
	r.Rexmit = Rexmit{}
	r.Refused = Refusal{}
}
