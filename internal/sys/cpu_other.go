//go:build !linux

package sys

import (
	"errors"
	"time"
)

// Pin is for Linux only: elsewhere it is errors.ErrUnsupported.
func Pin(...int) error { return errors.ErrUnsupported }

// Stay is for Linux only: elsewhere it is errors.ErrUnsupported.
func Stay(int) (leave func(), err error) { return func() {}, errors.ErrUnsupported }

// CPUs is for Linux only: elsewhere there are none.
func CPUs() []int { return nil }

// CPUTime is for Linux only: elsewhere it is errors.ErrUnsupported.
func CPUTime() (time.Duration, error) { return 0, errors.ErrUnsupported }

// Resident is for Linux only: elsewhere it is errors.ErrUnsupported.
func Resident() (uint64, error) { return 0, errors.ErrUnsupported }

// PeakResident is for Linux only: elsewhere it is errors.ErrUnsupported.
func PeakResident() (uint64, error) { return 0, errors.ErrUnsupported }

// Instructions is for Linux only: elsewhere it is 0.
func Instructions() uint64 { return 0 }
