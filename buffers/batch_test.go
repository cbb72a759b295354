package buffers

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/assert"
)

func TestBatchKeepsItsBlock(t *testing.T) {
	freed := 0
	block := NewBlock(nil, func(*Block) { freed++ })
	pool := NewBatchPool(4, 4)
	block.Retain()
	first, second := pool.Get(), pool.Get()
	first.Lend(block)
	first.Lend(block)
	second.Lend(block)
	block.Release()
	first.Release()
	if freed != 0 {
		t.Fatal("a block is free while a batch lies in it")
	}
	second.Release()
	if freed != 1 {
		t.Fatalf("a block without batches was released %d times", freed)
	}
	block.Retain()
	block.Release()
	if freed != 2 {
		t.Fatal("a block is reusable")
	}
}

func TestBatchPoolReuses(t *testing.T) {
	pool := NewBatchPool(3, 1)
	a, b := pool.Get(), pool.Get()
	for !a.Full() {
		a.Next().Number = 9
	}
	if len(a.Frames) != 3 {
		t.Fatalf("a full batch has %d frames", len(a.Frames))
	}
	stale := a.Frames
	a.Release()
	b.Release() // one more than the pool keeps
	if got := pool.Get(); got != a || len(got.Frames) != 0 {
		t.Fatal("a released batch comes back empty")
	}
	if pool.Get() == b {
		t.Fatal("the pool keeps no more than it was told")
	}
	if assert.Enabled && stale[0].Number == 9 {
		t.Fatal("checked builds scribble over released frames")
	}
}

// TestBatchPoolLatestFirst: what comes next is what was released last, whatever was
// released before and not used since.
func TestBatchPoolLatestFirst(t *testing.T) {
	pool := NewBatchPool(3, 4)
	a, b, c := pool.Get(), pool.Get(), pool.Get()
	a.Release()
	b.Release()
	if pool.Get() != b {
		t.Fatal("b was released last")
	}
	c.Release()
	for _, want := range []*Batch{c, a} {
		if pool.Get() != want {
			t.Fatal("c was released last, and a is left")
		}
	}
}

func TestBatchDoesNotAllocate(t *testing.T) {
	pool := NewBatchPool(64, 2)
	block := NewBlock(nil, func(*Block) {})
	pool.Get().Release()
	if n := testing.AllocsPerRun(100, func() {
		b := pool.Get()
		b.Lend(block)
		for !b.Full() {
			b.Next().Number++
		}
		b.Release()
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

// TestBlockIsSharedByGoroutines releases batches of one block in several
// goroutines; the race detector watches.
func TestBlockIsSharedByGoroutines(t *testing.T) {
	var freed sync.WaitGroup
	freed.Add(1)
	block := NewBlock(make([]byte, 8), func(*Block) { freed.Done() })
	pool := NewBatchPool(2, 4)
	block.Retain()
	for range 8 {
		b := pool.Get()
		b.Lend(block)
		b.Next().Data = block.Mem
		go func() { b.Release() }()
	}
	block.Release()
	freed.Wait()
}

// TestFrameSize: a batch of 256 frames fits a second-level cache of a quarter
// megabyte with what it lies beside.
func TestFrameSize(t *testing.T) {
	if n := unsafe.Sizeof(Frame{}); n > 192 { // three cache lines, two of them the packet's
		t.Errorf("a frame takes %d octets", n)
	}
}
