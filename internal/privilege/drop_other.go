//go:build !linux

package privilege

import "errors"

// Drop is for Linux only: elsewhere it is errors.ErrUnsupported.
func Drop(Wish) (Report, error) { return Report{}, errors.ErrUnsupported }
