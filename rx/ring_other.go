//go:build !linux

package rx

import "os"

var pageOctets = os.Getpagesize()

const ringBlocksMin = 3

// Ring is a source of the frames of a network interface, on Linux. Here it
// cannot be opened: ErrUnsupported.
type Ring struct{ cfg RingConfig }

func newRing(c RingConfig) *Ring { return &Ring{cfg: c} }

// OpenRings fails: ErrUnsupported.
func OpenRings(c RingConfig) ([]*Ring, error) {
	if _, err := c.withDefaults(); err != nil {
		return nil, err
	}
	return nil, ErrUnsupported
}

// Next fails: ErrUnsupported.
func (r *Ring) Next(c *Chunk) error {
	*c = Chunk{}
	return ErrUnsupported
}

// Close implements Source.
func (r *Ring) Close() error { return nil }

// Live implements Live.
func (r *Ring) Live() bool { return true }

// String returns the interface's name.
func (r *Ring) String() string { return r.cfg.Interface }

// Setup says that there is no ring.
func (r *Ring) Setup() string { return r.cfg.Interface + ": " + ErrUnsupported.Error() }

// Counters returns zeros.
func (r *Ring) Counters() RingCounters { return RingCounters{} }

// CPU returns -1.
func (r *Ring) CPU() int { return -1 }

// QueueCPU cannot tell.
func QueueCPU(string, int) (cpu int, ok bool) { return 0, false }

// SymmetricQueues is for Linux only: nothing is known.
func SymmetricQueues(string) (symmetric, known bool) { return false, false }
