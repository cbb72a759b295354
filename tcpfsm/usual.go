package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// usual is step, in a fraction of the steps, for the segments that open and
// close nearly every connection: a SYN, the SYN,ACK that answers it, the ACK of
// that, a FIN in order on each side, and what acknowledges them. It reports
// false, having changed nothing, for any other.
//
// Each case begins with all that must be so, and then writes down what step
// would find out. step is its slow twin: FuzzStep and TestUsualIsStep hold them
// against each other.
func (c *Conn) usual(delta *Delta, look *Look, seg *wire.Segment, d wire.Dir) bool {
	const control = wire.SYN | wire.FIN | wire.RST | wire.ACK | wire.URG
	snd, rcv := &c.ends[d&1], &c.ends[(d^1)&1]
	from, to := [2]State{c.ends[0].state, c.ends[1].state}, &delta.To
	ok := false
	switch seg.Flags & control {
	case wire.SYN:
		from = [2]State{Listen, Listen}
		from[d&1] = Closed
		ok = c.usualSYN(snd, rcv, seg, d, delta)
	case wire.SYN | wire.ACK:
		ok = c.usualSYNACK(snd, rcv, seg, d, delta)
	case wire.ACK, wire.ACK | wire.FIN:
		ok = snd.inStep(rcv, seg) && (seg.Flags&wire.FIN == 0 && c.usualACK(snd, rcv, seg, d, delta) || c.usualFIN(snd, rcv, seg, d, delta))
	}
	if !ok {
		return false
	}
	delta.From[0], delta.From[1] = from[0], from[1]
	to[0], to[1] = c.ends[0].state, c.ends[1].state
	look.TakeLen, look.Anomalies = seg.Len, delta.Anomalies
	return true
}

// usualSYN is the first segment of all: a SYN without text.
func (c *Conn) usualSYN(snd, rcv *tcb, seg *wire.Segment, d wire.Dir, delta *Delta) bool {
	if c.origin != 0 || !UsualSYN(seg) {
		return false
	}
	c.origin = origin(StartSYN) + 1
	snd.state, rcv.state = Closed, Listen
	snd.begin(seg.Seq)
	snd.sndNXT++
	snd.set(factSYN)
	c.options(seg, d)
	snd.scale(rcv)
	rcv.scale(snd)
	snd.wnd = seg.Wnd
	delta.Anomalies |= snd.apply(1 << sndSYN)
	delta.Anomalies |= rcv.apply(1 << rcvSYN)
	rcv.rcvNXT = snd.sndNXT
	rcv.echo(seg)
	return true
}

// usualSYNACK answers a SYN without text, with none.
func (c *Conn) usualSYNACK(snd, rcv *tcb, seg *wire.Segment, d wire.Dir, delta *Delta) bool {
	const strange = factSYNText | factPending | factStale | factForgot | factFar | factFIN | factFINFlag | factRST | factHoles
	if c.origin != origin(StartSYN)+1 || seg.Len > 0 || seg.WScale > wscaleMax || seg.Urg != 0 ||
		snd.state != SynReceived || rcv.state != SynSent ||
		snd.facts&^(factTSRecent|factBelieved) != 0 || rcv.facts&(strange|factAcked|factEdge|factTSRecent) != 0 || rcv.facts&factSYN == 0 ||
		seg.Ack != rcv.start || rcv.sndNXT != rcv.start || snd.rcvNXT != rcv.start {
		return false
	}
	snd.begin(seg.Seq)
	snd.sndNXT++
	snd.set(factSYNACK | factEdge)
	c.options(seg, d)
	snd.scale(rcv)
	rcv.scale(snd)
	snd.wnd, snd.edge = seg.Wnd, seg.Ack.Add(uint32(seg.Wnd)) // not scaled: RFC 7323 §2.2
	rcv.edge = snd.sndNXT.Add(uint32(rcv.wnd))
	rcv.set(factEdge | factAcked)
	rcv.sndUNA, rcv.rcvNXT = seg.Ack, snd.sndNXT
	delta.Acked = true
	delta.Anomalies |= snd.apply(1 << sndSYNACK)
	delta.Anomalies |= rcv.apply(1 << rcvSYNACK)
	rcv.echo(seg)
	return true
}

// inStep reports whether the segment is the next in order on a connection on
// which both sides know all that the other has sent, within the window, with a
// valid timestamp, and not moving the window's edge to the left. A FIN may be
// among it.
func (snd *tcb) inStep(rcv *tcb, seg *wire.Segment) bool {
	const needed = factSeen | factKnown | factEdge | factBelieved
	const strange = factPending | factStale | factForgot | factFar | factRST | factSYNText | factHoles
	if snd.facts&rcv.facts&needed != needed || (snd.facts|rcv.facts)&strange != 0 {
		return false
	}
	end := seg.End()
	edge := snd.edgeBy(seg)
	if seg.Seq != snd.sndNXT || rcv.rcvNXT != seg.Seq || seg.Ack != rcv.sndNXT || snd.rcvNXT != seg.Ack ||
		rcv.edge.Less(end) || edge.Less(snd.edge) ||
		max(uint32(end-snd.start), uint32(seg.Ack-rcv.start)) > windowMax/2 {
		return false
	}
	if seg.Opts&wire.OptTimestamp == 0 {
		return !rcv.has(factTSRecent) && snd.facts&rcv.facts&factTSOffer == 0
	}
	return rcv.has(factTSRecent) && int32(seg.TSVal-rcv.tsRecent) >= 0
}

// usualACK is the third segment of the handshake, and the last of a connection
// that both sides have closed.
func (c *Conn) usualACK(snd, rcv *tcb, seg *wire.Segment, d wire.Dir, delta *Delta) bool {
	switch {
	case seg.Len > 0:
		return false
	case snd.state == Established && rcv.state == SynReceived && (snd.facts|rcv.facts)&(factFIN|factFINFlag) == 0 &&
		rcv.sndNXT == rcv.start && rcv.hasISS() && snd.facts&factAcked != 0 && rcv.facts&factAcked == 0:
		snd.acks(rcv, seg, delta)
		delta.Anomalies |= rcv.apply(1 << rcvAckOfSYN)
		if c.marks&markEstablished == 0 && snd.facts&rcv.facts&factRose != 0 {
			c.marks |= markEstablished
			delta.Established = true
		}
		c.marks |= markPlain
	case (snd.state == TimeWait || snd.state == Untracked) && rcv.state == LastAck && rcv.has(factFIN) && c.rest[(d^1)&1].fin+1 == seg.Ack && snd.has(factFIN|factFINRcvd) &&
		!rcv.has(factFINAcked) && c.marks&markOver == 0:
		snd.acks(rcv, seg, delta)
		rcv.set(factFINAcked)
		delta.Anomalies |= rcv.apply(1 << rcvAckOfFIN)
		c.marks |= markOver
		delta.Closed = true
	default:
		return false
	}
	return true
}

// usualFIN closes the sender's side: the first to do so, or the second, of which
// the FIN acknowledges the first one's.
func (c *Conn) usualFIN(snd, rcv *tcb, seg *wire.Segment, d wire.Dir, delta *Delta) bool {
	const control = wire.FIN | wire.ACK
	first := snd.state.open() && rcv.state.open() && c.marks&markPlain != 0
	second := (snd.state == CloseWait || snd.state == Untracked) && (rcv.state == FinWait1 || rcv.state == Untracked) && rcv.has(factFIN) && c.rest[(d^1)&1].fin+1 == seg.Ack &&
		!rcv.has(factFINAcked) && snd.has(factFINRcvd) && snd.facts&(factFIN|factFINFlag) == 0
	if !first && !second || seg.Flags&control != control || snd.any(factFIN|factFINFlag) {
		return false
	}
	end := seg.End()
	snd.acks(rcv, seg, delta)
	c.rest[d&1].fin, snd.sndNXT = end-1, end
	snd.set(factFIN | factFINFlag)
	delta.Anomalies |= snd.apply(1 << sndFIN)
	if second {
		rcv.set(factFINAcked)
		delta.Anomalies |= rcv.apply(1 << rcvAckOfFIN)
	}
	rcv.rcvNXT = end
	rcv.set(factFINRcvd)
	delta.Anomalies |= rcv.apply(1 << rcvFIN)
	c.marks &^= markPlain
	if c.marks&markOver == 0 && c.over(false) { // the other side, and this one is untracked
		c.marks |= markOver
		delta.Closed = true
	}
	return true
}

// acks takes what a segment that is in step says of the other side's octets, and
// of its own window and time.
func (snd *tcb) acks(rcv *tcb, seg *wire.Segment, delta *Delta) {
	snd.edge, snd.wnd = snd.edgeBy(seg), seg.Wnd
	rcv.set(factAcked)
	delta.Acked = rcv.sndUNA != seg.Ack
	rcv.sndUNA = seg.Ack
	rcv.echo(seg)
}

// echo keeps TS.Recent of a segment that is not beyond what has been received.
func (rcv *tcb) echo(seg *wire.Segment) {
	if seg.Opts&wire.OptTimestamp != 0 {
		rcv.tsRecent = seg.TSVal
		rcv.set(factTSRecent)
	}
}
