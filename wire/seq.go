package wire

// Seq is a TCP sequence number. Order is modulo 2^32 and has a meaning only
// between values less than 2^31 apart (RFC 9293 §3.4).
type Seq uint32

// Less reports whether s comes before t.
func (s Seq) Less(t Seq) bool { return int32(s-t) < 0 }

// LessEq reports whether s comes before t or equals it.
func (s Seq) LessEq(t Seq) bool { return int32(s-t) <= 0 }

// Add returns the sequence number n octets after s.
func (s Seq) Add(n uint32) Seq { return s + Seq(n) }

// Diff returns the distance from t to s in octets, negative where s comes
// before t.
func (s Seq) Diff(t Seq) int32 { return int32(s - t) }
