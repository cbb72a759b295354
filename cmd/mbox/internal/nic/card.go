package nic

// Card is what is known of an interface's card. The zero value is nothing.
type Card struct {
	Driver  string
	State   string // as the kernel has it: up, down, dormant, unknown, ...
	Mbits   int    // of its link, per second; 0: not known
	Queues  Queues
	Merges  []string // what puts frames together or leaves work to the card, by ethtool's names: gro, lro, tso, gso, ...
	Balance Symmetry
}

// Queues is how many there are of each kind.
type Queues struct{ Receive, Send int }

// Symmetry says whether both directions of a flow come to one queue.
type Symmetry uint8

// The symmetries.
const (
	Unknown    Symmetry = iota
	Symmetric           // both directions come to one queue
	Asymmetric          // they may come to different ones
)

// String returns yes, no or "?".
func (s Symmetry) String() string { return [...]string{"?", "yes", "no"}[min(s, Asymmetric)] }
