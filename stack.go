package mbox

import (
	"fmt"
	"sync"

	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// Stack follows the flows of its sources and calls handlers. Make one with New,
// open sockets with Monitor, then call Run.
//
// Methods may be called concurrently. Those that would wait for a shard return
// ErrInHandler when a handler calls them.
type Stack struct {
	cfg    Config
	filter *filter.Program // nil: everything

	// mu guards what follows. Shards never take it: they have snapshots.
	mu      sync.Mutex
	set     uevents.Set
	outputs []*Output
	run     *running // nil until Run, and after it
	started bool
	last    Stats // of the run that has ended
}

// New returns a stack. The error, if any, wraps ErrConfig and names every
// problem with cfg.
func New(cfg Config) (*Stack, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Stack{cfg: cfg}
	if cfg.Filter != "" {
		if s.filter, err = filter.Compile(cfg.Filter); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Monitor opens a socket that sees flows (Stream) or frames (Raw). Without Bind
// it sees all of them. One that is opened while the stack runs sees what begins
// once something has been asked of it: Bind comes first, where there is a scope,
// and then the handlers. It panics where MonitorAs fails.
func (s *Stack) Monitor(kind SocketKind) *Socket {
	sock, err := s.MonitorAs(kind, "")
	if err != nil {
		panic(err)
	}
	return sock
}

// MonitorAs is Monitor for a socket with a name, which logs and errors use. With
// 64 sockets opened it fails with ErrSockets.
func (s *Stack) MonitorAs(kind SocketKind, name string) (*Socket, error) {
	var sock *Socket
	err := s.change(func(set *uevents.Set) (err error) {
		if sock, err = set.Open((*controller)(s), kind, name); err == nil && s.run != nil {
			set.Wait(sock)
		}
		return err
	})
	return sock, err
}

// controller is the stack as its sockets see it.
type controller Stack

// Change implements uevents.Controller.
func (c *controller) Change(change func(*uevents.Set) error) error { return (*Stack)(c).change(change) }

// change runs change alone and lets all shards know of the result.
func (s *Stack) change(change func(*uevents.Set) error) error {
	s.mu.Lock()
	if s.run != nil && s.run.inHandler() {
		s.mu.Unlock()
		return fmt.Errorf("%w: in a handler, Context has what concerns its flow", ErrInHandler)
	}
	if err := change(&s.set); err != nil {
		s.mu.Unlock()
		return err
	}
	run, snap := s.run, s.set.Snapshot()
	if run != nil {
		run.raw(snap.HasRaw())
		if err := s.limit(run.sources, snap); err != nil {
			s.cfg.Log.Warn("the kernel filter is as it was", "error", err)
		}
	}
	s.mu.Unlock()
	if run != nil {
		run.each(func(sh *shard.Shard) { sh.Update(snap) })
	}
	return nil
}

// Do runs f with a Context of the flow, on the flow's shard, between two
// batches, and waits for it. It fails with ErrFlowGone if the flow has ended or
// nothing runs, and with ErrInHandler in a handler.
func (s *Stack) Do(flow Flow, f Handler) error {
	run := s.current()
	if run == nil {
		return ErrFlowGone
	}
	if run.inHandler() {
		return ErrInHandler
	}
	found := false
	run.onSlot(flow.ID.Slot(), func(sh *shard.Shard) { found = sh.Find(flow, f, Registration{}) })
	if !found {
		return ErrFlowGone
	}
	return nil
}

// EachFlow runs f with a Context of every flow that lives, on the flows' shards,
// shard after shard, and waits. Each flow comes once, also if it moves to another
// shard meanwhile. The order is arbitrary.
func (s *Stack) EachFlow(f Handler) error {
	run := s.current()
	if run == nil {
		return nil
	}
	if run.inHandler() {
		return ErrInHandler
	}
	run.onSlots(func(i int, left []wire.Slot) (others []wire.Slot) {
		run.on(i, func(sh *shard.Shard) { others = sh.Each(left, f) })
		return others
	})
	return nil
}

func (s *Stack) current() *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}
