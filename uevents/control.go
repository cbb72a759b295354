package uevents

import (
	"fmt"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// What a handler changes here is for its own socket and this flow alone, and
// takes effect when it returns: what is left of the event at hand loses the
// handlers that are gone, and later events are run by the new state of things.

func (c *Context) apply(ch Change) error {
	if c.reg() == nil || !c.engine.HasFlow() {
		return ErrNoFlow
	}
	ch.Socket = c.reg().socket.index
	return c.engine.Apply(ch)
}

func (c *Context) own(reg Registration) error {
	if c.reg() == nil || reg.r == nil || reg.r.socket != c.reg().socket {
		return ErrForeign
	}
	return nil
}

// Register registers h on an event and hook for this flow alone, from the next
// event on.
func (c *Context) Register(ev Event, hook Hook, h Handler) (Registration, error) {
	if c.reg() == nil {
		return Registration{}, ErrNoFlow
	}
	sock := c.reg().socket
	if err := sock.check(ev, hook, h); err != nil {
		return Registration{}, err
	}
	r := Registration{&registration{id: localID, socket: sock, event: ev.def, hook: hook, handler: h, local: true}}
	return r, c.apply(Change{Kind: ChangeAdd, Reg: r})
}

// localID is the id of registrations that belong to one flow: no list of
// changes names them, as they are added and taken away themselves.
const localID = 0

// Enable switches a handler of this socket on for this flow: one made by
// Socket.Prepare, or one that Disable switched off.
func (c *Context) Enable(reg Registration) error {
	if err := c.own(reg); err != nil {
		return err
	}
	return c.apply(Change{Kind: ChangeEnable, Reg: reg})
}

// Disable switches a handler of this socket off for this flow, its own
// included. A handler registered for this flow alone is gone for good.
func (c *Context) Disable(reg Registration) error {
	if err := c.own(reg); err != nil {
		return err
	}
	return c.apply(Change{Kind: ChangeDisable, Reg: reg})
}

// Stop ends following what a side sends: no more events of that side. When all
// sockets have, the endpoint is not stepped any more and its state reads
// Untracked; the flow still ends by the other side, a RST or idling.
func (c *Context) Stop(side wire.Dir) error {
	return c.apply(Change{Kind: ChangeStop, Side: side})
}

// SetReassembly switches the reassembly of what a side sends on or off, for
// octets that arrive later. Memory goes when the last socket has let go.
func (c *Context) SetReassembly(side wire.Dir, on bool) error {
	kind := ChangePlain
	if on {
		kind = ChangeReassemble
	}
	return c.apply(Change{Kind: kind, Side: side})
}

// Release lets go of the flow: it ends for this socket. OnConnEnd, with
// EndReleased, is what it is told next and last, unless OnConnStart had not come
// yet. When all sockets have let go, the flow's state goes too, but for a mark
// that keeps later segments from being taken for a new connection.
func (c *Context) Release() error {
	return c.apply(Change{Kind: ChangeRelease})
}

// SetPolicy chooses which copy of overlapping octets counts, for octets that
// arrive later. The policy is the flow's: where another socket or the
// configuration has chosen a different one it is ErrPolicySet.
func (c *Context) SetPolicy(p buffers.Policy) error {
	if !c.engine.HasFlow() {
		return ErrNoFlow
	}
	return c.engine.SetPolicy(p)
}

// SetBuffer sets how much room there is to hold a side's octets out of order and
// for history, from now on, in octets with what it takes to hold them. By default
// it is Config.StreamMax. Where other sockets share the flow a wish can only make
// it larger.
func (c *Context) SetBuffer(side wire.Dir, octets uint64) error {
	if !c.engine.HasFlow() {
		return ErrNoFlow
	}
	return c.engine.SetBuffer(side, octets)
}

// Buffered returns what is held of a side's stream.
func (c *Context) Buffered(side wire.Dir) Buffered { return c.engine.Buffered(side) }

// ReadAt reads a side's stream at an offset: what is being delivered, what is
// kept, and what is held out of order. Where it reads fewer octets than asked for
// it says why: a *buffers.GoneError, lent, where they are no longer held, with
// the next offset that is; buffers.ErrHole where they have not come.
func (c *Context) ReadAt(side wire.Dir, off uint64, p []byte) (int, error) {
	return c.engine.ReadAt(side, off, p)
}

// Held appends the ranges of a side's stream that ReadAt can read to dst.
func (c *Context) Held(side wire.Dir, dst []buffers.Range) []buffers.Range {
	return c.engine.Held(side, dst)
}

// Arm raises OnTimer on this flow, for this socket, when the source's clock has
// moved on by d, exactly: before the first packet at or after that time, and
// timers that are due before one packet in the order of their times. No time at
// all counts as a nanosecond, and in a handler of OnTimer less than a millisecond
// as one. Timers end with their flow. The number of timers of a flow is limited;
// beyond it is ErrBusy.
func (c *Context) Arm(d time.Duration) (Timer, error) {
	if c.reg() == nil || !c.engine.HasFlow() {
		return 0, ErrNoFlow
	}
	return c.engine.Arm(d, c.reg().socket.index, false)
}

// ArmShard is Arm for a timer of the shard, which belongs to no flow.
func (c *Context) ArmShard(d time.Duration) (Timer, error) {
	if c.reg() == nil {
		return 0, ErrNoFlow
	}
	return c.engine.Arm(d, c.reg().socket.index, true)
}

// Disarm cancels a timer. It reports whether the timer was still to come.
func (c *Context) Disarm(t Timer) bool { return c.engine.Disarm(t) }

// Offload runs work on a pool of goroutines beside the shards, and then hands
// its result to then, back on the flow's shard, if the flow still lives. It
// never waits: with the pool full it is ErrBusy. Work must not touch the
// Context or lent octets: copy what it needs.
func (c *Context) Offload(work func() any, then func(c *Context, result any)) error {
	if c.reg() == nil || !c.engine.HasFlow() {
		return ErrNoFlow
	}
	if work == nil || then == nil {
		return fmt.Errorf("%w: Offload needs work and what is done then", ErrHandler)
	}
	return c.engine.Offload(Registration{c.reg()}, work, then)
}
