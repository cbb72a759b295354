package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// Advance is Look and Step at once, for callers that have nothing to do in
// between: what the segment was, and what it changed. A segment that Look would
// call Renews must not come here.
func (c *Conn) Advance(sent, received *wire.Segment, d wire.Dir, r Rules) (delta Delta, look Look) {
	c.step(&delta, &look, sent, received, d, r)
	return delta, look
}

// AdvancePlain is Advance for what nearly all segments are: the next one in
// order of an established connection, with nothing about it to tell but that it
// may have acknowledged more than any before. It reports false, and does
// nothing, if the segment is not of that kind.
func (c *Conn) AdvancePlain(seg *wire.Segment, d wire.Dir) (acked, ok bool) {
	if !c.plain(seg, d) {
		return false, false
	}
	return c.stepPlain(seg, d), true
}
