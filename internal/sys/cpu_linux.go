package sys

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Pin has the calling thread run on these CPUs only, and with it the programs
// that it starts. The caller has locked its goroutine to the thread.
func Pin(cpus ...int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPUs %v: %w", cpus, err)
	}
	return nil
}

// Stay locks the calling goroutine to its thread, and the thread to one CPU.
// What it returns, which is never nil, undoes both.
func Stay(cpu int) (leave func(), err error) {
	runtime.LockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return runtime.UnlockOSThread, fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	if err := Pin(cpu); err != nil {
		return runtime.UnlockOSThread, err
	}
	return func() {
		if unix.SchedSetaffinity(0, &before) == nil {
			runtime.UnlockOSThread() // else the thread ends with its goroutine
		}
	}, nil
}

// CPUs returns the CPUs that the calling thread may run on, in order.
func CPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var all []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
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

// Resident returns how much memory of the program is resident, in octets: VmRSS
// of /proc/self/status.
func Resident() (uint64, error) { return statusOctets("VmRSS:") }

// PeakResident returns the most memory that the program has had resident at one
// time, in octets: VmHWM of /proc/self/status. (getrusage's ru_maxrss does not
// do: a program inherits it from the one that started it.)
func PeakResident() (uint64, error) { return statusOctets("VmHWM:") }

// statusOctets returns a size that /proc/self/status gives.
func statusOctets(name string) (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), name)
	var kib uint64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0, fmt.Errorf("resident memory: %s in /proc/self/status: %w", name, err)
	}
	return kib << 10, nil
}
