package uevents

import (
	"math/bits"
	"slices"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// kinds is a set of Kind.
type kinds uint32

// sided are the kinds of event that belong to one side of a flow: a socket that
// stopped the side does not get them.
const sided kinds = 1<<KindPacket | 1<<KindRexmit | 1<<KindStateChange | 1<<KindAnomaly | 1<<KindGap | 1<<KindNewData

// Plan is what all sockets together want of a flow, compiled: for each event,
// hook and side the calls to make, in order. Flows with the same wishes share a
// plan; it never changes once a flow uses it, except that its owner replaces it
// as a whole when sockets change.
type Plan struct {
	wants    [HookCount][2]kinds
	programs [HookCount][2][KindCustom]program
	custom   [HookCount][2]map[*definition]program
	key      planKey
	own      []*registration // handlers of one flow alone, which the plan is then private to

	// Sockets is who still takes part. A flow that nobody does is released.
	Sockets Mask
	// Reassemble says whether the octets that a side sends are put in order.
	Reassemble [2]bool
	// Watched says that somebody is told of single packets, or of how a connection
	// begins, changes its states or ends. Of most flows that are followed for their
	// octets or their records nobody is.
	Watched bool
	// Keep says whether delivered octets stay readable until acknowledged, and
	// History how many stay longer.
	Keep    [2]bool
	History uint64
	// Stopped says that no socket follows a side any more.
	Stopped [2]bool
	// Policy is what the first socket to ask wants; valid iff PolicySet.
	Policy    buffers.Policy
	PolicySet bool
}

// watched are the kinds of event that a connection without octets brings about.
const watched kinds = 1<<KindPacket | 1<<KindConnStart | 1<<KindConnEstablished | 1<<KindStateChange | 1<<KindConnEnd

// planKey is what makes two flows' plans the same.
type planKey struct {
	sockets Mask
	stopped [2]Mask
	plain   [2]Mask // sockets that switched reassembly of a side off
	stream  [2]Mask // sockets that switched it on
	changes string  // registrations switched on or off, encoded by changeList
}

// private reports whether the plan is one flow's alone.
func (p *Plan) private() bool { return len(p.own) > 0 }

// Has reports whether the socket with that index still takes part.
func (p *Plan) Has(socket uint8) bool { return p.Sockets&(1<<socket) != 0 }

// Alone reports whether only one socket takes part.
func (p *Plan) Alone() bool { return p.Sockets&(p.Sockets-1) == 0 }

// Wants reports whether anybody is to be told of an event of this kind.
func (p *Plan) Wants(k Kind, h Hook, side wire.Dir) bool { return p.wants[h][side]&(1<<k) != 0 }

// WantsAny reports whether anybody is to be told of anything on the hook.
func (p *Plan) WantsAny(h Hook, side wire.Dir) bool { return p.wants[h][side] != 0 }

// turning are the events, PostTCP, of segments that open and close a connection
// as usual.
const turning kinds = 1<<KindStateChange | 1<<KindConnEstablished | 1<<KindPacket

// WantsTurn reports whether anybody is to be told that a segment of side, which
// opens or closes the connection, has come: by its packet or by what it changes.
func (p *Plan) WantsTurn(side wire.Dir) bool {
	return (p.wants[PostTCP][side&1]|p.wants[PostTCP][side&1^1]&(1<<KindStateChange))&turning != 0
}

// program is the calls for one event, hook and side, in order.
type program []op

// op is one step of a program: a handler to call, or a filter to ask and what
// is left out if it says no: the step's own handler, or some of the steps behind.
type op struct {
	filter  Filter        // nil: none is to be asked
	handler Handler       // nil iff the step is but a filter, or nobody's any more
	reg     *registration // of the handler
	event   *definition   // the event that the handler sees, and that the filter decides
	skip    int           // steps; 0 if the filter has a handler
}

// Registrations returns the handlers of the plan, each once.
func (p *Plan) Registrations() []Registration {
	var all []Registration
	add := func(prog program) {
		for i := range prog {
			if r := prog[i].reg; r != nil && !slices.Contains(all, Registration{r}) {
				all = append(all, Registration{r})
			}
		}
	}
	for hook := range HookCount {
		for side := range 2 {
			for _, prog := range p.programs[hook][side] {
				add(prog)
			}
			for _, prog := range p.custom[hook][side] {
				add(prog)
			}
		}
	}
	return all
}

// compile makes the plan of a key under a snapshot.
func (s *Snapshot) compile(key planKey, local []*registration, always Always) *Plan {
	p := &Plan{key: key, own: local, Sockets: key.sockets & (s.stream | s.raw)}
	on, off := decodeChanges(key.changes)
	var regs []*registration
	for m := p.Sockets; m != 0; m &= m - 1 {
		sp := s.specs[bits.TrailingZeros64(uint64(m))]
		for _, r := range sp.regs {
			if (!r.prepared || slices.Contains(on, r.id)) && !slices.Contains(off, r.id) {
				regs = append(regs, r)
			}
		}
		for _, r := range local {
			if r.socket == sp.socket {
				regs = append(regs, r)
			}
		}
		p.wish(sp)
	}
	for side := range p.Stopped {
		p.Stopped[side] = p.Sockets&^key.stopped[side] == 0 && p.Sockets != 0
		for hook := range HookCount {
			p.compileHook(regs, hook, wire.Dir(side))
		}
	}
	p.compileNeeds(s, always)
	return p
}

// wish notes what a socket asks for beside its handlers.
func (p *Plan) wish(sp *spec) {
	if sp.keep {
		p.Keep = [2]bool{true, true}
		p.History = max(p.History, sp.history)
	}
	if sp.policySet && !p.PolicySet {
		p.Policy, p.PolicySet = sp.policy, true
	}
}

// compileHook fills in the programs of one hook and side.
func (p *Plan) compileHook(regs []*registration, hook Hook, side wire.Dir) {
	var roots []*definition
	nodes := map[*definition][]*definition{} // children that somebody hangs on
	calls := map[*definition][]*registration{}
	for _, r := range regs {
		if r.hook != hook || sided&(1<<r.event.kind) != 0 && p.key.stopped[side]&(1<<r.socket.index) != 0 {
			continue
		}
		calls[r.event] = append(calls[r.event], r)
		d := r.event
		for ; d.base != nil && !slices.Contains(nodes[d.base], d); d = d.base {
			nodes[d.base] = append(nodes[d.base], d)
		}
		if d.base == nil && !slices.Contains(roots, d) {
			roots = append(roots, d)
		}
	}
	for _, root := range roots {
		prog := emit(nil, root, nodes, calls)
		p.wants[hook][side] |= 1 << root.kind
		p.Watched = p.Watched || watched&(1<<root.kind) != 0
		if root.kind != KindCustom {
			p.programs[hook][side][root.kind] = prog
			continue
		}
		if p.custom[hook][side] == nil {
			p.custom[hook][side] = map[*definition]program{}
		}
		p.custom[hook][side][root] = prog
	}
}

// emit appends the steps for an event and those that stand on it: its own
// handlers, then each child behind its filter, in order of definition. A child
// that is but one handler is one step: a filter that says no costs no jump.
func emit(prog program, d *definition, nodes map[*definition][]*definition, calls map[*definition][]*registration) program {
	for _, r := range calls[d] {
		prog = append(prog, op{handler: r.handler, reg: r, event: d})
	}
	children := nodes[d]
	slices.SortFunc(children, func(a, b *definition) int { return int(int64(a.order) - int64(b.order)) })
	for _, child := range children {
		at := len(prog)
		prog = append(prog, op{filter: child.filter, event: child})
		prog = emit(prog, child, nodes, calls)
		if prog[at].skip = len(prog) - at - 1; prog[at].skip == 1 && prog[at+1].filter == nil {
			prog[at].handler, prog[at].reg, prog[at].skip = prog[at+1].handler, prog[at+1].reg, 0
			prog = prog[:at+1]
		}
	}
	return prog
}

// compileNeeds derives what must be done for a flow from what is asked of it.
func (p *Plan) compileNeeds(s *Snapshot, always Always) {
	if always.Keep {
		p.History = max(p.History, always.History)
	}
	for side := range p.Reassemble {
		var need Mask
		d, compares := wire.Dir(side), false
		for m := p.Sockets &^ p.key.stopped[side]; m != 0; m &= m - 1 {
			i := bits.TrailingZeros64(uint64(m))
			sp := s.specs[i]
			bit := Mask(1) << i
			on := p.key.stream[side]&bit != 0
			if p.key.plain[side]&bit != 0 || sp.noReassembly[side] && !on {
				continue // it would not have the side read
			}
			if on || sp.keep || p.hasSocketOn(uint8(i), d, KindNewData, KindGap, KindRexmit) {
				need |= bit
			}
			compares = compares || always.Keep || p.hasSocketOn(uint8(i), d, KindRexmit)
		}
		p.Reassemble[side] = need != 0
		if compares {
			p.Reassemble[side], p.Keep[side] = true, true // to compare with what came first
		}
		p.Keep[side] = p.Keep[side] && p.Reassemble[side]
		p.dropUnwanted(side, need)
	}
}

// hasSocketOn reports whether a socket has handlers on events of a side.
func (p *Plan) hasSocketOn(socket uint8, side wire.Dir, events ...Kind) bool {
	for _, k := range events {
		for hook := range HookCount {
			for _, o := range p.programs[hook][side][k] {
				if o.reg != nil && o.reg.socket.index == socket {
					return true
				}
			}
		}
	}
	return false
}

// dropUnwanted takes the stream events of a side away from sockets that have
// switched its reassembly off, though others still have it on.
func (p *Plan) dropUnwanted(side int, need Mask) {
	for _, k := range [...]Kind{KindNewData, KindGap} {
		prog := p.programs[PostTCP][side][k]
		kept := 0
		for i := range prog {
			if o := &prog[i]; o.reg != nil && need&(1<<o.reg.socket.index) == 0 {
				o.handler = nil // a step that is neither is passed over
			} else if o.reg != nil {
				kept++
			}
		}
		if kept == 0 {
			p.programs[PostTCP][side][k] = nil
			p.wants[PostTCP][side] &^= 1 << k
		}
	}
}

// allows reports whether a handler is still part of the plan for a side.
func (p *Plan) allows(r *registration, k Kind, side wire.Dir) bool {
	bit := Mask(1) << r.socket.index
	if p.Sockets&bit == 0 || sided&(1<<k) != 0 && p.key.stopped[side]&bit != 0 {
		return false
	}
	if r.local {
		return slices.Contains(p.own, r)
	}
	_, off := decodeChanges(p.key.changes)
	return !slices.Contains(off, r.id)
}
