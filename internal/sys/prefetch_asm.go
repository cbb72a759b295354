//go:build amd64 || arm64

package sys

import "unsafe"

// Prefetch asks for the memory that n pointers lead to, the first two cache lines
// of each. The pointers lie stride octets apart from at on; they may be nil. It
// waits for nothing: memory that is looked at soon is there, or under way.
func Prefetch(at unsafe.Pointer, n int, stride uintptr) {
	if n > 0 {
		prefetch(at, n, int(stride))
	}
}

//go:noescape
func prefetch(at unsafe.Pointer, n, stride int)

// PrefetchOctets asks for all of b, and waits for nothing either.
func PrefetchOctets(b []byte) {
	if len(b) > 0 {
		prefetchSpan(unsafe.Pointer(unsafe.SliceData(b)), len(b))
	}
}

//go:noescape
func prefetchSpan(at unsafe.Pointer, octets int)
