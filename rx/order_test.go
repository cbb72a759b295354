package rx

import (
	"slices"
	"testing"
	"time"
)

// part is a live source that is a part of something.
type part struct {
	stock
	of    int
	split bool
}

func (p *part) Part() (any, bool) { return p.of, p.split }

// TestTogether: order is made where connections may come by several ways, and of
// live sources alone.
func TestTogether(t *testing.T) {
	of := func(what int, split bool, blocks int) *part { return &part{*newStock(blocks, 0), what, split} }
	file := NewMemory()
	for name, test := range map[string]struct {
		sources []Source
		shards  int
		want    []int
	}{
		"nothing":                          {nil, 1, []int{}},
		"one interface, one ring":          {[]Source{of(1, false, 8)}, 1, []int{0}},
		"rings that keep flows together":   {[]Source{of(1, false, 8), of(1, false, 8)}, 1, []int{0, 0}},
		"rings that do not":                {[]Source{of(1, true, 16), of(1, true, 16)}, 1, []int{6, 6}},
		"of few blocks, for many shards":   {[]Source{of(1, true, 4), of(1, true, 400)}, 9, []int{1, 30}},
		"two interfaces":                   {[]Source{of(1, false, 16), of(2, false, 32)}, 1, []int{6, 12}},
		"two interfaces, and a capture":    {[]Source{of(1, false, 16), file, of(2, false, 16)}, 1, []int{6, 0, 6}},
		"one interface, and a capture":     {[]Source{of(1, false, 16), file}, 1, []int{0, 0}},
		"not open yet, or without a bound": {[]Source{of(1, true, 0), of(1, true, 0)}, 1, []int{48, 48}},
	} {
		if got := Together(test.sources, test.shards); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if got := Ordered(test.sources); got != (len(test.want) > 0 && slices.Max(test.want) > 0) {
			t.Errorf("%s: ordered %v", name, got)
		}
	}
}

// TestClocksAgree: sources of one clock that is set back go on alike, whichever
// sees it first, also one that has nothing but the time.
func TestClocksAgree(t *testing.T) {
	const start, back = int64(1e18), int64(time.Hour)
	var p pace
	a, b, idle := clock{common: &p}, clock{common: &p}, clock{common: &p}
	idle.tick(start)
	if idle.now != start {
		t.Fatal("the time alone does not start a clock that others wait for")
	}
	ms := int64(time.Millisecond)
	a.stamp(start + 50*ms)
	b.stamp(start + 90*ms)
	a.stamp(start + 51*ms - back) // was set back by now
	b.stamp(start + 92*ms - back)
	idle.tick(start + 100*ms - back)
	a.stamp(start + 110*ms - back)
	b.stamp(start + 111*ms - back)
	idle.tick(start + 112*ms - back)
	if b.now-a.now != ms || idle.now-b.now != ms || a.steps != 1 || b.steps != 1 {
		t.Errorf("clocks are %d and %d ms behind, after %d and %d steps", (idle.now-a.now)/ms, (idle.now-b.now)/ms, a.steps, b.steps)
	}
	if a.now < start+50*ms {
		t.Error("a clock ran backwards")
	}
}

// TestLaterOf: stamps go on, or all begin anew.
func TestLaterOf(t *testing.T) {
	const at = int64(1e18)
	for _, test := range [][3]int64{{at, at + 1, at + 1}, {at, at - 1, at}, {at, at - second, at}, {at, at - second - 1, at - second - 1}} {
		if got := laterOf(test[0], test[1]); got != test[2] {
			t.Errorf("of %d and %d: %d", test[0], test[1], got)
		}
	}
}
