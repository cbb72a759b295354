package main

import "math/bits"

// table finds flows by open addressing with linear probing. A flow is the line
// that it was found in: nothing else is touched.
type table struct {
	lines []line
	mask  uint64
}

// line is a flow: 64 octets, a cache line. It is free while packets is 0.
type line struct {
	key     key
	closed  uint8 // a bit for each side that has said FIN
	packets uint32
	octets  uint64
	lastNs  int64
}

// make makes room for so many flows at a time, at most three quarters full.
func (t *table) make(flows int) {
	n := uint64(1) << bits.Len(uint(flows+flows/3))
	t.lines, t.mask = make([]line, n), n-1
}

func (t *table) clear() { clear(t.lines) }

// touch has the first line that find will look at come into the cache.
func (t *table) touch(hash uint64) uint64 { return uint64(t.lines[hash&t.mask].packets) }

// find returns the place of a flow's line, and whether it is new.
func (t *table) find(hash uint64, k *key) (place uint64, begun bool) {
	for place = hash & t.mask; ; place = (place + 1) & t.mask {
		l := &t.lines[place]
		if l.packets == 0 {
			l.key = *k
			return place, true
		}
		if l.key == *k {
			return place, false
		}
	}
}

// remove frees a line, and moves those up that a look-up would now miss.
func (t *table) remove(place uint64) {
	free := place
	for i := (place + 1) & t.mask; t.lines[i].packets != 0; i = (i + 1) & t.mask {
		home := t.lines[i].key.hash() & t.mask
		if (i-home)&t.mask >= (i-free)&t.mask {
			t.lines[free] = t.lines[i]
			free = i
		}
	}
	t.lines[free] = line{}
}
