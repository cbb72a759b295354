package main

import (
	"testing"
	"time"
)

// TestTalliesAreBounded: keys without a row count as others, until rows that
// nobody counts in make room; nothing that was counted is lost.
func TestTalliesAreBounded(t *testing.T) {
	s := newTallies[string](2)
	count := func(key string) uint32 {
		i := s.of(key)
		s.at(i)[cPackets]++
		return i
	}
	a, b, c := count("a"), count("b"), count("c")
	if a == 0 || b == 0 || c != 0 {
		t.Fatalf("rows %d, %d, %d", a, b, c)
	}
	count("a")
	got := map[string]uint64{}
	for range 2 {
		for _, x := range s.changes() {
			got[map[bool]string{true: "others"}[x.others]+x.key] += x.n[cPackets]
		}
	}
	if got["a"] != 2 || got["b"] != 1 || got["others"] != 1 || len(got) != 3 {
		t.Errorf("%v", got)
	}
	s.done(b)
	if i := count("d"); i != b || s.rows[i].key != "d" {
		t.Errorf("d has row %d, and row %d was left", i, b)
	}
	if i := count("b"); i != 0 {
		t.Errorf("b has row %d, which others count in", i)
	}
}

// TestBoardIsBounded: the rows that were idle longest become others, those with
// open connections stay, and the sums stay what they were.
func TestBoardIsBounded(t *testing.T) {
	b := newBoard(time.Second)
	const more = 1000
	for i := range rankedMax + more {
		one := change[string]{key: string(rune('a'+i%26)) + time.Duration(i).String()}
		one.n[cOpened], one.n[cPackets] = 1, 3
		if i > 0 {
			one.n[cClosed] = 1
		}
		b.mu.Lock()
		b.hosts.take([]change[string]{one})
		b.hosts.close()
		b.mu.Unlock()
	}
	if n := len(b.hosts.rows); n > rankedMax || b.hosts.others.total[cPackets] == 0 {
		t.Fatalf("%d rows, others %v", n, b.hosts.others.total)
	}
	var sum counts
	b.hosts.each(func(r *ranked) { sum.add(&r.total) })
	if sum[cPackets] != 3*(rankedMax+more) || sum.open() != 1 || b.hosts.rows["a0s"] == nil {
		t.Errorf("%d packets, %d open, first row %v", sum[cPackets], sum.open(), b.hosts.rows["a0s"])
	}
}

// TestCountTexts pins how numbers are shown.
func TestCountTexts(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.04: "<0.1", 0.5: "0.5", 3: "3", 9.96: "10.0", 10.4: "10", 99_999: "99999", 1e5: "100k", 2.5e7: "25M"} {
		if got := countText(v); got != want {
			t.Errorf("countText(%v) = %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0%", 0.0001: "<0.1%", 0.001: "0.1%", 0.5: "50.0%", 1: "100.0%"} {
		if got := percentText(v); got != want {
			t.Errorf("percentText(%v) = %s, want %s", v, got, want)
		}
	}
}
