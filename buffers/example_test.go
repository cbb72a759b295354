package buffers_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// A segment is lost and sent again: what follows it waits, then comes out.
func ExampleArena() {
	const slot = wire.Slot(0)
	arena := buffers.NewArena(buffers.Config{})
	var (
		stream buffers.Stream
		result buffers.Result
	)
	segment := func(off uint64, text string) {
		arena.Insert(&stream, slot, off, []byte(text), &result)
		for _, p := range result.Pieces {
			fmt.Printf("%d: %q\n", p.Off, p.Data)
		}
		if hole, ok := arena.FirstHole(&stream); ok {
			fmt.Printf("missing %v, %d octets wait\n", hole, arena.Pending(&stream))
		}
		fmt.Println("seen before:", result.Rexmit.Match())
	}
	segment(0, "GET ")
	segment(10, " HTTP/1.1")
	segment(4, "/index")
	arena.Close(&stream, slot)
	fmt.Println(arena.Used(slot), "octets used")
	// Output:
	// 0: "GET "
	// seen before: none
	// missing [4,10), 9 octets wait
	// seen before: none
	// 4: "/index"
	// 10: " HTTP/1.1"
	// seen before: none
	// 0 octets used
}

// The receiver decides which octets count where segments overlap.
func ExamplePolicy() {
	for _, policy := range []buffers.Policy{buffers.First, buffers.Last} {
		arena := buffers.NewArena(buffers.Config{})
		var stream buffers.Stream
		var result buffers.Result
		stream.SetPolicy(policy)
		arena.Insert(&stream, 0, 2, []byte("good"), &result)
		arena.Insert(&stream, 0, 2, []byte("evil"), &result)
		fmt.Printf("%v: %v, was %q\n", policy, result.Rexmit.Match(), result.Originals[0].Data)
		arena.Insert(&stream, 0, 0, []byte("> "), &result)
		fmt.Printf("%s%s\n", result.Pieces[0].Data, result.Pieces[1].Data)
	}
	// Output:
	// first: differs, was "good"
	// > good
	// last: differs, was "good"
	// > evil
}

// A slab gives out records by handle.
func ExampleSlab() {
	type record struct{ packets uint64 }
	slab := buffers.NewSlab[record](1)
	h, r := slab.New()
	r.packets++
	fmt.Println(slab.At(h).packets, slab.Len())
	none, _ := slab.New()
	fmt.Println("beyond the limit:", none)
	slab.Free(h)
	fmt.Println(slab.Len())
	// Output:
	// 1 1
	// beyond the limit: 0
	// 0
}

// A block goes back to its source with the last batch cut from it.
func ExampleBatch() {
	pool := buffers.NewBatchPool(2, 8)
	block := buffers.NewBlock([]byte("two frames"), func(*buffers.Block) { fmt.Println("block is free") })
	block.Retain() // the source's own reference, while it cuts batches
	batch := pool.Get()
	batch.Lend(block)
	batch.Next().Data = block.Mem[:4]
	batch.Next().Data = block.Mem[4:]
	fmt.Println("full:", batch.Full())
	block.Release()
	batch.Release()
	// Output:
	// full: true
	// block is free
}
