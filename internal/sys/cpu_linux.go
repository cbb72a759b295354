package sys

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Pin has the calling thread run on one CPU only, and with it the programs that
// it starts. The caller has locked its goroutine to the thread.
func Pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	return nil
}

// CPUTime returns how long the program has run so far, on all CPUs together, in
// user and kernel mode.
func CPUTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// PeakResident returns the most memory that the program has had resident at one
// time, in octets: VmHWM of /proc/self/status. (getrusage's ru_maxrss does not
// do: a program inherits it from the one that started it.)
func PeakResident() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib uint64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0, fmt.Errorf("resident memory: VmHWM in /proc/self/status: %w", err)
	}
	return kib << 10, nil
}
