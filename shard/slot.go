package shard

import "github.com/mbox-stack/mbox/wire"

// slot is one part of the key space: what is decided here is decided by the
// slot's own history alone, whichever shard owns it.
type slot struct {
	flows  uint64 // ever begun: the sequence of the latest FlowID
	timers uint64 // ever armed by handlers
	lists  [classCount]list
	live   int // flow records in use
}

// list is the flows of one class in a slot, in the order they joined it.
type list struct{ oldest, newest handle }

// secondChances bounds how many flows that were active since they joined their
// list are passed over in search of one to evict.
const secondChances = 8

// join adds a flow to the newest end of a list.
func (s *Shard) join(sl *slot, h handle, fl *flow, c class) {
	l := &sl.lists[c]
	fl.class, fl.older, fl.newer = c, l.newest, 0
	if l.newest != 0 {
		s.flows.At(l.newest).newer = h
	} else {
		l.oldest = h
	}
	l.newest = h
}

// leave takes a flow out of its list.
func (s *Shard) leave(sl *slot, fl *flow) {
	l := &sl.lists[fl.class]
	if fl.older != 0 {
		s.flows.At(fl.older).newer = fl.newer
	} else {
		l.oldest = fl.newer
	}
	if fl.newer != 0 {
		s.flows.At(fl.newer).older = fl.older
	} else {
		l.newest = fl.older
	}
	fl.class = classNone
}

// victim returns the flow of the slot to end for another's sake: a released or
// closed one before an unproven one, that before an established one, and among
// those the one that joined its class first, unless packets have come for it
// since: then it joins again. 0 if the slot has none.
func (s *Shard) victim(sl *slot) handle {
	for _, c := range [...]class{classReleased, classClosed, classUnproven, classTwoSided} {
		l := &sl.lists[c]
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
			s.leave(sl, fl)
			s.join(sl, h, fl, c)
		}
		if l.oldest != 0 {
			return l.oldest
		}
	}
	return 0
}

// indexOf returns the index of the slot that a hash belongs to.
func (s *Shard) indexOf(hash uint64) *index { return &s.index[wire.SlotOf(hash)] }

// slotOf returns the slot that a hash belongs to.
func (s *Shard) slotOf(hash uint64) *slot { return &s.slots[wire.SlotOf(hash)] }
