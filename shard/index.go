package shard

import (
	"math/bits"

	"github.com/mbox-stack/mbox/internal/assert"
)

// handle names a record in one of the shard's slabs; 0 is none.
type handle = uint32

// entry is one place of an index: the flow's handle above, and the low half of
// its key's hash below. 0 is an empty place.
type entry uint64

func (e entry) flow() handle { return handle(e >> 32) }
func (e entry) tag() uint32  { return uint32(e) }

// index finds the flows of one slot by the hash of their key: open addressing
// with linear probing. The zero value is empty.
//
// A slot of its own table keeps growth cheap (a table is copied when a slot
// doubles, not when a shard does) and makes what happens in a slot a function of
// the slot's own history. The tag is the half of the hash that slots do not
// come from, and says where an entry would best be, so that deletion can close
// the hole it makes without reading a single key.
type index struct {
	places []entry // a power of two, or nil
	used   uint32
}

const (
	indexSmallest = 8
	// indexProbeMax bounds a look-up. With a table at most three quarters full
	// and an honest hash a probe of 64 has a chance below one in a million; a
	// sender who can choose colliding keys gets a refusal, which is counted.
	indexProbeMax = 64
	// indexGrowMax bounds how far a table is doubled to shorten probes: four
	// times what its entries need.
	indexGrowMax = 4
)

// find returns the first place at or after *at whose tag is that of hash, and
// leaves *at behind it, for the caller to compare the key and go on. It returns
// 0 when there is none.
func (x *index) find(hash uint64, probe *uint32) handle {
	places, tag := x.places, uint32(hash)
	if len(places) == 0 {
		return 0
	}
	for *probe < indexProbeMax && int(*probe) < len(places) {
		e := places[int(tag+*probe)&(len(places)-1)]
		if e == 0 {
			return 0
		}
		*probe++
		if e.tag() == tag {
			return e.flow()
		}
	}
	return 0
}

// touch looks at the best place of a hash, so that it is in the cache.
func (x *index) touch(hash uint64) uint64 {
	if len(x.places) == 0 {
		return 0
	}
	return uint64(x.places[int(uint32(hash))&(len(x.places)-1)])
}

// guess returns the flow of a hash as far as its tag tells: nearly always the
// right one, if there is one.
func (x *index) guess(hash uint64) handle {
	probe := uint32(0)
	return x.find(hash, &probe)
}

// insert adds a flow that is not there. It reports false where the probe would
// be too long even in a table that is mostly empty.
func (x *index) insert(hash uint64, h handle) bool {
	if uint32(len(x.places)) <= x.used+x.used/4+x.used/8 { // more than about three quarters
		x.resize(max(indexSmallest, 2*len(x.places)))
	}
	for !x.put(entry(h)<<32 | entry(uint32(hash))) {
		if len(x.places) >= indexGrowMax*(indexSmallest+2*int(x.used)) {
			return false
		}
		x.resize(2 * len(x.places))
	}
	x.used++
	return true
}

// put places an entry in the first empty place of its probe.
func (x *index) put(e entry) bool {
	mask := uint32(len(x.places) - 1)
	for probe := range uint32(indexProbeMax) {
		if p := &x.places[(e.tag()+probe)&mask]; *p == 0 {
			*p = e
			return true
		}
	}
	return false
}

// resize moves all entries to a table of n places, and reports false, leaving
// things as they were, where a probe would become too long. Doubling never
// does: entries are moved in the order they stand in, so each finds at most
// those before it in its way that were there already.
func (x *index) resize(n int) bool {
	old := x.places
	x.places = make([]entry, n)
	start := 0
	for start < len(old) && old[start] != 0 {
		start++ // a run of entries that wraps around must not be cut in two
	}
	for i := range old {
		if e := old[(start+i)&(len(old)-1)]; e != 0 && !x.put(e) {
			assert.That(n < len(old), "doubling an index makes no probe longer")
			x.places = old
			return false
		}
	}
	return true
}

// remove takes a flow out, and moves entries behind it up where that brings
// them nearer to their best place.
func (x *index) remove(hash uint64, h handle) {
	mask := uint32(len(x.places) - 1)
	at := uint32(hash) & mask
	want := entry(h)<<32 | entry(uint32(hash))
	for x.places[at] != want {
		at = (at + 1) & mask
	}
	hole := at
	for {
		at = (at + 1) & mask
		e := x.places[at]
		if e == 0 {
			break
		}
		if (at-e.tag())&mask >= (at-hole)&mask { // its best place is not behind the hole
			x.places[hole] = e
			hole = at
		}
	}
	x.places[hole] = 0
	x.used--
	if n := len(x.places); n > indexSmallest && int(x.used) < n/8 {
		x.resize(max(indexSmallest, 1<<bits.Len(uint(x.used)*2)))
	}
}

// bytes returns the memory the table takes.
func (x *index) bytes() int { return len(x.places) * 8 }
