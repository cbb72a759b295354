package shard

import (
	"fmt"
	"runtime/debug"

	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// Find calls f with a Context of the flow, if it still lives, and reports
// whether it does. It must run as a Request. On a flow that every socket has
// released, or that of reg, it is as if the flow were gone.
func (s *Shard) Find(flow uevents.Flow, f uevents.Handler, reg uevents.Registration) bool {
	h, fl := s.lookup(flow.Key.Hash(s.cfg.Seed), &flow.Key)
	if h == 0 || fl.id != flow.ID || fl.flags&flowReleased != 0 {
		return false
	}
	if sock := reg.Socket(); sock != nil && s.plans.At(fl.plan).Sockets&(1<<sock.Index()) == 0 {
		return false
	}
	s.visit(h, fl, f, reg)
	return true
}

// Each calls f with a Context of every flow in those of some slots that the shard
// has, in no particular order, and returns the others. It must run as a Request.
func (s *Shard) Each(slots []wire.Slot, f uevents.Handler) (others []wire.Slot) {
	for _, at := range slots {
		if !s.Owns(at) {
			others = append(others, at)
			continue
		}
		s.walkSlots(int(at), int(at)+1, func(h handle, fl *flow) { s.visit(h, fl, f, uevents.Registration{}) })
	}
	return others
}

// visit calls f between two batches, as a handler of reg.
func (s *Shard) visit(h handle, fl *flow, f uevents.Handler, reg uevents.Registration) {
	s.seg = segmentState{}
	s.enterFlow(h, fl)
	s.scene(uevents.PhaseVisit, uint64(fl.id)) // the flow as it is, and no packet
	s.disp.Call(f, reg)
	s.protect(s.disp.Run)
	if s.seg.changed {
		s.seg.changed = false
		s.adjust(h, fl)
	}
	s.leaveFlow()
}

// offload runs work beside the shards. Its result comes back as a request.
func (s *Shard) offload(reg uevents.Registration, work func() any, then func(*uevents.Context, any)) error {
	if s.cfg.Pool == nil {
		return fmt.Errorf("%w: there is no pool", uevents.ErrBusy)
	}
	flow := (*engine)(s).Flow()
	err := s.cfg.Pool.Submit(func() {
		result, failed := try(work)
		s.reply(flow.ID.Slot(), func(s *Shard) {
			s.stats.Results++
			switch {
			case failed != nil:
				s.stats.Panics++
				s.logPanic("offloaded work panicked; it has no result", reg.String(), failed.value, failed.stack)
			case !s.Find(flow, func(c *uevents.Context) { then(c, result) }, reg):
				s.stats.Lost++
			}
		})
	})
	if err != nil {
		s.stats.Busy++
		return fmt.Errorf("%w: %w", uevents.ErrBusy, err)
	}
	s.stats.Offloads++
	return nil
}

// reply hands the owner of a slot a request. Where the slot has moved when its
// turn comes it goes after it: the results of one pool, and what was waiting in
// one mailbox, so there are few of them at a time.
func (s *Shard) reply(at wire.Slot, then Request) {
	s.cfg.Reply(at, func(s *Shard) {
		if s.Owns(at) {
			then(s)
			return
		}
		go s.reply(at, then)
	})
}

// failure is a panic of work that was offloaded.
type failure struct {
	value any
	stack []byte
}

// try runs work, and returns its result or how it failed.
func try(work func() any) (result any, failed *failure) {
	defer func() {
		if v := recover(); v != nil {
			failed = &failure{v, debug.Stack()}
		}
	}()
	return work(), nil
}
