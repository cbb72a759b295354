package shard

import (
	"testing"
	"unsafe"
)

// TestLayout pins where a packet finds what it needs, in cache lines of 64
// octets. Records begin at a line's start, as a slab's chunks do at a page's.
func TestLayout(t *testing.T) {
	var f flow
	const line = 64
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"flow", unsafe.Sizeof(f), 5 * line},
		{"conn", unsafe.Offsetof(f.conn), line},
		{"what begins and ends a flow", unsafe.Offsetof(f.id), 4 * line},
		{"slot", unsafe.Sizeof(slot{}), line},
		{"pair", unsafe.Sizeof(pair{}), line},
		{"timer", unsafe.Sizeof(timer{}), line / 2},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}
