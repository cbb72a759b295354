package sys_test

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/mbox-stack/mbox/internal/sys"
)

func TestGoroutineIDIsThatOfStackTraces(t *testing.T) {
	ids := map[uint64]bool{}
	for range 3 {
		done := make(chan uint64)
		go func() {
			id := sys.GoroutineID()
			if !bytes.HasPrefix(debug.Stack(), fmt.Appendf(nil, "goroutine %d [", id)) {
				t.Errorf("the trace does not begin with goroutine %d", id)
			}
			done <- id
		}()
		ids[<-done] = true
	}
	if len(ids) != 3 {
		t.Errorf("three goroutines have %d numbers", len(ids))
	}
}

func Example() {
	here := sys.GoroutineID()
	fmt.Println(here == sys.GoroutineID())
	// Output: true
}
