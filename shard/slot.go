package shard

import (
	"cmp"
	"iter"
	"slices"

	"github.com/mbox-stack/mbox/wire"
)

// slot is one part of the key space: what is decided here is decided by the
// slot's own history alone, whichever shard owns it.
//
// It takes one cache line (TestLayout): there are more slots than a core's first
// cache has lines.
type slot struct {
	index  index
	live   int    // flow records in use
	flows  uint64 // ever begun: the sequence of the latest FlowID
	timers uint64 // ever armed by handlers
	ranks  *ranks // nil: flows are in no lists; see crowd
}

// ranks are the lists of a slot.
type ranks [classCount]list

// list is the flows of one class in a slot, in the order they joined it. It is
// kept while the slot is ranked.
type list struct{ oldest, newest handle }

// rank is where a flow of a ranked slot stands: its class, and its neighbours in
// the list of that. It lies beside the flow's record while any slot is ranked.
type rank struct {
	older, newer handle
	class        class
}

// secondChances bounds how many flows that were active since they joined their
// list are passed over in search of one to evict.
const secondChances = 8

// A slot ranks its flows, in lists by which one of them would be evicted, from
// when it is nearly full until it is half full: to move a flow from list to list
// costs several misses, four times in a short connection's life, which there is
// no need to pay as long as nothing is evicted.
const (
	rankAt   = 7 // eighths of what a slot may have
	unrankAt = 4
)

// crowd ranks the slot's flows, where it has got so many.
func (s *Shard) crowd(sl *slot, at wire.Slot) {
	if sl.ranks != nil || sl.live*8 < s.cfg.FlowsPerSlot*rankAt {
		return
	}
	s.rank(sl)
	var all []handle
	for h := range s.flowsOf(at) {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b handle) int { return cmp.Compare(s.flows.At(a).id, s.flows.At(b).id) })
	for _, h := range all {
		fl := s.flows.At(h)
		s.join(sl, h, fl.classNow())
	}
}

// thin is told that the slot has lost a flow.
func (s *Shard) thin(sl *slot) {
	sl.live--
	if sl.ranks != nil && sl.live*8 < s.cfg.FlowsPerSlot*unrankAt {
		s.unrank(sl)
	}
}

// rank gives a slot lists.
func (s *Shard) rank(sl *slot) {
	sl.ranks = new(ranks)
	s.ranked++
}

// unrank takes them away.
func (s *Shard) unrank(sl *slot) {
	sl.ranks = nil
	if s.ranked--; s.ranked == 0 {
		s.ranks.Clear()
	}
}

// flowsOf ranges over the flows of a slot, in the order of its index. Flows may
// be released meanwhile, but neither begun nor removed.
func (s *Shard) flowsOf(at wire.Slot) iter.Seq2[handle, *flow] {
	return func(yield func(handle, *flow) bool) {
		for _, e := range s.slots[at].index.places {
			if h := e.flow(); h != 0 && !yield(h, s.flows.At(h)) {
				return
			}
		}
	}
}

// join adds a flow to the newest end of a list.
func (s *Shard) join(sl *slot, h handle, c class) {
	l := &sl.ranks[c]
	*s.ranks.At(h) = rank{older: l.newest, class: c}
	if l.newest != 0 {
		s.ranks.At(l.newest).newer = h
	} else {
		l.oldest = h
	}
	l.newest = h
}

// rejoin moves a flow to another list, where there are any.
func (s *Shard) rejoin(sl *slot, h handle, c class) {
	if sl.ranks != nil {
		s.leave(sl, h)
		s.join(sl, h, c)
	}
}

// leave takes a flow out of its list.
func (s *Shard) leave(sl *slot, h handle) {
	r := s.ranks.At(h)
	l := &sl.ranks[r.class]
	if r.older != 0 {
		s.ranks.At(r.older).newer = r.newer
	} else {
		l.oldest = r.newer
	}
	if r.newer != 0 {
		s.ranks.At(r.newer).older = r.older
	} else {
		l.newest = r.older
	}
}

// victim returns the flow of the slot to end for another's sake: a released or
// closed one before an unproven one, that before an established one, and among
// those the one that joined its class first, unless packets have come for it
// since: then it joins again. 0 if the slot has none.
func (s *Shard) victim(sl *slot) handle {
	for _, c := range [...]class{classReleased, classClosed, classUnproven, classTwoSided} {
		l := &sl.ranks[c]
		for range secondChances {
			h := l.oldest
			if h == 0 || l.newest == h {
				break
			}
			fl := s.flows.At(h)
			if fl.flags&flowActive == 0 {
				break
			}
			fl.flags &^= flowActive
			s.rejoin(sl, h, c)
		}
		if l.oldest != 0 {
			return l.oldest
		}
	}
	return 0
}

// indexOf returns the index of the slot that a hash belongs to.
func (s *Shard) indexOf(hash uint64) *index { return &s.slots[wire.SlotOf(hash)].index }

// slotOf returns the slot that a hash belongs to.
func (s *Shard) slotOf(hash uint64) *slot { return &s.slots[wire.SlotOf(hash)] }
