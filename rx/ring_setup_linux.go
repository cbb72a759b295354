package rx

import (
	"fmt"
	"strings"
)

// Setup says in one line how the ring was opened: its size, and what was asked
// for where the kernel had no memory for that; how frames are shared out; and
// what the kernel does with frames that nobody wants.
func (r *Ring) Setup() string {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	s := r.tally.sock
	if s == nil {
		return r.String() + ": not open"
	}
	var b strings.Builder
	blocks, octets := len(s.blocks), s.octets
	fmt.Fprintf(&b, "%s: %d blocks of %d KiB", r, blocks, octets>>10)
	if blocks != r.cfg.Blocks || octets != r.cfg.BlockOctets {
		fmt.Fprintf(&b, " (no memory for %d of %d KiB)", r.cfg.Blocks, r.cfg.BlockOctets>>10)
	}
	fmt.Fprintf(&b, ", handed over after %v at the latest", r.cfg.Retire)
	if r.cfg.NoPromisc {
		b.WriteString(", not promiscuous")
	} else if r.cfg.Interface != AnyInterface {
		b.WriteString(", promiscuous")
	}
	if n := len(r.group.rings); n > 1 {
		r.group.mu.Lock()
		fmt.Fprintf(&b, ", one of %d rings by %s (group %d)", n, r.cfg.Fanout, r.group.id)
		r.group.mu.Unlock()
	}
	b.WriteString("; " + r.limits.describe(linkOf(s.bound)))
	return b.String()
}
