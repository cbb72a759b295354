package sys_test

import (
	"testing"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/sys"
)

// described is something that a pointer lies in.
type described struct {
	octets []byte
	more   [3]uint64
}

// TestPrefetchTouchesNothing: whatever the pointers are, nothing is read that
// must not be, and nothing changes.
func TestPrefetchTouchesNothing(t *testing.T) {
	all := []described{{}, {octets: []byte{1, 2, 3}}, {octets: make([]byte, 4096)}, {octets: make([]byte, 1)[1:]}}
	for n := range len(all) + 1 {
		sys.Prefetch(unsafe.Pointer(&all[0].octets), n, unsafe.Sizeof(all[0]))
	}
	for _, d := range all {
		sys.PrefetchOctets(d.octets)
	}
	if len(all[0].octets) != 0 || string(all[1].octets) != "\x01\x02\x03" || len(all[2].octets) != 4096 || all[2].more != [3]uint64{} {
		t.Errorf("it is %v now", all)
	}
	if n := testing.AllocsPerRun(10, func() { sys.Prefetch(unsafe.Pointer(&all[0]), len(all), unsafe.Sizeof(all[0])) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
