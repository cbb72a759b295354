package sys

import (
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counter opens what counts the instructions of the program once: -1 where the
// machine has nothing to count with, as under most hypervisors, or nobody may.
var counter = sync.OnceValue(func() int {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_INSTRUCTIONS,
		Bits: unix.PerfBitInherit | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1
	}
	return fd
})

// Instructions returns how many the program has run in user mode since it was
// first called, on the thread that called it and on all that those two have
// started since: 0 where the machine does not count them.
func Instructions() uint64 {
	var b [8]byte
	fd := counter()
	if fd < 0 {
		return 0
	}
	if n, err := unix.Read(fd, b[:]); n != len(b) || err != nil {
		return 0
	}
	return binary.NativeEndian.Uint64(b[:])
}
