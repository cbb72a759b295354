package main

// tallies are a shard's counts by key: servers, or hosts. What was counted since
// the latest report is in a list, so that a report costs what has changed.
type tallies[K comparable] struct {
	rows  []tallyRow[K] // 0: those that no row was left for
	index map[K]uint32
	dirty []uint32
	spare []uint32
	limit int
	last  uint32 // row that was asked for last; 0: look the key up
}

// tallyRow is what was counted of one key since the latest report.
type tallyRow[K comparable] struct {
	key   K
	users uint32 // flows that count here
	dirty bool
	used  bool
	since counts
}

// tallyRowsMax bounds the rows of a shard: a scan of the whole internet has more
// servers than anybody looks at. Beyond it flows count as others, until rows
// without flows make room.
const tallyRowsMax = 1 << 14

func newTallies[K comparable](limit int) tallies[K] {
	return tallies[K]{rows: make([]tallyRow[K], 1), index: map[K]uint32{}, limit: limit}
}

// of returns the row of a key, for a flow to count in until done.
func (t *tallies[K]) of(key K) uint32 {
	i := t.last
	if i == 0 || t.rows[i].key != key { // in a row, connections are often to one server
		var ok bool
		if i, ok = t.index[key]; !ok {
			i = t.new(key)
		}
		t.last = i
	}
	t.rows[i].users++
	return i
}

// again returns a row like one of another shard, by its key; that of row 0, which
// stands for many, is zero.
func (t *tallies[K]) again(key K) uint32 {
	var none K
	if key == none {
		t.rows[0].users++
		return 0
	}
	return t.of(key)
}

// done takes a flow away from its row.
func (t *tallies[K]) done(i uint32) { t.rows[i].users-- }

func (t *tallies[K]) new(key K) uint32 {
	if len(t.rows) > t.limit && len(t.spare) == 0 {
		t.reclaim()
	}
	var i uint32
	switch n := len(t.spare); {
	case n > 0:
		i, t.spare = t.spare[n-1], t.spare[:n-1]
	case len(t.rows) <= t.limit:
		i = uint32(len(t.rows))
		t.rows = append(t.rows, tallyRow[K]{})
	default:
		return 0
	}
	t.rows[i] = tallyRow[K]{key: key, used: true}
	t.index[key] = i
	return i
}

// reclaim takes away the rows that no flow counts in and that have been reported.
func (t *tallies[K]) reclaim() {
	t.last = 0
	for i := 1; i < len(t.rows); i++ {
		if r := &t.rows[i]; r.used && r.users == 0 && !r.dirty {
			delete(t.index, r.key)
			*r = tallyRow[K]{}
			t.spare = append(t.spare, uint32(i))
		}
	}
}

// at returns the counts of a row, which are about to change.
func (t *tallies[K]) at(i uint32) *counts {
	r := &t.rows[i]
	if !r.dirty {
		r.dirty = true
		t.dirty = append(t.dirty, i)
	}
	return &r.since
}

// change is what was counted of a key in an interval. others says that it stands
// for keys that no row was left for.
type change[K comparable] struct {
	key    K
	others bool
	n      counts
}

// changes returns what was counted since the latest report.
func (t *tallies[K]) changes() []change[K] {
	if len(t.dirty) == 0 {
		return nil
	}
	all := make([]change[K], 0, len(t.dirty))
	for _, i := range t.dirty {
		r := &t.rows[i]
		all = append(all, change[K]{key: r.key, others: i == 0, n: r.since})
		r.since, r.dirty = counts{}, false
	}
	t.dirty = t.dirty[:0]
	return all
}
