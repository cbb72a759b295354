//go:build !linux

package sys

import "errors"

// HugePage is how many octets a huge page has, where there are any.
const HugePage = 2 << 20

// MapHuge is for Linux only: elsewhere it is errors.ErrUnsupported.
func MapHuge(int) ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmap gives memory of MapHuge back.
func Unmap([]byte) {}

// Discard gives the pages of such memory back; elsewhere it cannot.
func Discard([]byte) bool { return false }
