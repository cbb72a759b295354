package sys_test

import (
	"testing"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/sys"
)

func TestMappedMemoryIsAlignedAndZero(t *testing.T) {
	b, err := sys.MapHuge(2 * sys.HugePage)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Unmap(b)
	if at := uintptr(unsafe.Pointer(&b[0])); at%sys.HugePage != 0 || len(b) != 2*sys.HugePage {
		t.Fatalf("%d octets at %#x", len(b), at)
	}
	for i := range b {
		if b[i] != 0 {
			t.Fatalf("octet %d is %d", i, b[i])
		}
		b[i] = 1
	}
	if part := b[4096:8192]; !sys.Discard(part) || part[0] != 0 || part[4095] != 0 || b[4095] != 1 || b[8192] != 1 {
		t.Error("a page that was discarded is not zero, or its neighbours are")
	}
}
