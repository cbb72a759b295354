package uevents

import (
	"fmt"
	"math/bits"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/wire"
)

// Set is all sockets of a stack and what is registered on them. Its owner
// serialises access; others see it through snapshots. The zero value is empty.
type Set struct {
	specs         [SocketsMax]*spec // nil: no socket, or a closed one
	opened        int
	registrations uint32
	generation    uint64
}

// spec is what a socket asks for. Those in a Snapshot never change.
type spec struct {
	socket       *Socket
	scope        *filter.Program // nil: everything
	regs         []*registration // in order of registration
	noReassembly [2]bool         // by the side that sends
	keep         bool            // octets stay readable after delivery
	history      uint64          // octets kept beyond the acknowledged ones; valid iff keep
	policy       buffers.Policy  // valid iff policySet
	policySet    bool
	existing     bool          // flows from before the socket belong to it too
	waits        bool          // it takes no part until something is asked of it
	leave        *registration // called before a flow moves to another shard; nil: nobody is
	arrive       *registration // and behind that
}

// Open adds a socket that makes its changes through ctl.
func (s *Set) Open(ctl Controller, kind SocketKind, name string) (*Socket, error) {
	if s.opened == SocketsMax {
		return nil, fmt.Errorf("%w: %d were opened", ErrSockets, SocketsMax)
	}
	if name == "" {
		name = fmt.Sprintf("socket %d", s.opened)
	}
	sock := &Socket{ctl: ctl, kind: kind, index: uint8(s.opened), name: name}
	s.specs[s.opened] = &spec{socket: sock}
	s.opened++
	return sock, nil
}

// Wait has a socket that was just opened take no part in anything until something
// is asked of it: as a rule its scope, of which others must not be.
func (s *Set) Wait(sock *Socket) { s.specs[sock.index].waits = true }

// ask changes what a socket asks for, and ends its wait.
func (s *Set) ask(sock *Socket, f func(*spec) error) error {
	sp := s.specs[sock.index]
	if sp == nil || sp.socket != sock {
		return ErrClosed
	}
	if err := f(sp); err != nil {
		return err
	}
	sp.waits = false
	return nil
}

// Snapshot returns the set as it is now. It never changes and may be shared.
func (s *Set) Snapshot() *Snapshot {
	s.generation++
	snap := &Snapshot{generation: s.generation}
	for i, sp := range s.specs {
		if sp == nil {
			continue
		}
		frozen := *sp
		frozen.regs = append([]*registration(nil), sp.regs...)
		snap.specs[i] = &frozen
		switch {
		case sp.waits:
		case sp.socket.kind == Raw:
			snap.raw |= 1 << i
		default:
			snap.stream |= 1 << i
			if sp.scope != nil {
				snap.scoped |= 1 << i
			}
			if sp.existing {
				snap.existing |= 1 << i
			}
			if sp.leave != nil || sp.arrive != nil {
				snap.movers |= 1 << i
			}
		}
	}
	return snap
}

// Mask is a set of sockets by index.
type Mask uint64

// Snapshot is an unchanging view of a Set.
type Snapshot struct {
	generation uint64
	specs      [SocketsMax]*spec
	stream     Mask // stream sockets
	scoped     Mask // stream sockets with a scope
	raw        Mask // raw sockets
	existing   Mask // stream sockets that take flows from before them
	movers     Mask // stream sockets that want to know of flows that move
}

// HasRaw reports whether any socket wants to see single frames.
func (s *Snapshot) HasRaw() bool { return s.raw != 0 }

// HasStream reports whether any socket wants flows.
func (s *Snapshot) HasStream() bool { return s.stream != 0 }

// FlowMask returns the stream sockets in whose scope the flow is.
func (s *Snapshot) FlowMask(k *wire.FlowKey, client uint8) Mask {
	mask := s.stream
	for m := s.scoped; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(uint64(m))
		if !s.specs[i].scope.MatchFlow(k, client) {
			mask &^= 1 << i
		}
	}
	return mask
}

// FrameMask returns the raw sockets whose scope selects the frame.
func (s *Snapshot) FrameMask(p *wire.Packet, data []byte, wireLen uint32) Mask {
	mask := s.raw
	for m := s.raw; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(uint64(m))
		if sp := s.specs[i]; sp.scope != nil && !sp.scope.MatchWire(p, data, wireLen) {
			mask &^= 1 << i
		}
	}
	return mask
}
