package sys_test

import (
	"os"
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
	page := os.Getpagesize()
	if part := b[page : 2*page]; !sys.Discard(part) || part[0] != 0 || part[page-1] != 0 || b[page-1] != 1 || b[2*page] != 1 {
		t.Error("a page that was discarded is not zero, or its neighbours are")
	}
	if sys.Discard(b[2*page:2*page+page/2]) || b[2*page] != 1 || b[3*page-1] != 1 {
		t.Error("half a page is discarded")
	}
}
