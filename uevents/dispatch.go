package uevents

import (
	"slices"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// raiseDepthMax bounds events that raise events that raise events: beyond it
// Context.Raise fails, so that two handlers cannot keep each other busy.
const raiseDepthMax = 16

// Dispatcher runs the programs of a plan for a queue of occurrences, one event
// after the other, each for all sockets. It can be left by a panic of a handler
// at any point: after Recovered, Run goes on with what came next.
//
// One goroutine uses it. Occurrences are queued and run for one flow at a time.
type Dispatcher struct {
	ctx    Context
	plan   *Plan
	prog   program
	pc     int // behind the step that is running: see Context.op
	queue  []Occurrence
	head   int
	raised []Raised
	// changed says that the plan is not the one that prog came from: the steps
	// that are left are checked against the new one.
	changed bool
	user    bool       // a handler or filter is running
	held    bool       // the handler of a step whose filter has said yes
	busy    bool       // something is queued or under way
	one     [1]op      // the program of Call
	direct  Occurrence // of Raise
	other   Occurrence // of Call and of raised events, which are not queued
	custom  Raised     // valid iff other is a raised event
	lent    []byte     // checked builds: the copy that handlers see
}

// NewDispatcher returns a dispatcher whose Context acts on engine.
func NewDispatcher(engine Engine) *Dispatcher {
	d := &Dispatcher{queue: make([]Occurrence, 0, 64)}
	d.ctx.engine, d.ctx.d, d.ctx.now, d.ctx.shard = engine, d, &d.other, engine.Shard()
	return d
}

// Context returns the Context that handlers get, for the engine to describe the
// packet and flow that the next occurrences are about.
func (d *Dispatcher) Context() *Context { return &d.ctx }

// Bind sets the plan that the following occurrences run under.
func (d *Dispatcher) Bind(p *Plan) {
	assert.That(d.Idle(), "a plan is bound between flows")
	d.plan, d.changed = p, false
}

// Rebind replaces the plan while an event may be under way: what is left of the
// event loses the handlers that the new plan lacks, and the next event is run
// by it.
func (d *Dispatcher) Rebind(p *Plan) { d.plan, d.changed = p, true }

// Plan returns the plan in force.
func (d *Dispatcher) Plan() *Plan { return d.plan }

// Add queues an occurrence of a kind and returns it for the caller to fill in. It
// returns nil for one that nobody wants, unless handlers run before it, which may
// register others.
//
// Occurrences are made where they are run: to hand them over by value costs more
// than most handlers do, as a core cannot forward what was written in words to
// reads of twice their size.
func (d *Dispatcher) Add(k Kind, h Hook, side wire.Dir) *Occurrence {
	if !d.busy && d.plan.wants[h][side]&(1<<k) == 0 {
		return nil
	}
	n := len(d.queue)
	if n == cap(d.queue) {
		d.queue = slices.Grow(d.queue, 1)
	}
	d.queue = d.queue[:n+1]
	d.busy = true
	o := &d.queue[n]
	*o = Occurrence{}
	o.Kind, o.Hook, o.Side = k, h, side
	return o
}

// Queue adds an occurrence as Add does.
func (d *Dispatcher) Queue(o Occurrence) {
	if p := d.Add(o.Kind, o.Hook, o.Side); p != nil {
		*p = o
	}
}

// Raise runs an occurrence at once. Nothing may be queued or under way.
func (d *Dispatcher) Raise(k Kind, h Hook, side wire.Dir, data []byte, off uint64) {
	assert.That(d.Idle(), "an event is raised between events")
	prog := d.plan.programs[h&1][side&1][k]
	if len(prog) == 0 {
		return
	}
	o := &d.direct // of which only this is ever written
	o.Data, o.Off, o.Kind, o.Hook, o.Side = data, off, k, h, side
	d.ctx.now, d.prog = o, prog
	d.pc, d.changed, d.busy = 0, false, true
	d.steps()
	if len(d.raised) == 0 {
		d.busy = false
		return
	}
	d.Run() // what handlers have raised
}

// Idle reports whether nothing is left to run.
func (d *Dispatcher) Idle() bool { return !d.busy }

// Run runs everything that is queued.
func (d *Dispatcher) Run() {
	for {
		d.steps()
		if !d.next() {
			d.queue, d.head, d.busy = d.queue[:0], 0, false
			return
		}
	}
}

// steps runs what is left of the program under way. The step is counted before
// it is taken, so that a panic leaves the dispatcher behind it. Dozens of filters
// may stand on each packet: nothing is written down for one but the count.
func (d *Dispatcher) steps() {
	d.user, d.held = true, false
	for uint(d.pc) < uint(len(d.prog)) {
		o := &d.prog[d.pc]
		d.pc++
		if o.filter != nil {
			if !o.filter(&d.ctx) {
				if o.handler == nil {
					d.pc += o.skip
				}
				continue
			}
			d.held = true
		}
		if o.handler != nil && (!d.changed && d.ctx.now.Only == 0 || d.calls(o)) {
			if assert.Enabled {
				d.lend(o.handler)
			} else {
				o.handler(&d.ctx)
			}
		}
		d.held = false
	}
	d.user = false
}

// calls reports whether a handler of the program under way is still to be called.
// A socket that has let go of the flow is in no plan any more when it is told so.
func (d *Dispatcher) calls(o *op) bool {
	now := d.ctx.now
	if now.Only != 0 && now.Only != o.reg.socket.index+1 {
		return false
	}
	parted := now.Only != 0 && now.Kind == KindConnEnd
	return !d.changed || parted || d.plan.allows(o.reg, now.Kind, now.Side)
}

// lend calls a handler in checked builds: with a copy of the octets, which is
// scribbled over afterwards, so that a handler that keeps them is found out.
func (d *Dispatcher) lend(h Handler) {
	c := &d.ctx
	data, outer := c.now.Data, c.lent
	d.lent = append(append(d.lent[:0], data...), c.Frame()...)
	lent := d.lent
	if data != nil {
		c.now.Data = lent[:len(data):len(data)]
	}
	if c.at != nil {
		c.lent = lent[len(data):]
	}
	defer func() {
		for i := range lent {
			lent[i] = 0xDB
		}
		d.lent = nil // a keeper may still hold it: never lend it again
		c.now.Data, c.lent = data, outer
	}()
	h(c)
}

// next takes up the next event: one raised by a handler first, then the queue.
func (d *Dispatcher) next() bool {
	d.pc, d.prog = 0, nil
	if len(d.raised) > 0 {
		d.custom = d.raised[0]
		d.raised = d.raised[:copy(d.raised, d.raised[1:])]
		if d.custom.parted != nil {
			d.part(d.custom)
			return true
		}
		d.other = Occurrence{Kind: KindCustom, Hook: d.custom.hook, Side: d.custom.side, Custom: &d.custom}
		d.ctx.now = &d.other
		d.prog = d.plan.custom[d.custom.hook][d.custom.side][d.custom.Event.def]
		d.changed = false
		return true
	}
	if d.head == len(d.queue) {
		return false
	}
	now := &d.queue[d.head]
	d.head++
	d.ctx.now = now
	d.prog = d.plan.programs[now.Hook][now.Side][now.Kind]
	d.changed = false
	return true
}

// Part raises OnConnEnd after the event at hand for a socket that lets go of the
// flow, by the plan that it still has a part in.
func (d *Dispatcher) Part(p *Plan, socket uint8) {
	if prog := p.programs[PostTCP][0][KindConnEnd]; len(prog) > 0 {
		d.raised = append(d.raised, Raised{parted: prog, only: socket + 1})
	}
}

// tell runs the ends that f, a part of the handler under way, has raised by Part:
// what they are about is at hand no longer than f is.
func (d *Dispatcher) tell(f func()) {
	before := len(d.raised)
	f()
	if len(d.raised) == before {
		return
	}
	parted := slices.Clone(d.raised[before:])
	d.raised = slices.DeleteFunc(d.raised, func(r Raised) bool { return r.parted != nil })
	now, prog, pc, held, changed, other := d.ctx.now, d.prog, d.pc, d.held, d.changed, d.other
	defer func() { // also if one panics: f has, then
		d.ctx.now, d.prog, d.pc, d.held, d.changed, d.other = now, prog, pc, held, changed, other
		d.user = true
	}()
	for _, r := range parted {
		if r.parted != nil {
			d.part(r)
			d.steps()
		}
	}
}

// part makes the end of the flow for one socket the event under way.
func (d *Dispatcher) part(r Raised) {
	d.other = Occurrence{Kind: KindConnEnd, Hook: PostTCP, A: uint64(EndReleased), Only: r.only}
	d.ctx.now, d.prog, d.pc, d.changed = &d.other, r.parted, 0, false
}

// Call queues a call of h, as if it were registered by reg, under the scene and
// plan in force. It comes first of all that is queued; nothing may be under way.
func (d *Dispatcher) Call(h Handler, reg Registration) {
	assert.That(d.Idle(), "a call is made between events")
	d.one[0] = op{handler: h, reg: reg.r}
	if reg.r != nil {
		d.one[0].event = reg.r.event
	}
	d.other = Occurrence{Kind: KindCustom, Hook: PostTCP}
	d.ctx.now = &d.other
	d.prog, d.pc, d.changed, d.busy = d.one[:], 0, false, true
}

// Recovered is called when Run has panicked. It reports whether a handler or
// filter did; if so, the dispatcher stands behind it, ev is the event that it
// stood on, and reg the handler's registration, or the zero value for a filter,
// which counts as having said no.
func (d *Dispatcher) Recovered() (reg Registration, ev Event, user bool) {
	if !d.user {
		return Registration{}, Event{}, false
	}
	d.user = false
	o := &d.prog[d.pc-1]
	if o.filter != nil && !d.held {
		d.pc += o.skip
		return Registration{}, Event{o.event}, true
	}
	return Registration{o.reg}, Event{o.event}, true
}
