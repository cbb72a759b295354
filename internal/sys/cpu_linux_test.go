package sys_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/internal/sys"
)

func TestPinLeavesOneCPU(t *testing.T) {
	done := make(chan error)
	go func() { // its thread is not given back, as it stays locked
		runtime.LockOSThread()
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			done <- err
			return
		}
		cpu := 0
		for !set.IsSet(cpu) {
			cpu++
		}
		if err := sys.Pin(cpu); err != nil {
			done <- err
			return
		}
		err := unix.SchedGetaffinity(0, &set)
		if set.Count() != 1 || !set.IsSet(cpu) {
			t.Errorf("the thread may run on %d CPUs, want CPU %d alone", set.Count(), cpu)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := sys.Pin(1023); err == nil {
		t.Error("pinned to a CPU that is not there")
	}
}

func TestUsageGrows(t *testing.T) {
	before, err := sys.CPUTime()
	if err != nil {
		t.Fatal(err)
	}
	peak, err := sys.PeakResident()
	if err != nil || peak < 1<<20 {
		t.Fatalf("a test is said to take %d octets: %v", peak, err)
	}
	memory := make([]byte, 32<<20)
	for i := range memory {
		memory[i] = byte(i)
	}
	after, _ := sys.CPUTime()
	now, _ := sys.PeakResident()
	if held, err := sys.Resident(); err != nil || held < uint64(len(memory)) {
		t.Errorf("%d octets are resident, %d are in use: %v", held, len(memory), err)
	}
	if after < before || now < peak || now < uint64(len(memory)) {
		t.Errorf("%v then %v of CPU time, %d then %d octets", before, after, peak, now)
	}
	runtime.KeepAlive(memory)
}

// Instructions grow where the machine counts them, and are 0 for good where it
// does not.
func TestInstructions(t *testing.T) {
	before := sys.Instructions()
	sum := 0
	for i := range 1_000_000 {
		sum += i
	}
	after := sys.Instructions()
	if before == 0 && after == 0 {
		t.Skip("this machine does not count instructions")
	}
	if after-before < 1_000_000 || sum == 0 {
		t.Errorf("a million steps are said to take %d instructions", after-before)
	}
}
