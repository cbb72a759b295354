package shard

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkLookUp finds flows by their hashes, in the index of one slot: what
// finds a handle, without the flow behind it.
func BenchmarkLookUp(b *testing.B) {
	for _, flows := range []int{16, 256, 4096} {
		b.Run(fmt.Sprint(flows), func(b *testing.B) {
			var x index
			r := rand.New(rand.NewPCG(1, 2))
			hashes := make([]uint64, flows)
			for i := range hashes {
				hashes[i] = r.Uint64()
				if !x.insert(hashes[i], handle(i+1)) {
					b.Fatal("refused")
				}
			}
			found := 0
			for i := 0; b.Loop(); i++ {
				probe := uint32(0)
				if x.find(hashes[i*7919%flows], &probe) != 0 {
					found++
				}
			}
			if found == 0 {
				b.Error("nothing is found")
			}
		})
	}
}
