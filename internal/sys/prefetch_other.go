//go:build !amd64 && !arm64

package sys

import "unsafe"

// Prefetch does nothing where there is no instruction for it that we know.
func Prefetch(at unsafe.Pointer, n int, stride uintptr) {}

// PrefetchOctets does nothing, either.
func PrefetchOctets(b []byte) {}
