package uevents

import (
	"errors"
	"fmt"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/wire"
)

// The errors of sockets and of what handlers ask for.
var (
	ErrHook       = errors.New("mbox: not on this hook")
	ErrEvent      = errors.New("mbox: not an event")
	ErrHandler    = errors.New("mbox: no handler")
	ErrClosed     = errors.New("mbox: socket is closed")
	ErrSockets    = errors.New("mbox: too many sockets")
	ErrSocketKind = errors.New("mbox: not on a socket of this kind")
	ErrForeign    = errors.New("mbox: registration of another socket")
	ErrBusy       = errors.New("mbox: no room")
	ErrInHandler  = errors.New("mbox: would wait for a shard inside a handler")
	ErrNoFlow     = errors.New("mbox: no flow here")
	ErrFlowGone   = errors.New("mbox: the flow is gone")
	ErrPolicySet  = errors.New("mbox: the flow's overlap policy is set")
	ErrRaiseDepth = errors.New("mbox: events raise events without end")
)

// SocketsMax is how many sockets may be opened in all, closed ones included: one
// bit each of a word, so that what a flow means to all of them is compared at once.
const SocketsMax = 64

// SocketKind says what a socket sees.
type SocketKind uint8

// The kinds of socket.
const (
	Stream SocketKind = iota // flows: connections and datagram conversations
	Raw                      // captured frames, before tracking
)

// String returns "stream" or "raw".
func (k SocketKind) String() string {
	if k == Raw {
		return "raw"
	}
	return "stream"
}

// Controller makes changes to sockets known to whoever dispatches by them. The
// stack is one: it runs change alone, takes a new Snapshot and hands it to all
// shards, unless change fails.
type Controller interface {
	Change(change func(*Set) error) error
}

// Socket is a monitoring socket: a scope, and handlers registered on events.
// All methods may be called at any time and concurrently, but not in handlers:
// there, Context has what concerns one flow.
type Socket struct {
	ctl   Controller
	kind  SocketKind
	index uint8 // bit in every mask of sockets
	name  string
}

// Name returns the name given to Monitor, or "socket N".
func (s *Socket) Name() string { return s.name }

// Kind returns what the socket sees.
func (s *Socket) Kind() SocketKind { return s.kind }

// Index returns the socket's number: 0 for the first one opened.
func (s *Socket) Index() uint8 { return s.index }

// Registration is one handler on one event, hook and socket. It is a comparable
// value; the zero value is none.
type Registration struct{ r *registration }

type registration struct {
	id       uint32
	socket   *Socket
	event    *definition
	hook     Hook
	handler  Handler
	prepared bool // on no flow until a handler enables it
	local    bool // made by a handler for its flow alone
}

// Socket returns the socket that the handler is registered on.
func (r Registration) Socket() *Socket {
	if r.r == nil {
		return nil
	}
	return r.r.socket
}

// OfOneFlow reports whether the handler was registered for one flow alone.
func (r Registration) OfOneFlow() bool {
	return r.r != nil && r.r.local && r.r.event != leaving && r.r.event != arriving
}

// String returns "event on hook, socket".
func (r Registration) String() string {
	if r.r == nil {
		return "no registration"
	}
	return fmt.Sprintf("%s on %s, %s", r.r.event.name, r.r.hook, r.r.socket.name)
}

// Bind limits the socket to flows (of a raw socket: to frames) that expr
// selects, a tcpdump expression. Of a stream socket it is evaluated once per
// flow, on the first packet oriented client to server, so it may not need more
// than the flow's key. Flows already known keep the answer they were given.
func (s *Socket) Bind(expr string) error {
	prog, err := filter.Compile(expr)
	if err != nil {
		return fmt.Errorf("mbox: bad filter: %w", err)
	}
	if s.kind == Stream {
		if err := prog.FlowOnly(); err != nil {
			return fmt.Errorf("mbox: a stream socket's scope is decided once per flow: %w", err)
		}
	}
	return s.change(func(sp *spec) error { sp.scope = prog; return nil })
}

// Handle registers h on an event and hook, for all flows of the socket. It is
// Register for those who never take handlers away.
func (s *Socket) Handle(ev Event, hook Hook, h Handler) error {
	_, err := s.Register(ev, hook, h)
	return err
}

// Register registers h on an event and hook, for all flows of the socket, and
// returns what Remove takes it away by.
func (s *Socket) Register(ev Event, hook Hook, h Handler) (Registration, error) {
	return s.register(ev, hook, h, false)
}

// Prepare is Register for a handler that is off until a handler switches it on
// for its flow with Context.Enable.
func (s *Socket) Prepare(ev Event, hook Hook, h Handler) (Registration, error) {
	return s.register(ev, hook, h, true)
}

func (s *Socket) register(ev Event, hook Hook, h Handler, prepared bool) (Registration, error) {
	if err := s.check(ev, hook, h); err != nil {
		return Registration{}, err
	}
	r := &registration{socket: s, event: ev.def, hook: hook, handler: h, prepared: prepared}
	err := s.ctl.Change(func(set *Set) error {
		return set.ask(s, func(sp *spec) error {
			set.registrations++
			r.id = set.registrations
			sp.regs = append(sp.regs, r)
			return nil
		})
	})
	if err != nil {
		return Registration{}, err
	}
	return Registration{r}, nil
}

// check reports why a handler cannot be registered.
func (s *Socket) check(ev Event, hook Hook, h Handler) error {
	switch {
	case ev.def == nil:
		return ErrEvent
	case h == nil:
		return fmt.Errorf("%w: nobody is called on %s", ErrHandler, ev)
	case !ev.def.hooks.has(hook):
		return fmt.Errorf("%w: %s is raised %s, not %s", ErrHook, ev, ev.def.hooks, hook)
	case s.kind == Raw && (ev.def.kind != KindPacket && ev.def.kind != KindTimer && ev.def.kind != KindCustom):
		return fmt.Errorf("%w: %s belongs to flows, and a raw socket has none", ErrSocketKind, ev)
	case s.kind == Raw && ev.def.kind == KindPacket && hook != PreTCP:
		return fmt.Errorf("%w: a raw socket sees packets PreTCP only, before tracking", ErrHook)
	}
	return nil
}

// Remove takes a handler away from all flows.
func (s *Socket) Remove(reg Registration) error {
	if reg.r == nil || reg.r.socket != s {
		return ErrForeign
	}
	return s.change(func(sp *spec) error {
		for i, r := range sp.regs {
			if r == reg.r {
				sp.regs = append(sp.regs[:i:i], sp.regs[i+1:]...)
				return nil
			}
		}
		return ErrForeign
	})
}

// SetReassembly switches reassembly of what side sends on or off, for octets that
// arrive later. It is on where a handler stands on OnNewData, OnGap or OnRexmit.
// Where each socket of a flow has switched it off, or stopped the side, nothing is
// kept to compare either.
func (s *Socket) SetReassembly(side wire.Dir, on bool) error {
	return s.change(func(sp *spec) error { sp.noReassembly[side&1] = !on; return nil })
}

// KeepStream keeps octets readable by Context.ReadAt after they were delivered:
// those not yet acknowledged, and the history octets before them.
func (s *Socket) KeepStream(history uint64) error {
	return s.change(func(sp *spec) error { sp.keep, sp.history = true, max(sp.history, history); return nil })
}

// SetPolicy asks for an overlap policy for flows that begin later; of flows that
// are there, those keep theirs that have had octets to put in order. Of sockets that
// ask, the one that was opened first decides; see Context.SetPolicy.
func (s *Socket) SetPolicy(p buffers.Policy) error {
	return s.change(func(sp *spec) error { sp.policy, sp.policySet = p, true; return nil })
}

// IncludeExisting makes flows that were there before the socket part of its
// scope; without it a socket sees new flows only.
func (s *Socket) IncludeExisting() error {
	return s.change(func(sp *spec) error { sp.existing = true; return nil })
}

// Moves has leave called with a flow that is about to move to another shard, on
// the one it is on, and arrive on the other one, before anything else happens to
// it there. It is for handlers that keep with a flow what belongs to its shard, or
// with the shard what belongs to its flows. Both are called between two frames,
// with no packet at hand, and may be nil.
//
// Nothing should be told to users there: what is seen must not depend on moves. One
// that panics again and again is no longer called for flows of that slot.
func (s *Socket) Moves(leave, arrive Handler) error {
	if s.kind == Raw {
		return fmt.Errorf("%w: a raw socket has no flows", ErrSocketKind)
	}
	of := func(d *definition, h Handler) *registration {
		if h == nil {
			return nil
		}
		return &registration{socket: s, event: d, hook: PostTCP, handler: h, local: true}
	}
	return s.change(func(sp *spec) error {
		sp.leave, sp.arrive = of(leaving, leave), of(arriving, arrive)
		return nil
	})
}

// The words for moves, as Context.Event names them. Nothing is raised by them.
var (
	leaving  = &definition{name: "leave", kind: KindCustom, hooks: post}
	arriving = &definition{name: "arrive", kind: KindCustom, hooks: post}
)

// Close ends the socket: no handler of it is called again on any flow, once the
// shards have heard of it, and its flows are released for it. Closing twice is
// ErrClosed.
func (s *Socket) Close() error {
	return s.ctl.Change(func(set *Set) error {
		return set.ask(s, func(*spec) error {
			set.specs[s.index] = nil
			return nil
		})
	})
}

func (s *Socket) change(f func(*spec) error) error {
	return s.ctl.Change(func(set *Set) error { return set.ask(s, f) })
}
