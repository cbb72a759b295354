package nic

// Card is what is known of an interface's card. The zero value is nothing.
type Card struct {
	Driver  string
	State   string // as the kernel has it: up, down, dormant, unknown, ...
	Mbits   int    // of its link, per second; 0: not known
	Queues  Queues
	Merges  []string // what puts frames together or leaves work to the card, by ethtool's names: gro, lro, tso, gso, ...
	Hash    string   // that deals frames out: toeplitz, xor, crc32; "" not known
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

// Bits of linux/ethtool.h.
const (
	hashToeplitz = 1 << 0
	hashXOR      = 1 << 1
	hashCRC32    = 1 << 2

	transformSymXOR   = 1 << 0
	transformSymOrXOR = 1 << 1
)

// judge says what a hash makes of the two directions of a flow, which differ in
// that source and destination have changed places. Where these are put together
// symmetrically beforehand, and where the hash is their exclusive or, nothing
// changes; Toeplitz's hash is symmetric under a key that repeats after 16 bits.
func judge(function, transform uint8, key []byte) (name string, s Symmetry) {
	switch function {
	case hashToeplitz:
		name = "toeplitz"
	case hashXOR:
		name = "xor"
	case hashCRC32:
		name = "crc32"
	default:
		return "", Unknown
	}
	switch {
	case transform&(transformSymXOR|transformSymOrXOR) != 0, function == hashXOR:
		return name, Symmetric
	case function == hashToeplitz && len(key) == 0:
		return name, Unknown
	case function == hashToeplitz && repeats(key):
		return name, Symmetric
	}
	return name, Asymmetric
}

// repeats reports whether the key is two octets again and again.
func repeats(key []byte) bool {
	for i := 2; i < len(key); i++ {
		if key[i] != key[i-2] {
			return false
		}
	}
	return true
}
