package shard

import (
	"math/rand/v2"
	"testing"
)

// slowIndex is an index that is obviously right.
type slowIndex map[handle]uint64

// get returns the handle as the index finds it, by walking the probe as a
// look-up does.
func get(x *index, hash uint64, want handle) bool {
	if len(x.places) == 0 {
		return false
	}
	for probe := uint32(0); ; {
		h := x.find(hash, &probe)
		if h == 0 {
			return false
		}
		if h == want {
			return true
		}
	}
}

func TestIndexAgainstAMap(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for _, tags := range []uint64{1 << 32, 64, 3} { // the fewer the tags, the longer the probes
		var x index
		slow := slowIndex{}
		refused := 0
		for i := range 20000 {
			h := handle(i + 1)
			if hash := r.Uint64N(tags); r.IntN(3) > 0 {
				if x.insert(hash, h) {
					slow[h] = hash
				} else {
					refused++
				}
			} else {
				for h, hash := range slow {
					x.remove(hash, h)
					delete(slow, h)
					break
				}
			}
			if int(x.used) != len(slow) {
				t.Fatalf("seed %d: %d entries, want %d", seed, x.used, len(slow))
			}
			if i%500 == 0 {
				for h, hash := range slow {
					if !get(&x, hash, h) {
						t.Fatalf("seed %d, tags %d, step %d: flow %d is not found", seed, tags, i, h)
					}
				}
			}
		}
		if tags == 1<<32 && refused > 0 {
			t.Errorf("seed %d: %d insertions of honest hashes were refused", seed, refused)
		}
		if tags == 3 && refused == 0 {
			t.Error("a thousand equal hashes were all taken: probes are not bounded")
		}
		if n := len(x.places); n > 4*indexGrowMax*(indexSmallest+2*20000) {
			t.Errorf("the table grew to %d places", n)
		}
	}
}

func TestIndexShrinks(t *testing.T) {
	var x index
	for i := range 10000 {
		x.insert(uint64(i)*0x9e3779b97f4a7c15, handle(i+1))
	}
	big := x.bytes()
	for i := range 10000 {
		x.remove(uint64(i)*0x9e3779b97f4a7c15, handle(i+1))
	}
	if x.used != 0 || x.bytes() > big/100 {
		t.Errorf("an empty index has %d of %d octets", x.bytes(), big)
	}
}
