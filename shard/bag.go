package shard

// bag is the values that users keep with one flow. Most flows have one, which
// lies in the bag itself: a million flows with a value are no million objects
// for the collector. Few have more: a list is searched faster than a map.
type bag struct {
	first value
	more  []value
}

// value is a user's value and the key it goes by; key 0 is none (keys count from
// 1, and are never taken back).
type value struct {
	key uint64
	v   any
}

// bags is all of a shard's, by handle. The zero value is empty.
type bags struct {
	all  []bag // 0 is not used
	idle []handle
}

func (b *bags) alloc() handle {
	if n := len(b.idle); n > 0 {
		h := b.idle[n-1]
		b.idle = b.idle[:n-1]
		return h
	}
	if len(b.all) == 0 {
		b.all = append(b.all, bag{})
	}
	b.all = append(b.all, bag{})
	return handle(len(b.all) - 1)
}

// free forgets the values, so that what they point to may go.
func (b *bags) free(h handle) {
	b.all[h] = bag{}
	b.idle = append(b.idle, h)
}

// find returns where the value of a key is, nil if there is none.
func (g *bag) find(key uint64) *any {
	if g.first.key == key {
		return &g.first.v
	}
	for i := range g.more {
		if g.more[i].key == key {
			return &g.more[i].v
		}
	}
	return nil
}

func (b *bags) get(h handle, key uint64) any {
	if v := b.all[h].find(key); v != nil {
		return *v
	}
	return nil
}

func (b *bags) set(h handle, key uint64, v any) {
	g := &b.all[h]
	switch at := g.find(key); {
	case at != nil:
		*at = v
	case g.first.key == 0:
		g.first = value{key, v}
	default:
		g.more = append(g.more, value{key, v})
	}
}
