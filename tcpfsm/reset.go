package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// sentRST shows a RST to its sender. There are two kinds. One says that its
// sender has no connection (any more): ABORT, or an answer in CLOSED. With the
// other an endpoint in SYN-SENT or LISTEN answers a bad ACK, and stays where it
// is (RFC 9293 §3.10.7.2 second, §3.10.7.3 first).
func (t *turn) sentRST() {
	snd := t.snd
	snd.set(factRST)
	if t.seg.Len > 0 {
		t.strange(RSTWithData)
	}
	t.reset = t.resets()
	if t.reset && snd.state != SynSent && snd.state != Listen {
		t.delta.Anomalies |= snd.apply(1 << sndRST)
	}
}

// resets reports whether the receiver accepts the RST: in SYN-SENT by its ACK,
// else by its sequence number. A receiver that has not acknowledged the SYN,ACK
// may still be in SYN-SENT, as that may be lost behind us.
func (t *turn) resets() bool {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	acks := seg.Flags.Has(wire.ACK) && rcv.has(factKnown) && seg.Ack.LessEq(rcv.sndNXT) &&
		(rcv.hasISS() && rcv.iss().Less(seg.Ack) || seg.Ack == rcv.sndNXT)
	switch {
	case rcv.state == SynSent && !acks:
		t.strange(RSTInvalidAck)
		return false
	case rcv.state == SynSent, acks && rcv.hasISS() && snd.unackedSYN():
		return true
	}
	return t.fits()
}

// fits reports whether the RST stands where the receiver accepts one. RFC 5961
// §3.2 asks for exactly RCV.NXT, which may be what the receiver has said last,
// or what we take it to have received; the middle also accepts the end of what
// it has seen. Elsewhere in the window the receiver sends a challenge ACK.
//
// An endpoint that has closed answers what was on its way with <SEQ=SEG.ACK>, which
// is where its FIN stands: before RCV.NXT once that has come. Linux takes a RST
// there (tcp_reset_check) where it would wait for ever for an ACK.
func (t *turn) fits() bool {
	snd, rcv, seq := t.snd, t.rcv, t.seg.Seq
	switch {
	case !snd.has(factKnown):
		return true // nothing is known that it could contradict
	case seq == rcv.rcvNXT, seq == snd.sndUNA:
		return true
	case seq == snd.sndNXT && !t.rules.Strict:
		return true
	case snd.has(factStale) && seq == snd.otherISS+1:
		return true // it answers a SYN,ACK that acknowledges an older SYN
	case rcv.closesSecond() && seq == rcv.rcvNXT-1 && !t.rules.Strict:
		return true // the FIN's own place
	}
	inWindow := rcv.rcvNXT.LessEq(seq) && seq.Less(rcv.limit())
	switch {
	case inWindow && !snd.has(factSeen):
		return true // we know its SND.NXT only from what the peer has received
	case t.c.marks&markOver != 0:
	case inWindow:
		t.strange(SuspectedRSTInject)
	default:
		t.strange(RSTOutOfWindow)
	}
	return false
}

// closesSecond reports whether the endpoint has received a FIN, and is not through
// with its own.
func (e *tcb) closesSecond() bool {
	if e.state == Untracked {
		return e.has(factFINRcvd) && !e.has(factFINAcked)
	}
	return e.state == CloseWait || e.state == LastAck || e.state == Closing
}

// receivedRST tells the receiver of a RST that it accepts.
func (t *turn) receivedRST() {
	if t.reset {
		t.told.add(rcvRST)
	}
}
