package uevents

import (
	"fmt"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/wire"
)

// Engine is what a Context acts on: the shard that owns the flow at hand. All
// its methods concern that flow and are called from its handlers alone.
type Engine interface {
	Shard() int
	HasFlow() bool
	Flow() Flow
	Evidence() Evidence
	Counters(side wire.Dir) Counters
	RTT() RTT
	FirstSeen() int64
	LastActive() int64
	FirstFrame() uint64
	Clock() int64

	Each(socket uint8, from, to int, f func(*tcpfsm.Conn))
	Place() Place
	Visit(socket uint8, all []Place, f func(Place, *tcpfsm.Conn))
	Apply(Change) error
	Drop()
	ReadAt(side wire.Dir, off uint64, p []byte) (int, error)
	Held(side wire.Dir, dst []buffers.Range) []buffers.Range
	Buffered(side wire.Dir) Buffered
	SetPolicy(buffers.Policy) error
	SetBuffer(side wire.Dir, octets uint64) error
	Arm(after time.Duration, socket uint8, ofShard bool) (Timer, error)
	Disarm(Timer) bool
	Value(key uint64) any
	SetValue(key uint64, v any)
	Offload(reg Registration, work func() any, then func(*Context, any)) error
}

// Timer names a timer that a handler armed.
type Timer uint64

// Buffered is what is held of one side's stream.
type Buffered struct {
	Next    uint64 // stream offset after the last octet delivered or given up
	Pending uint64 // octets held beyond a hole
	Holes   int    // ranges missing below them
	Kept    uint64 // delivered octets that can still be read
	Limit   uint64 // octets that may be held in all
}

// Context is what a handler knows of the event it is called with, and what it
// can do about it. It is lent: neither it nor octets reached through it may be
// kept after the handler has returned. Only Context's own methods may be called
// in a handler; calls on the Stack that would wait for a shard fail there.
type Context struct {
	now    *Occurrence    // in the dispatcher; never nil in a handler
	at     *buffers.Frame // nil where none is at hand
	conn   *tcpfsm.Conn
	number uint64
	tcp    wire.TCP // header of the segment at hand; nil: there is none
	sub    uint32
	phase  Phase
	sender wire.Dir

	datagram bool
	shard    int
	clock    int64 // ns; valid iff no frame is at hand
	engine   Engine
	d        *Dispatcher
	lent     []byte // checked builds: the copy of the frame that a handler sees; nil outside of handlers
}

// Scene describes what the following occurrences are about where no packet is at
// hand: a timer, a timeout, the end. EnterFrame is for packets.
type Scene struct {
	Conn   *tcpfsm.Conn // nil where the flow is not TCP
	Clock  int64        // ns, the source's clock
	Number uint64       // of a timer: the FlowID
	Phase  Phase
}

// Enter sets the scene for the occurrences that follow.
func (d *Dispatcher) Enter(s *Scene) {
	c := &d.ctx
	if c.number != s.Number || c.phase != s.Phase || c.datagram {
		c.sub = 0
	}
	c.at, c.tcp, c.conn = nil, nil, s.Conn
	c.clock, c.number, c.phase = s.Clock, s.Number, s.Phase
	c.sender, c.datagram = wire.ToServer, false // nobody has sent anything
}

// EnterFrame sets the scene of a frame, a packet of the flow whose endpoints are
// conn (nil where it is not TCP).
func (d *Dispatcher) EnterFrame(f *buffers.Frame, conn *tcpfsm.Conn, sender wire.Dir) {
	c := &d.ctx
	datagram := f.Role == buffers.RoleDatagram
	if c.number != f.Number || c.phase != PhaseFrame || c.datagram != datagram {
		c.sub = 0
		if datagram {
			c.sub = datagramSub
		}
	}
	c.at, c.conn, c.tcp = f, conn, nil
	c.number, c.phase, c.sender, c.datagram = f.Number, PhaseFrame, sender, datagram
	if p := &f.Packet; p.Outcome == wire.Whole && p.Key.Proto == wire.ProtoTCP && p.Marks&wire.MarkICMPError == 0 {
		c.tcp = f.Data[p.TransportOff:]
	}
}

// EnterSegment is EnterFrame for a whole packet that is a segment of TCP.
func (d *Dispatcher) EnterSegment(f *buffers.Frame, conn *tcpfsm.Conn, sender wire.Dir) {
	c := &d.ctx
	if c.number != f.Number || c.phase != PhaseFrame || c.datagram {
		c.sub = 0
	}
	c.at, c.conn, c.tcp = f, conn, f.Data[f.Packet.TransportOff:]
	c.number, c.phase, c.sender, c.datagram = f.Number, PhaseFrame, sender, false
}

// NoPacket makes the scene one without a packet, at the same place in the order
// of events: what ends because of the packet at hand is not about it.
func (d *Dispatcher) NoPacket() {
	c := &d.ctx
	c.clock = c.time()
	c.at, c.tcp, c.sender = nil, nil, 0
}

// Phase returns what is going on at the scene's time.
func (d *Dispatcher) Phase() Phase { return d.ctx.phase }

// datagramSub is where Order.Sub begins for a reassembled datagram, which bears
// the number of its last fragment and comes after it, perhaps on another shard.
const datagramSub = 1 << 31

// Event returns the event that the handler stands on; in a filter, the event
// that is being decided.
func (c *Context) Event() Event { return Event{c.op().event} }

// op returns the step of a program that is running. Few handlers ask for it, so
// that it is not written down for all of them.
func (c *Context) op() *op {
	d := c.d
	if n := d.pc - 1; uint(n) < uint(len(d.prog)) {
		return &d.prog[n]
	}
	return &d.one[0]
}

// reg returns the registration of the handler that is running, nil in a filter.
func (c *Context) reg() *registration {
	if o := c.op(); o.filter == nil || c.d.held {
		return o.reg
	}
	return nil
}

// Base returns the built-in event at the root of Event.
func (c *Context) Base() Kind { return c.now.Kind }

// Hook returns whether the event is raised before or after the TCP state changes.
func (c *Context) Hook() Hook { return c.now.Hook }

// Side returns the endpoint that the event is about, by the direction it sends
// in: the packet's sender, the stream's sender, the endpoint that changed.
func (c *Context) Side() wire.Dir { return c.now.Side }

// Sender returns the endpoint that has sent the packet at hand, ToServer where
// there is none. Side may be the other one: an acknowledgement can make the octets
// of its receiver available.
func (c *Context) Sender() wire.Dir { return c.sender }

// Socket returns the socket whose handler is running, nil in a filter.
func (c *Context) Socket() *Socket {
	if r := c.reg(); r != nil {
		return r.socket
	}
	return nil
}

// Registration returns the handler's own registration.
func (c *Context) Registration() Registration { return Registration{c.reg()} }

// Shard returns the number of the shard that runs the handler.
func (c *Context) Shard() int { return c.shard }

// Now returns the source's clock: the packet's arrival, or a timer's deadline.
func (c *Context) Now() time.Time { return time.Unix(0, c.time()) }

// time returns the source's clock, in ns.
func (c *Context) time() int64 {
	if c.at != nil {
		return c.at.Clock
	}
	return c.clock
}

// Timestamp returns when the packet arrived as the capture says, which unlike
// Now may run backwards. Without a packet it is Now.
func (c *Context) Timestamp() time.Time {
	if c.at != nil {
		return time.Unix(0, c.at.Timestamp)
	}
	return time.Unix(0, c.clock)
}

// Number returns the ordinal of the packet's frame in its source, from 1; 0
// where no packet is at hand.
func (c *Context) Number() uint64 {
	if c.at == nil {
		return 0
	}
	return c.number
}

// Packet returns what the parser found in the frame at hand, nil if there is
// none (timers, timeouts, the end). Its offsets count in Frame.
func (c *Context) Packet() *wire.Packet {
	if c.at == nil {
		return nil
	}
	return &c.at.Packet
}

// Frame returns the octets of the frame at hand, outermost header first; of a
// reassembled datagram the IP packet. Lent.
func (c *Context) Frame() []byte {
	switch {
	case c.at == nil:
		return nil
	case assert.Enabled && c.lent != nil:
		return c.lent
	}
	return c.at.Data
}

// TCP returns the header of the segment at hand, nil if there is none. Lent.
func (c *Context) TCP() wire.TCP {
	if assert.Enabled && c.tcp != nil {
		return c.Frame()[c.at.Packet.TransportOff:]
	}
	return c.tcp
}

// Payload returns the octets of the event: of OnNewData the octets that became
// available, else the captured payload of the packet at hand. Lent.
func (c *Context) Payload() []byte {
	if c.now.Kind == KindNewData {
		return c.now.Data
	}
	if c.at == nil || c.at.Packet.Outcome != wire.Whole {
		return nil
	}
	return c.at.Packet.Payload(c.Frame())
}

// Offset returns the stream offset of Payload (OnNewData), of the gap (OnGap) or
// of the repeated octets (OnRexmit). Offset 0 is the first octet after the SYN,
// or the first one seen.
func (c *Context) Offset() uint64 { return c.now.Off }

// Rexmit returns what the segment repeats. Of OnRexmit only.
func (c *Context) Rexmit() Rexmit {
	r := c.now.rexmit()
	text := c.Payload()
	from := min(int(r.At), len(text))
	r.Repeat = text[from:min(from+len(r.Original), len(text))]
	return r
}

// From returns the state that the endpoint Side has left. Of OnStateChange only.
func (c *Context) From() tcpfsm.State { return tcpfsm.State(c.now.A) }

// To returns the state that the endpoint Side has entered. Of OnStateChange only.
func (c *Context) To() tcpfsm.State { return tcpfsm.State(c.now.B) }

// Anomaly returns what happened. Of OnAnomaly only.
func (c *Context) Anomaly() tcpfsm.Anomaly { return tcpfsm.Anomaly(c.now.A) }

// Gap returns the octets that were given up. Of OnGap only.
func (c *Context) Gap() Gap {
	return Gap{Offset: c.now.Off, Len: c.now.A, Why: GapReason(c.now.B)}
}

// Reason returns why the flow ended. Of OnConnEnd only.
func (c *Context) Reason() EndReason { return EndReason(c.now.A) }

// ICMP returns type and code of the error that quotes the flow. Of OnICMPError only.
func (c *Context) ICMP() (typ, code uint8) { return uint8(c.now.A), uint8(c.now.B) }

// Timer returns the timer that is due. Of OnTimer only.
func (c *Context) Timer() Timer { return Timer(c.now.A) }

// Value returns what was given to Raise. Of events made by NewEvent and those
// that stand on them.
func (c *Context) Value() any {
	if c.now.Custom == nil {
		return nil
	}
	return c.now.Custom.Value
}

// Flow returns a value that names the flow and may be kept. It is the zero
// value where there is no flow (raw sockets, orphans).
func (c *Context) Flow() Flow { return c.engine.Flow() }

// State returns the TCP state of an endpoint: Untracked where every socket has
// stopped that side, Closed where the flow is not TCP.
func (c *Context) State(side wire.Dir) tcpfsm.State {
	if c.conn == nil {
		return tcpfsm.Closed
	}
	return c.conn.State(side)
}

// Conn returns the state of both endpoints, nil where the flow is not TCP. Lent,
// and not to be changed.
func (c *Context) Conn() *tcpfsm.Conn { return c.conn }

// Evidence returns what qualifies the flow's record so far.
func (c *Context) Evidence() Evidence { return c.engine.Evidence() }

// Counters returns what an endpoint has sent so far; on PreTCP, before the
// packet at hand.
func (c *Context) Counters(side wire.Dir) Counters { return c.engine.Counters(side) }

// RTT returns the round-trip times of the handshake.
func (c *Context) RTT() RTT { return c.engine.RTT() }

// FirstSeen returns the clock at the flow's first packet.
func (c *Context) FirstSeen() time.Time { return time.Unix(0, c.engine.FirstSeen()) }

// LastActive returns the clock at the flow's latest packet; on PreTCP, the one
// before the packet at hand.
func (c *Context) LastActive() time.Time { return time.Unix(0, c.engine.LastActive()) }

// FirstFrame returns the ordinal of the flow's first frame in its source.
func (c *Context) FirstFrame() uint64 { return c.engine.FirstFrame() }

// Drop discards the segment at hand, as if it had been lost here: its sender has
// sent it, its receiver never sees it, its octets never enter the stream. On a
// capture or a passive interface that is a labelled what-if. PreTCP only, on the
// events of a flow's packets; elsewhere it is ErrHook.
func (c *Context) Drop() error {
	if c.now.Hook != PreTCP || c.reg() == nil || !c.engine.HasFlow() {
		return fmt.Errorf("%w: a segment is dropped PreTCP, on a flow", ErrHook)
	}
	c.engine.Drop()
	return nil
}

// Raise raises an event made by NewEvent after the event at hand, on the same
// hook and side. What it raises in turn comes after it, to a depth of 16, beyond
// which Raise fails with ErrRaiseDepth.
func (c *Context) Raise(ev Event, value any) error {
	if ev.def == nil || ev.def.kind != KindCustom || ev.def.base != nil {
		return fmt.Errorf("%w: only events made by NewEvent can be raised, not %s", ErrEvent, ev)
	}
	depth := 1
	if c.now.Custom != nil {
		depth = c.now.Custom.depth + 1
	}
	if depth > raiseDepthMax {
		return ErrRaiseDepth
	}
	c.d.raised = append(c.d.raised, Raised{Event: ev, Value: value, depth: depth, hook: c.now.Hook, side: c.now.Side})
	return nil
}
