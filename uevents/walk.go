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
