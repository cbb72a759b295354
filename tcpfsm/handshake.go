package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// renews reports whether the segment opens another connection on the key.
//
// A SYN does if the old connection may be over: any RST was seen, or a FIN from
// both (RFC 9293 §3.6.1 asks TIME-WAIT for a larger ISN, which random ISNs do
// not keep to, so any other one will do). The same ISN is a retransmission,
// unless a RST closed its sender, which then tries again.
//
// Else the connection may be alive, and its peer decides: one that answers the
// SYN with a SYN,ACK has none, while a live one sends an ACK (RFC 5961 §4).
func (t *turn) renews() bool {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	switch kindOf(seg.Flags) {
	case kindSYN:
		ended := snd.any(factRST) || rcv.any(factRST) || snd.has(factFINFlag) && rcv.has(factFINFlag)
		switch {
		case !ended, !snd.has(factSeen) && !rcv.has(factSeen):
			return false
		case !snd.has(factSeen):
			return !snd.has(factKnown) || seg.Seq+1 != snd.sndUNA
		case snd.hasISS() && seg.Seq == snd.iss():
			return snd.state == Closed && (snd.any(factRST) || rcv.any(factRST))
		}
		return snd.hasISS() || seg.Seq+1 != snd.start
	case kindSYNACK:
		return rcv.has(factPending) && seg.Ack == rcv.otherISS+1 && !t.undecided(rcv)
	}
	return false
}

// undecided reports whether e's SYN may still give way to another one of e: it
// was not answered, and carried nothing.
func (t *turn) undecided(e endpoint) bool {
	return e.state == SynSent && e.unackedSYN() && e.sndNXT == e.start
}

// sentSYN shows a SYN without ACK to its sender.
func (t *turn) sentSYN() {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	t.hello()
	if seg.Len > 0 && seg.Opts&wire.OptTFO == 0 {
		t.strange(DataOnSyn)
	}
	switch {
	case snd.hasISS() && seg.Seq == snd.iss():
		t.repeated(RexmitSYN)
		snd.set(factSYN)
	case t.late():
		t.join(factSYN)
	case t.unopened():
		if snd.state == SynReceived {
			t.strange(FourWayHandshake)
		}
		t.open(factSYN, sndSYN)
	case t.undecided(snd) && !rcv.has(factSeen):
		// The opener tries again with another ISN. The newest counts until an
		// answer says which one arrived.
		t.strange(SynResendDiffSeq)
		snd.otherISS = snd.iss()
		snd.set(factPending)
		snd.clear(factStale)
		snd.begin(seg.Seq)
		rcv.rcvNXT = seg.Seq
		t.own()
	default:
		t.elsewhere()
	}
}

// sentSYNACK shows a SYN,ACK to its sender.
func (t *turn) sentSYNACK() {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	t.hello()
	t.ackOK = t.acksSYN()
	first := !snd.hasISS()
	switch {
	case !first && seg.Seq == snd.iss() && snd.has(factSYNACK):
		t.repeated(RexmitSYNACK)
		if !t.ackOK {
			t.strange(SynackResendDiffAck)
		}
	case !first && seg.Seq == snd.iss():
		if snd.state == SynSent {
			t.strange(SynackInWrongDirection)
		}
		t.own()
		snd.set(factSYNACK)
		t.delta.Anomalies |= snd.apply(1 << sndSYNACK)
	case t.late():
		t.join(factSYNACK)
	case t.unopened():
		t.open(factSYNACK, sndSYNACK)
		if !t.ackOK {
			t.strange(SynackWithWrongAck)
			rcv.otherISS = seg.Ack - 1
			rcv.set(factStale)
			rcv.clear(factPending)
		}
	case t.dir == wire.ToServer && rcv.state.synchronized():
		t.strange(SynackToServer)
	default:
		t.strange(SynackResendDiffSeq)
		snd.otherISS = seg.Seq
		snd.set(factPending)
		snd.clear(factStale)
	}
	t.scales()
	if t.synOK && t.ackOK {
		t.answered(first)
	}
}

// hello notes what any SYN is asked for: its options, and a FIN that must not
// be there.
func (t *turn) hello() {
	t.refused = true // until the SYN turns out to be the sender's own
	if t.seg.Flags.Has(wire.FIN) {
		t.strange(FINSyn)
		t.snd.set(factFINFlag)
	}
}

// own takes the SYN for one of the sender's own: its options count, and its text
// is the beginning of the stream.
func (t *turn) own() {
	snd, seg := t.snd, t.seg
	t.refused, t.synOK = false, true
	t.classify()
	t.paws()
	t.fresh = snd.sndNXT
	t.passed = text(seg)
	t.passed.from--
	t.extend()
	if seg.Len > 0 {
		snd.set(factSYNText)
	}
	if t.c.options(seg, t.dir) {
		t.strange(WScaleTooLarge)
	}
	t.scales()
	if t.kind == kindSYN && !snd.has(factEdge) {
		snd.wnd = seg.Wnd
	}
}

// repeated takes a SYN or SYN,ACK that the sender has sent before.
func (t *turn) repeated(what Rexmit) {
	snd, rcv := t.snd, t.rcv
	t.look.Rexmit |= what
	t.own()
	if t.kind != kindSYN {
		return
	}
	if snd.has(factFIN) {
		t.strange(ShutdownSynResend)
	} else if snd.state.synchronized() && rcv.state.synchronized() {
		t.strange(ESTSynResend)
	}
}

// unopened reports whether the sender's first SYN or SYN,ACK is due: the
// handshake was seen from its beginning, or the endpoint was CLOSED, and nothing
// it has sent was acknowledged or carried text.
func (t *turn) unopened() bool {
	e := t.snd
	if e.hasISS() || e.has(factAcked) || e.has(factSeen) && e.sndNXT != e.start {
		return false
	}
	return t.c.origin != origin(StartMidstream)+1 || e.state == Closed || e.state == SynReceived
}

// open begins the sender's stream with its SYN or SYN,ACK.
func (t *turn) open(what facts, news signal) {
	t.snd.begin(t.seg.Seq)
	t.rcv.rcvNXT = t.seg.Seq
	t.snd.set(what)
	t.own()
	t.delta.Anomalies |= t.snd.apply(1 << news)
}

// late reports whether the SYN belongs before what the sender has been seen, or
// is said by its peer, to have sent: it was captured late.
func (t *turn) late() bool {
	snd, start := t.snd, t.seg.TextSeq()
	switch {
	case snd.hasISS():
		return false
	case snd.has(factSeen):
		return snd.start == start && !snd.has(factFar)
	}
	return snd.has(factKnown) && start.LessEq(snd.sndNXT) && snd.sndNXT.LessEq(start.Add(t.seg.Len))
}

// join puts a late SYN or SYN,ACK where it belongs. It is no news to anybody.
func (t *turn) join(what facts) {
	snd := t.snd
	if !snd.has(factSeen) {
		snd.set(factSeen)
		snd.start = t.seg.TextSeq()
		snd.unseenFrom(snd.start, t.rcv.rcvNXT)
	}
	snd.set(what)
	t.own()
}

// elsewhere keeps a SYN that does not belong to the connection in mind, in case
// the peer answers it.
func (t *turn) elsewhere() {
	if t.dir == wire.ToClient {
		t.strange(ESTSynToClient)
	} else {
		t.strange(ESTSynResendDiffSeq)
	}
	t.snd.otherISS = t.seg.Seq
	t.snd.set(factPending)
	t.snd.clear(factStale)
}

// acksSYN reports whether a SYN,ACK acknowledges the SYN of its receiver.
func (t *turn) acksSYN() bool {
	rcv, ack := t.rcv, t.seg.Ack
	if !rcv.has(factKnown) {
		rcv.know(ack)
		t.snd.rcvNXT = ack
		return true
	}
	if rcv.hasISS() && !rcv.has(factFar) {
		return rcv.start.LessEq(ack) && ack.LessEq(rcv.sndNXT) || rcv.unackedSYN() && t.adopt()
	}
	return rcv.sndUNA.LessEq(ack) && ack.LessEq(rcv.sndNXT)
}

// answered hears what a SYN,ACK says of its receiver's SYN. Text of that SYN
// that it leaves out was not taken (RFC 7413 §4.2.2) and is sent again.
func (t *turn) answered(first bool) {
	snd, rcv, ack := t.snd, t.rcv, t.seg.Ack
	switch {
	case snd.rcvNXT.Less(ack):
		snd.rcvNXT = ack
	case first && ack.Less(snd.rcvNXT) && snd.rcvNXT == rcv.sndNXT && !rcv.has(factAcked) && rcv.holes() == 0:
		t.strange(SynackTFODataIgnored)
		snd.rcvNXT = ack
		rcv.lose(span{ack, rcv.sndNXT}, ack, ack)
	}
	if snd.advertise(t.seg, 0, rcv.sndUNA) { // the window of a SYN is not scaled (RFC 7323 §2.2)
		t.strange(BadWindowUpdate)
	}
	if rcv.hasISS() && !rcv.has(factEdge) {
		rcv.edge = t.seg.TextSeq().Add(uint32(rcv.wnd))
		rcv.set(factEdge)
	}
}

// scales works out the window scales of both endpoints.
func (t *turn) scales() {
	t.snd.scale(t.rcv.tcb)
	t.rcv.scale(t.snd.tcb)
}

// receivedSYN tells the receiver of a SYN (RFC 9293 §3.10.7.2 third, §3.10.7.3
// fourth). An endpoint that has had one makes nothing of it.
func (t *turn) receivedSYN() {
	if !t.synOK {
		return
	}
	switch t.rcv.state {
	case Listen, SynSent:
		t.told.add(rcvSYN)
	case Closed:
		if t.snd.state == SynSent && !t.rcv.any(factAcked|factFIN) {
			t.rcv.restart()
			t.told.add(rcvSYN)
		}
	}
}

// receivedSYNACK tells the receiver of a SYN,ACK (RFC 9293 §3.10.7.3 fourth).
func (t *turn) receivedSYNACK() {
	rcv := t.rcv
	if !t.synOK || !t.ackOK {
		return
	}
	if rcv.state == SynSent || rcv.state == SynReceived && !rcv.has(factAcked) {
		t.told.add(rcvSYNACK)
	}
	t.acked()
}
