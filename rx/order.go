package rx

import "sync/atomic"

// Parted is a live source that may bring some segments of a connection while
// other sources bring the rest: a ring of several, or an interface that sees one
// direction of a line. Shards bring what such sources hand over into the order of
// their clocks, which therefore must be one clock, and wait for the one that is
// behind: so a source says early, by a chunk without frames and with Clock set,
// that nothing older will come from it.
type Parted interface {
	Live
	// Part returns what the source is a part of, such as all rings of an
	// interface, and whether a connection may be split over those.
	Part() (of any, split bool)
}

// Together returns, for each source, how many of its blocks may wait in each of
// so many shards for the order of all to be known; 0 for a source that is taken
// as it comes. Those with a number are brought into one order: all live sources
// that are parts of something, if they are of several or of one that splits
// connections. It is called before sources are received from.
func Together(sources []Source, shards int) []int {
	wait := make([]int, len(sources))
	if !Ordered(sources) {
		return wait
	}
	common := &pace{}
	for i, src := range sources {
		p, ok := src.(Parted)
		if !ok || !p.Live() {
			continue
		}
		blocks := 0
		if b, ok := src.(blocked); ok {
			blocks = b.BlockCount()
		}
		if blocks == 0 { // none, or the source is not open yet
			blocks = ringBlocks
		}
		wait[i] = max(1, blocks/(shards+1)*3/4) // of what leases allow, with some room for the mailbox
		if p, ok := src.(paced); ok {
			p.follow(common)
			common.all = append(common.all, p)
		}
	}
	return wait
}

// Ordered reports whether some sources are brought into one order: see Together.
func Ordered(sources []Source) bool {
	whole, split := map[any]bool{}, false
	for _, src := range sources {
		if p, ok := src.(Parted); ok && p.Live() {
			of, apart := p.Part()
			whole[of], split = true, split || apart
		}
	}
	return len(whole) > 1 || split
}

// paced is a source that tells others how far it has come, and is asked by them.
type paced interface {
	// follow is called before the first Next.
	follow(*pace)
	// urge wakes the source if it waits for frames and has yet to say that
	// nothing older than clock will come.
	urge(clock int64)
}

// pace is what sources share whose frames are brought into one order. The zero
// value has none of them.
type pace struct {
	all   []paced      // fixed before any runs
	want  atomic.Int64 // ns: up to here frames wait for those that have not said so much
	shift atomic.Int64 // of their clocks: see clock.agree
}

// reached notes that a source has handed over frames up to a clock, which wait for
// what the others have.
func (p *pace) reached(by paced, clock int64) {
	for old := p.want.Load(); laterOf(old, clock) != old && !p.want.CompareAndSwap(old, clock); old = p.want.Load() {
	}
	for _, one := range p.all {
		if one != by {
			one.urge(clock)
		}
	}
}

// laterOf returns the later of two stamps, or b if the time of day was set back
// between them.
func laterOf(a, b int64) int64 {
	if b < a && b >= a-stepBackMax {
		return a
	}
	return b
}
