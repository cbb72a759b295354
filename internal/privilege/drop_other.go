//go:build !linux

package privilege

import "errors"

// Drop is for Linux only: elsewhere it is errors.ErrUnsupported.
func Drop(Wish) (Report, error) { return Report{}, errors.ErrUnsupported }

// Lacking says that nothing can be granted: captures are for Linux only.
func Lacking() (capability, remedy string) { return "Linux", "" }
