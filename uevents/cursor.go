package uevents

import (
	"errors"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// cursors is how far each socket has read both sides of a flow.
var cursors = NewKey[[SocketsMax][2]uint64]()

// Read reads a side's stream from where the socket's last Read of it ended, and
// returns how many octets it read: 0 if none has come since. Octets that were
// given up or are no longer held are passed over: what Read returns begins at
// the offset that the second result names.
//
// Without Socket.KeepStream only the octets of the event at hand and those that
// wait for a hole can be read.
func (c *Context) Read(side wire.Dir, p []byte) (n int, off uint64, err error) {
	if c.reg() == nil || !c.engine.HasFlow() {
		return 0, 0, ErrNoFlow
	}
	at := &cursors.Of(c)[c.reg().socket.index][side&1]
	for {
		n, err = c.engine.ReadAt(side, *at, p)
		var gone *buffers.GoneError
		if n > 0 || !errors.As(err, &gone) || !gone.Held {
			break
		}
		*at = gone.Next
	}
	off = *at
	*at += uint64(n)
	if n > 0 || errors.Is(err, buffers.ErrHole) {
		err = nil
	}
	return n, off, err
}

// Seek sets where the socket's next Read of a side begins.
func (c *Context) Seek(side wire.Dir, off uint64) error {
	if c.reg() == nil || !c.engine.HasFlow() {
		return ErrNoFlow
	}
	cursors.Of(c)[c.reg().socket.index][side&1] = off
	return nil
}
