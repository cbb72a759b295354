package frag

import (
	"math/bits"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// chainMax is how many datagrams may share a bucket of the index, which has at
// least as many buckets as there may be datagrams. Chance brings 17 together
// once in 10^14 buckets; somebody who knows the seed does it at will, and then
// takes part in evicting his own.
const chainMax = 16

// marksKept are the marks of fragments that are true of their datagram.
const marksKept = wire.MarkIPChecksum | wire.MarkOuterPartial

// Table holds the fragments of datagrams that are not complete. New makes one;
// the zero value is not usable. One goroutine owns it.
type Table struct {
	buckets   []uint32 // datagram that came last, by hash; 0 is none
	shift     uint8    // of a hash, to get a bucket
	datagrams slab[datagram]
	pages     slab[page]
	families  [2]family // IPv4, IPv6
	clock     int64     // ns, the latest that was handed in
	seed      uint64
	limit     uint32 // fragments of one datagram
	stats     Stats
}

// family is what differs between IPv4 and IPv6, and the datagrams of one of
// them in order of age.
type family struct {
	timeout          int64 // ns
	oldest, youngest uint32
	policy           Policy
}

// New returns an empty Table. c must be valid (Config.Validate).
func New(c Config) *Table {
	assert.That(c.Validate() == nil, "frag.New is given a valid Config")
	c = c.withDefaults()
	order := max(bits.Len(uint(c.Datagrams-1)), 1)
	return &Table{
		buckets:   make([]uint32, 1<<order),
		shift:     uint8(64 - order),
		datagrams: slab[datagram]{limit: uint32(c.Datagrams)},
		pages:     slab[page]{limit: uint32(c.Octets / pageBytes)},
		families: [2]family{
			{timeout: int64(c.TimeoutV4), policy: c.PolicyV4},
			{timeout: int64(c.TimeoutV6), policy: c.PolicyV6},
		},
		seed:  c.Seed,
		limit: uint32(c.Fragments),
	}
}

// Insert takes the fragment that wire.Parse found in data. The fragment that
// completes a datagram brings it back: an IP packet that the caller owns; for
// all others the datagram is nil. Insert keeps nothing of p and data.
//
// clockNs is the time of arrival. Datagrams whose time is over by then are given
// up first, so that a fragment never meets them.
func (t *Table) Insert(p *wire.Packet, data []byte, clockNs int64) (packet []byte, v Verdict) {
	assert.That(p.Outcome == wire.Fragment, "Insert is given fragments")
	t.Expire(clockNs)
	t.stats.Received++
	f := view(p, data)
	odd, refuse := f.check()
	if refuse {
		return nil, t.refuse(odd)
	}
	hash := f.key.hash(t.seed)
	i := t.find(&f.key, hash)
	if i == 0 {
		i = t.open(&f.key, hash)
	}
	d := t.datagrams.at(i)
	if d.discarded {
		return nil, t.refuse(odd)
	}
	if d.fragments == t.limit {
		return nil, t.refuse(odd | AnomalyTooMany)
	}
	if d.ended && f.off >= d.total && f.off < f.end {
		return nil, t.refuse(odd | AnomalySizeConflict)
	}
	more, news := t.merge(i, d, &f)
	odd |= more
	d.anomalies |= odd
	d.marks |= f.marks & marksKept
	switch {
	case d.discarded:
		return nil, t.refuse(odd)
	case !news:
		t.stats.note(odd)
		t.stats.Duplicate++
		return nil, Verdict{Disposition: Duplicate, Anomalies: odd}
	case !d.whole():
		d.fragments++
		t.stats.note(odd)
		t.stats.Held++
		return nil, Verdict{Disposition: Held, Anomalies: odd}
	}
	return t.complete(i, d, odd)
}

// refuse counts a fragment that is given up.
func (t *Table) refuse(odd Anomaly) Verdict {
	t.stats.note(odd)
	t.stats.Bad++
	return Verdict{Disposition: Bad, Anomalies: odd}
}

// merge puts what f brings into datagram i, which is d, and reports whether it
// brought anything: an octet, the header or the end.
func (t *Table) merge(i uint32, d *datagram, f *fragment) (odd Anomaly, news bool) {
	odd, news = t.settle(d, f)
	for t.pages.left() < d.pagesFor(f) {
		t.stats.OctetsFull++
		t.evictOldest(i)
	}
	if f.off == 0 && d.headerLen == 0 {
		t.keepHeader(d, f)
		news = true
	}
	policy := t.familyOf(d).policy
	wins := t.winsFrom(d, f, policy)
	l := t.lay(d, f.off, f.octets[:wins-f.off], true)
	l.join(t.lay(d, wins, f.octets[wins-f.off:], false))
	if policy.asksStarts() {
		t.bound(d, wins, f.end)
	}
	if l.differs {
		odd |= AnomalyConflict
	}
	if l.differs || (l.held > 0 && l.added > 0) {
		odd |= AnomalyOverlap
		if policy == Discard {
			t.discard(d)
		}
	}
	return odd, news || l.added+l.replaced > 0
}

// discard gives up what d holds and leaves a tombstone, so that fragments of it
// that come later are given up as well.
func (t *Table) discard(d *datagram) {
	t.stats.Held -= uint64(d.fragments)
	t.stats.Bad += uint64(d.fragments)
	d.discarded, d.fragments = true, 0
	t.releasePages(d)
}

// complete hands out datagram i, which is d and whole. Where its first header
// leaves too little room for the end that another fragment set, it is given up.
func (t *Table) complete(i uint32, d *datagram, odd Anomaly) ([]byte, Verdict) {
	t.stats.Held -= uint64(d.fragments)
	if oversize(d.key.version, int(d.headerLen), d.total) {
		t.stats.Bad += uint64(d.fragments)
		t.remove(i)
		return nil, t.refuse(odd | AnomalyTooLarge)
	}
	t.stats.Merged += uint64(d.fragments)
	t.stats.Completed++
	t.stats.note(odd)
	v := Verdict{Disposition: Completed, Anomalies: odd, Datagram: d.anomalies, Marks: d.marks}
	if d.end < d.total {
		v.Marks |= wire.MarkTruncated
	}
	packet := t.build(d)
	t.remove(i)
	return packet, v
}

// Expire gives up the datagrams whose time is over at clockNs. A source calls it
// when no packet has come for a while; Insert does it by itself. A clock that
// lies before an earlier one counts as that.
func (t *Table) Expire(clockNs int64) {
	t.clock = max(t.clock, clockNs)
	for n := range t.families {
		q := &t.families[n]
		for i := q.oldest; i != 0 && t.clock-t.datagrams.at(i).born >= q.timeout; i = q.oldest {
			held := uint64(t.datagrams.at(i).fragments)
			t.stats.Held -= held
			t.stats.Expired += held
			t.stats.DatagramsExpired++
			t.remove(i)
		}
	}
}

// Stats returns the counters as they are now.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Datagrams = uint64(t.datagrams.used)
	s.Octets = uint64(t.pages.used) * pageBytes
	return s
}

// find returns the datagram with key k, or 0.
func (t *Table) find(k *key, hash uint64) uint32 {
	i := t.buckets[hash>>t.shift]
	for i != 0 {
		d := t.datagrams.at(i)
		if d.key == *k {
			return i
		}
		i = d.next
	}
	return 0
}

// open makes a datagram with key k, and room for it.
func (t *Table) open(k *key, hash uint64) uint32 {
	if t.datagrams.left() == 0 {
		t.stats.DatagramsFull++
		t.evictOldest(0)
	}
	bucket := &t.buckets[hash>>t.shift]
	if last, n := t.chain(*bucket); n == chainMax {
		t.stats.ChainFull++
		t.evict(last)
	}
	i := t.datagrams.take()
	d := t.datagrams.at(i)
	*d = datagram{key: *k, born: t.clock, next: *bucket}
	*bucket = i
	q := t.familyOf(d)
	d.older = q.youngest
	if q.youngest != 0 {
		t.datagrams.at(q.youngest).younger = i
	} else {
		q.oldest = i
	}
	q.youngest = i
	return i
}

// chain returns the last, which is the oldest, datagram of the bucket that
// begins with i, and how many there are.
func (t *Table) chain(i uint32) (last uint32, n int) {
	for ; i != 0; i = t.datagrams.at(i).next {
		last = i
		n++
	}
	return last, n
}

// familyOf returns the family of d.
func (t *Table) familyOf(d *datagram) *family {
	if d.key.version == 4 {
		return &t.families[0]
	}
	return &t.families[1]
}

// evictOldest evicts the oldest datagram other than spared. There must be one.
func (t *Table) evictOldest(spared uint32) {
	var oldest uint32
	for n := range t.families {
		i := t.families[n].oldest
		if i == spared && i != 0 {
			i = t.datagrams.at(i).younger
		}
		if oldest == 0 || (i != 0 && t.datagrams.at(i).born < t.datagrams.at(oldest).born) {
			oldest = i
		}
	}
	assert.That(oldest != 0, "a table that is full holds a datagram to evict")
	t.evict(oldest)
}

// evict gives up datagram i to make room.
func (t *Table) evict(i uint32) {
	held := uint64(t.datagrams.at(i).fragments)
	t.stats.Held -= held
	t.stats.Evicted += held
	t.remove(i)
}

// remove takes datagram i out of the table and gives its memory back.
func (t *Table) remove(i uint32) {
	d := t.datagrams.at(i)
	q := t.familyOf(d)
	if d.older != 0 {
		t.datagrams.at(d.older).younger = d.younger
	} else {
		q.oldest = d.younger
	}
	if d.younger != 0 {
		t.datagrams.at(d.younger).older = d.older
	} else {
		q.youngest = d.older
	}
	link := &t.buckets[d.key.hash(t.seed)>>t.shift]
	for *link != i {
		link = &t.datagrams.at(*link).next
	}
	*link = d.next
	t.releasePages(d)
	t.datagrams.give(i)
}

// releasePages gives the pages of d back.
func (t *Table) releasePages(d *datagram) {
	for k, i := range d.pages {
		if i != 0 {
			t.pages.give(i)
			d.pages[k] = 0
		}
	}
}
