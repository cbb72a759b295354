package buffers

import (
	"math/rand/v2"
	"testing"
)

// TestBlocksDoNotOverlap writes to blocks of all sizes, given out and taken back
// at random, and reads what was written.
func TestBlocksDoNotOverlap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b blocks
	type block struct {
		h    uint32
		fill byte
	}
	var live []block
	for i := range 20000 {
		if rng.IntN(5) < 3 && i < 15000 || len(live) == 0 {
			class := uint8(rng.IntN(classCount) * rng.IntN(2))
			h := b.get(class)
			if b.size(h) != classOctets[class] || len(b.bytes(h)) != int(classOctets[class]) {
				t.Fatalf("a block of %d octets has %d", classOctets[class], len(b.bytes(h)))
			}
			fill := byte(i)
			p := b.bytes(h)
			p[0], p[len(p)/2], p[len(p)-1] = fill, fill, fill
			live = append(live, block{h, fill})
			continue
		}
		j := rng.IntN(len(live))
		p := b.bytes(live[j].h)
		if f := live[j].fill; p[0] != f || p[len(p)/2] != f || p[len(p)-1] != f {
			t.Fatalf("block %d was written by another", live[j].h)
		}
		b.put(live[j].h)
		live[j] = live[len(live)-1]
		live = live[:len(live)-1]
		if i%500 == 0 {
			b.trim()
		}
	}
	for _, l := range live {
		b.put(l.h)
	}
	b.trim()
	if b.footprint() != 0 {
		t.Fatalf("%d octets stay", b.footprint())
	}
}

// TestBlocksServeEverySize: memory that one size has left is had by another.
func TestBlocksServeEverySize(t *testing.T) {
	var b blocks
	fill := func(class uint8, octets uint32) {
		var hs []uint32
		for range octets / classOctets[class] {
			hs = append(hs, b.get(class))
		}
		for _, h := range hs {
			b.put(h)
		}
	}
	const octets = 8 * chunkOctets
	for class := range uint8(classCount) {
		fill(class, octets)
	}
	// 65536 is no multiple of 1536: that size needs a chunk more.
	if b.footprint() > octets+chunkOctets {
		t.Errorf("%d octets for blocks of %d at a time", b.footprint(), octets)
	}
}

func TestClassFor(t *testing.T) {
	for n := 1; n <= chunkOctets; n++ {
		c := classFor(n)
		if int(classOctets[c]) < n || c > 0 && int(classOctets[c-1]) >= n {
			t.Fatalf("%d octets get a block of %d", n, classOctets[c])
		}
	}
}
