package shard

import (
	"testing"
	"unsafe"
)

// TestLayout pins where a packet finds what it needs, in cache lines of 64
// octets. Records begin at a line's start, as a slab's chunks do at a page's.
func TestLayout(t *testing.T) {
	const tcpfsmHead = 8 // its TestSizes says so
	var f flow
	const line = 64
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"flow", unsafe.Sizeof(f), 4 * line},
		{"the connection, behind its head", unsafe.Offsetof(f.conn) + tcpfsmHead, line},
		{"what has been counted", unsafe.Offsetof(f.sent), 3 * line},
		{"slot", unsafe.Sizeof(slot{}), line},
		{"pair", unsafe.Sizeof(pair{}), line},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}
