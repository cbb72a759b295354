package main

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// board puts together what shards report: totals, and what the latest second
// brought, of all, of each server and of each host. Any goroutine may use it.
type board struct {
	every time.Duration
	live  bool // seconds end by the clock (tick), not by reports
	// second is called with the counts of a second that is over, under the lock.
	second func(b *board) error

	mu      sync.Mutex
	at      time.Time // end of the second under way
	first   time.Time // end of the first second
	all     ranked
	servers ranking[netip.AddrPort]
	hosts   ranking[string]
	seconds uint64 // that something happened in
	err     error  // of second, the first one
}

// ranked is what is shown of one server or host, or of all.
type ranked struct {
	name  string
	total counts
	now   counts // of the second under way
	last  counts // of the latest second that is over
	seen  uint64 // number of the latest second with something in it
}

// ranking is what is known of servers, or of hosts.
type ranking[K comparable] struct {
	rows   map[K]*ranked
	others ranked // those that no row was left for
	name   func(K) string
	second uint64    // number of that under way
	active []*ranked // in the second under way
	before []*ranked // in the latest second that is over
}

// rankedMax bounds the rows of a board: what anybody could scroll through. Beyond
// it the row that was idle longest, without open connections, goes to the others.
const rankedMax = 1 << 15

func newBoard(every time.Duration) *board {
	return &board{every: every, second: func(*board) error { return nil }, all: ranked{name: "all"},
		servers: newRanking(netip.AddrPort.String), hosts: newRanking(func(s string) string { return s })}
}

func newRanking[K comparable](name func(K) string) ranking[K] {
	return ranking[K]{rows: map[K]*ranked{}, name: name, second: 1, others: ranked{name: "others"}}
}

// take adds a shard's report. Those of a capture come in the order of time.
func (b *board) take(report *meterReport) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(report.servers) == 0 && len(report.hosts) == 0 {
		return nil
	}
	if !b.live && report.at.After(b.at) {
		b.finish()
		b.at = report.at
	}
	for i := range report.servers {
		b.all.now.add(&report.servers[i].n)
	}
	b.servers.take(report.servers)
	b.hosts.take(report.hosts)
	return b.err
}

// end ends the second under way.
func (b *board) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish()
}

// tick ends the second under way at a time of the clock, whether something
// happened or not.
func (b *board) tick(at time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = at
	b.close()
	return b.err
}

// finish ends the second under way, if something happened in it.
func (b *board) finish() {
	if len(b.servers.active) > 0 {
		b.close()
	}
}

func (b *board) close() {
	if b.seconds == 0 {
		b.first = b.at
	}
	b.seconds++
	b.all.close()
	b.servers.close()
	b.hosts.close()
	if err := b.second(b); b.err == nil {
		b.err = err
	}
}

func (r *ranked) close() {
	r.total.add(&r.now)
	r.last, r.now = r.now, counts{}
}

func (k *ranking[K]) take(changes []change[K]) {
	for i := range changes {
		r := k.row(&changes[i])
		if r.seen != k.second {
			r.seen = k.second
			k.active = append(k.active, r)
		}
		r.now.add(&changes[i].n)
	}
}

// row returns that of a key.
func (k *ranking[K]) row(c *change[K]) *ranked {
	if c.others {
		return &k.others
	}
	r := k.rows[c.key]
	if r == nil {
		if len(k.rows) >= rankedMax && !k.makeRoom() {
			return &k.others
		}
		r = &ranked{name: k.name(c.key)}
		k.rows[c.key] = r
	}
	return r
}

// makeRoom moves the sixteenth of the rows that were idle longest, without open
// connections, to the others.
func (k *ranking[K]) makeRoom() bool {
	var idle []K
	for key, r := range k.rows {
		if r.total.open() == 0 && r.now.zero() && r.last.zero() {
			idle = append(idle, key)
		}
	}
	slices.SortFunc(idle, func(a, b K) int {
		return cmp.Or(cmp.Compare(k.rows[a].seen, k.rows[b].seen), strings.Compare(k.rows[a].name, k.rows[b].name))
	})
	idle = idle[:min(len(idle), rankedMax/16)]
	for _, key := range idle {
		k.others.total.add(&k.rows[key].total)
		delete(k.rows, key)
	}
	return len(idle) > 0
}

func (k *ranking[K]) close() {
	for _, r := range k.before {
		r.last = counts{}
	}
	for _, r := range k.active {
		r.close()
	}
	k.before, k.active = k.active, k.before[:0]
	k.second++
}

// each calls f with all rows, in no order.
func (k *ranking[K]) each(f func(*ranked)) {
	for _, r := range k.rows {
		f(r)
	}
	if !k.others.total.zero() || !k.others.last.zero() {
		f(&k.others)
	}
}

// top returns the first n rows in an order, and what the others sum up to; n 0
// stands for all.
func (k *ranking[K]) top(n int, order func(a, b *ranked) int) (first []*ranked, rest ranked, more int) {
	for _, r := range k.rows {
		first = append(first, r)
	}
	slices.SortFunc(first, func(a, b *ranked) int { return cmp.Or(order(a, b), strings.Compare(a.name, b.name)) })
	rest = k.others
	if n > 0 && len(first) > n {
		for _, r := range first[n:] {
			rest.total.add(&r.total)
			rest.last.add(&r.last)
			more++
		}
		first = first[:n]
	}
	return first, rest, more
}
