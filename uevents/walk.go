package uevents

import (
	"fmt"
	"time"

	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/wire"
)

// Clock returns the source's clock: Now, but for a timer, which may be due long
// before the frame that shows that its time has come. Between Now and Clock the
// shard has no frame.
func (c *Context) Clock() time.Time { return time.Unix(0, c.engine.Clock()) }

// Place says where a flow is to be found without a search: as long as it lives,
// and its slot stays with the shard. The zero value is nowhere.
type Place struct {
	ID FlowID
	At uint32 // record of the shard
}

// Place returns the flow's.
func (c *Context) Place() Place { return c.engine.Place() }

// VisitFlows is EachFlow for the flows of the handler's socket that lie at some
// places. It returns those places, in the memory of all, at which f asked to keep
// the flow; where there is none any more f is not called.
func (c *Context) VisitFlows(all []Place, f func(c *Context) (keep bool)) (kept []Place, err error) {
	if c.reg() == nil || c.at != nil || c.engine.HasFlow() {
		return all, fmt.Errorf("%w: flows are visited by a timer of the shard", ErrHook)
	}
	conn := c.conn
	defer func() { c.conn = conn }()
	keep := false
	visit := func() { keep = f(c) }
	kept = all[:0]
	c.engine.Visit(c.reg().socket.index, all, func(at Place, conn *tcpfsm.Conn) {
		c.conn, keep = conn, false
		if c.d.tell(visit); keep {
			kept = append(kept, at)
		}
	})
	return kept, nil
}

// EachFlow calls f with a Context of every flow of the handler's socket that the
// shard owns, in the slots from <= slot < to: 0 and wire.SlotCount are all of
// them. The order is arbitrary. f may read, set values and change what is
// tracked of the flow, as a handler may.
//
// It is for timers of a shard (ArmShard), which are about no flow: where a flow
// is at hand it is ErrHook. A shard that has many flows does nothing else
// meanwhile; on a live source, look at some slots at a time.
func (c *Context) EachFlow(from, to int, f Handler) error {
	if c.reg() == nil || c.at != nil || c.engine.HasFlow() {
		return fmt.Errorf("%w: flows are walked by a timer of the shard", ErrHook)
	}
	from, to = max(from, 0), min(to, wire.SlotCount)
	conn := c.conn
	defer func() { c.conn = conn }()
	visit := func() { f(c) }
	c.engine.Each(c.reg().socket.index, from, to, func(conn *tcpfsm.Conn) {
		c.conn = conn
		c.d.tell(visit)
	})
	return nil
}
