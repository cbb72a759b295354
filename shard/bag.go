package shard

// bag is the values that users keep with one flow. A flow has few: a list is
// searched faster than a map, and costs nothing where there is none.
type bag struct {
	keys   []uint64
	values []any
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
	g := &b.all[h]
	clear(g.values)
	g.keys, g.values = g.keys[:0], g.values[:0]
	b.idle = append(b.idle, h)
}

func (b *bags) get(h handle, key uint64) any {
	g := &b.all[h]
	for i, k := range g.keys {
		if k == key {
			return g.values[i]
		}
	}
	return nil
}

func (b *bags) set(h handle, key uint64, v any) {
	g := &b.all[h]
	for i, k := range g.keys {
		if k == key {
			g.values[i] = v
			return
		}
	}
	g.keys, g.values = append(g.keys, key), append(g.values, v)
}
