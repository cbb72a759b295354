package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// State returns the state of the endpoint that sends in direction d.
func (c *Conn) State(d wire.Dir) State { return c.ends[d&1].state }

// Start says with what kind of segment the connection was picked up; ok is
// false before the first one.
func (c *Conn) Start() (how Start, ok bool) {
	if c.origin == 0 {
		return 0, false
	}
	return Start(c.origin - 1), true
}

// Midstream reports whether the connection was picked up without its handshake.
// Then who is the client is a guess.
func (c *Conn) Midstream() bool { return c.origin == origin(StartMidstream)+1 }

// Seen reports whether a segment in direction d has been seen, RSTs aside.
func (c *Conn) Seen(d wire.Dir) bool { return c.ends[d&1].has(factSeen) }

// ISS returns the initial sequence number of direction d; ok is false if
// neither a SYN nor a SYN,ACK told it.
func (c *Conn) ISS(d wire.Dir) (iss wire.Seq, ok bool) {
	e := &c.ends[d&1]
	return e.iss(), e.hasISS()
}

// StreamStart returns the sequence number of offset 0 of the stream that
// travels in direction d: the one after its SYN, else that of the first segment
// seen. ok is false as long as there is none. It may still move while the
// stream has carried no octets: a SYN with another ISN replaces an unanswered
// one, and a SYN may come into sight after segments that were sent later.
func (c *Conn) StreamStart(d wire.Dir) (start wire.Seq, ok bool) {
	e := &c.ends[d&1]
	return e.start, e.has(factSeen)
}

// FIN returns the sequence number of the FIN of direction d, which is where its
// stream ends; once known, it never changes.
func (c *Conn) FIN(d wire.Dir) (fin wire.Seq, ok bool) {
	if !c.ends[d&1].has(factFIN) {
		return 0, false // without a look at the half that few segments need
	}
	return c.rest[d&1].fin, true
}

// FINReceived reports whether the FIN of direction d, and so all that was sent
// before it, has reached its receiver.
func (c *Conn) FINReceived(d wire.Dir) bool { return c.ends[(d^1)&1].has(factFINRcvd) }

// SndUNA returns SND.UNA of the endpoint that sends in direction d: what its
// peer has acknowledged. ok is false while nothing is known of it.
func (c *Conn) SndUNA(d wire.Dir) (una wire.Seq, ok bool) {
	e := &c.ends[d&1]
	return e.sndUNA, e.has(factKnown)
}

// SndNXT returns SND.NXT of the endpoint that sends in direction d: the end of
// what it has sent. ok is false while nothing is known of it.
func (c *Conn) SndNXT(d wire.Dir) (nxt wire.Seq, ok bool) {
	e := &c.ends[d&1]
	return e.sndNXT, e.has(factKnown)
}

// RcvNXT returns RCV.NXT of the endpoint that sends in direction d: what it has
// received of the other direction. ok is false while nothing is known of it.
func (c *Conn) RcvNXT(d wire.Dir) (nxt wire.Seq, ok bool) {
	return c.ends[d&1].rcvNXT, c.ends[(d^1)&1].has(factKnown)
}

// Window returns the window that the endpoint sending in direction d advertised
// last, in octets. ok is false if it advertised none yet, or if its scale is
// not known because a SYN was not seen; then octets is not scaled.
func (c *Conn) Window(d wire.Dir) (octets uint32, ok bool) {
	e := &c.ends[d&1]
	if !e.has(factEdge | factBelieved) {
		return uint32(e.wnd), false
	}
	return uint32(e.wnd) << e.shift(), true
}

// WScale returns the window scale in force for the windows that the endpoint
// sending in direction d advertises; ok is false if a SYN that would tell was
// not seen.
func (c *Conn) WScale(d wire.Dir) (shift uint8, ok bool) {
	e := &c.ends[d&1]
	return e.shift(), e.has(factBelieved)
}

// MSS returns the maximum segment size that the SYN or SYN,ACK of direction d
// announced, in octets (RFC 9293 §3.7.1).
func (c *Conn) MSS(d wire.Dir) (octets uint16, ok bool) {
	e := &c.ends[d&1]
	return c.mss[d&1], e.has(factMSS)
}

// SACKOK reports whether both SYNs permitted selective acknowledgments (RFC
// 2018 §2).
func (c *Conn) SACKOK() bool { return c.ends[0].facts&c.ends[1].facts&factSACK != 0 }

// Timestamps reports whether timestamps are in use: both SYNs offered them, or
// both endpoints of a connection picked up later send them (RFC 7323 §3.2).
func (c *Conn) Timestamps() bool {
	both := c.ends[0].facts & c.ends[1].facts
	return both&factTSOffer != 0 || both&factTSRecent != 0 && c.origin != origin(StartSYN)+1
}

// Exact reports whether all holes in direction d's stream are known. Where it
// is false, too many were open at a time, and late octets of one that was
// forgotten count as sent before.
func (c *Conn) Exact(d wire.Dir) bool { return !c.ends[d&1].has(factForgot) }

// HasEstablished reports whether Delta.Established has been said: both endpoints
// have been in ESTABLISHED, wherever they are now.
func (c *Conn) HasEstablished() bool { return c.marks&markEstablished != 0 }

// Phase says how far the connection has come.
func (c *Conn) Phase() Phase {
	a, b := &c.ends[0], &c.ends[1]
	switch {
	case c.marks&markOver != 0:
		return PhaseClosed
	case (a.facts|b.facts)&factFIN != 0:
		return PhaseClosing
	case a.facts&b.facts&factSeen == 0 && c.origin != origin(StartSYN)+1:
		return PhaseOneSided
	case a.rising() || b.rising():
		return PhaseEmbryonic
	case a.facts&b.facts&factSeen == 0:
		return PhaseOneSided
	}
	return PhaseEstablished
}

// rising reports whether the endpoint's handshake is not complete. What an
// untracked endpoint would be is told by what has been acknowledged of it.
func (e *tcb) rising() bool {
	if e.state == Untracked {
		return !e.has(factAcked)
	}
	return e.state < Established
}
