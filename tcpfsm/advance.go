package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// Advance is Look and Step at once, for callers that have nothing to do in
// between: what the segment was, and what it changed. A segment that Renews
// must not come here.
//
// It adds to *delta and *look, which are zero to begin with: they are too large
// to be handed back by value for every packet.
func (c *Conn) Advance(delta *Delta, look *Look, sent, received *wire.Segment, d wire.Dir, r Rules) {
	if sent != received || !c.usual(delta, look, sent, d) {
		c.step(delta, look, sent, received, d, r)
	}
}

// Plain reports whether seg, travelling in direction d, is what nearly all
// segments are: the next one in order of an established connection, with nothing
// about it to tell but that it may have acknowledged more than any before.
// Neither endpoint changes its state by it, and all of its text may enter the
// stream.
func (c *Conn) Plain(seg *wire.Segment, d wire.Dir) bool { return c.plain(seg, d) }

// AdvancePlain is Advance for a segment that is Plain.
func (c *Conn) AdvancePlain(seg *wire.Segment, d wire.Dir) { c.stepPlain(seg, d) }

// Usual is Advance for what opens and closes nearly every connection: a SYN, what
// answers it, a FIN in order on either side, and the ACKs of these, none with
// anything odd about it. It reports false, and does nothing, for any other.
func (c *Conn) Usual(delta *Delta, look *Look, seg *wire.Segment, d wire.Dir) bool {
	return c.usual(delta, look, seg, d)
}

// UsualSYN reports whether Usual takes seg, a SYN, as the first segment of all.
func UsualSYN(seg *wire.Segment) bool {
	const control = wire.SYN | wire.FIN | wire.RST | wire.ACK | wire.URG
	return seg.Flags&control == wire.SYN && seg.Len == 0 && seg.WScale <= wscaleMax
}

// Renews reports whether seg, travelling in direction d, does not belong to the
// connection but opens another one on the same key: Look.Renews, for callers
// that ask nothing else. Only a segment with SYN can.
func (c *Conn) Renews(seg *wire.Segment, d wire.Dir) bool {
	if c.origin == 0 || seg.Flags&wire.SYN == 0 {
		return false
	}
	t := turn{c: c, snd: c.end(d), rcv: c.end(d ^ 1), seg: seg, dir: d & 1}
	return t.renews()
}
