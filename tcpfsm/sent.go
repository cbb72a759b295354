package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// sent shows the segment to its sender.
func (t *turn) sent() {
	t.kind = kindOf(t.seg.Flags)
	t.fresh = t.snd.sndNXT
	switch t.kind {
	case kindRST:
		t.sentRST()
	case kindSYN:
		t.sentSYN()
	case kindSYNACK:
		t.sentSYNACK()
	default:
		t.sentOrdinary()
	}
}

// sentOrdinary is sent for a segment with neither SYN nor RST.
func (t *turn) sentOrdinary() {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	if t.stray() {
		return
	}
	t.classify()
	t.judge()
	t.misplaced()
	if t.refused {
		return
	}
	t.meet()
	t.fresh = snd.sndNXT
	var news signals
	if seg.Flags.Has(wire.ACK) {
		t.sentACK(&news)
	} else if snd.state.synchronized() {
		t.strange(NoACK)
	}
	if snd.state == SynReceived && t.ackOK && seg.Len > 0 && !rcv.has(factSYNText) {
		news.add(sndSynced) // RFC 9293 §3.10.2: text waits for ESTABLISHED, save Fast Open's
		if rcv.state == SynSent {
			t.told.add(rcvSynced)
		}
	}
	t.passed = text(seg)
	if seg.Flags.Has(wire.FIN) {
		t.sentFIN(&news)
	}
	if !t.look.KeepAlive {
		t.extend()
	}
	t.delta.Anomalies |= snd.apply(news)
}

// misplaced raises what is wrong with text, wherever it lies in the window.
func (t *turn) misplaced() {
	if t.seg.Len == 0 || t.look.KeepAlive {
		return
	}
	switch {
	case t.snd.state != Closed:
	case t.snd.has(factRST) || t.rcv.has(factRST):
		t.strange(DataAfterReset)
	default:
		t.strange(DataOnClosed)
	}
	if t.snd.has(factFIN) && t.snd.fin.Less(text(t.seg).to) {
		t.strange(DataAfterFIN)
	}
}

// meet starts the sender's stream with its first segment, if it had no SYN.
func (t *turn) meet() {
	snd, rcv, seq := t.snd, t.rcv, t.seg.Seq
	if snd.has(factSeen) {
		return
	}
	snd.set(factSeen)
	away := seq.Diff(snd.sndNXT)
	switch {
	case !snd.has(factKnown) || away > windowMax || -away > windowMax:
		// What it says of itself goes before what the peer's first ACK said.
		snd.know(seq)
		rcv.rcvNXT = seq
	case t.look.KeepAlive:
		seq = snd.sndNXT
		snd.unseenFrom(seq, rcv.rcvNXT)
	case seq.Less(snd.sndNXT):
		// The peer's ACK was captured before what it acknowledges, or this is
		// sent again: either way we have not seen it.
		snd.unseenFrom(seq, rcv.rcvNXT)
	default:
		// What is between was on its way before we came.
		snd.sndNXT = seq
		snd.unseenFrom(seq, rcv.rcvNXT)
		rcv.rcvNXT = greatest(rcv.rcvNXT, seq)
	}
	snd.start = seq
}

// sentACK hears what the sender says of the other direction: its RCV.NXT, which
// is the truth, and its window.
func (t *turn) sentACK(news *signals) {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	if snd.state == SynSent && seg.Seq.Less(snd.start) {
		t.strange(AsyncWrongSeq)
		return
	}
	if t.ackOK = t.acknowledges(); !t.ackOK {
		return
	}
	if rcv.state == SynSent && snd.state == SynReceived && seg.Len == 0 && !seg.Flags.Has(wire.FIN) {
		// It may answer a SYN like this, but the SYN's sender makes nothing of it.
		t.strange(AckInWrongDirection)
		t.ackOK = false
		return
	}
	if snd.state == SynSent {
		news.add(sndSynced) // nothing but a SYN,ACK lets it send an ACK
	}
	t.heard(news)
	if snd.advertise(seg, snd.shift(), rcv.sndUNA) {
		t.strange(BadWindowUpdate)
	}
}

// heard moves the sender's RCV.NXT to its SEG.ACK.
func (t *turn) heard(news *signals) {
	snd, rcv, ack := t.snd, t.rcv, t.seg.Ack
	if snd.rcvNXT.Less(ack) {
		snd.rcvNXT = ack
	}
	if rcv.has(factFIN) && rcv.fin.Less(ack) && !snd.has(factFINRcvd) {
		snd.set(factFINRcvd)
		news.add(sndAckOfFIN)
	}
}

// acknowledges reports whether SEG.ACK can be believed: RFC 9293 §3.10.7.4
// fifth, RFC 5961 §5, and the middle's own case, an ACK of what did not pass us.
// That moves the receiver's SND.NXT and leaves a hole.
func (t *turn) acknowledges() bool {
	snd, rcv, ack := t.snd, t.rcv, t.seg.Ack
	switch {
	case !rcv.has(factKnown):
		rcv.know(ack)
		snd.rcvNXT = ack
		return true
	case rcv.unackedSYN():
		return t.answers()
	case ack.LessEq(rcv.sndNXT):
		if rcv.sndUNA.Diff(ack) > snd.maxWindow() || rcv.sndNXT.Diff(ack) < 0 {
			t.strange(InvalidAck)
			return false
		}
		return true
	case rcv.has(factFIN):
		t.strange(AckBeyondFIN)
		return false
	case snd.limit().Less(ack):
		t.strange(InvalidAck)
		return false
	}
	rcv.open(span{rcv.sndNXT, ack}, false, snd.rcvNXT)
	rcv.sndNXT = ack
	return true
}

// answers reports whether SEG.ACK acknowledges the receiver's SYN, of which
// nothing has been acknowledged yet. If it answers another SYN or SYN,ACK of
// the receiver, that one has been the real one.
func (t *turn) answers() bool {
	rcv, ack := t.rcv, t.seg.Ack
	if rcv.start.LessEq(ack) && ack.LessEq(rcv.sndNXT) {
		return true
	}
	if t.adopt() {
		return true
	}
	if t.seg.Seq == t.snd.sndNXT {
		t.strange(RightSeqWrongAck)
	} else {
		t.strange(WrongSeqWrongAck)
	}
	return false
}

// adopt makes the receiver's other ISS its ISS if SEG.ACK acknowledges it and
// nothing has been sent after either.
func (t *turn) adopt() bool {
	snd, rcv := t.snd, t.rcv
	if !rcv.has(factPending) || t.seg.Ack != rcv.otherISS+1 || rcv.sndNXT != rcv.start {
		return false
	}
	iss := rcv.otherISS
	rcv.otherISS = rcv.iss()
	rcv.begin(iss)
	rcv.sndNXT = rcv.start
	snd.rcvNXT = rcv.start
	return true
}

// sentFIN notes where the sender's stream ends, if that can be believed.
func (t *turn) sentFIN(news *signals) {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	end := seg.End()
	snd.set(factFINFlag)
	switch {
	case snd.has(factFIN):
		if end-1 != snd.fin {
			t.strange(FINDiffSeq)
		}
		return
	case (end - 1).Less(rcv.rcvNXT) && (end != snd.sndNXT || snd.unseen(span{end - 1, end}) == 0),
		snd.sndNXT.Less(seg.Seq) && rcv.limit().Less(end):
		t.strange(FINOutOfWindow)
		return
	}
	snd.fin = end - 1
	snd.set(factFIN)
	t.passed.to = end
	if end.Less(snd.sndNXT) { // what we took for octets beyond it was none
		snd.fill(span{end, snd.sndNXT}, rcv.rcvNXT)
		snd.sndNXT = end
	}
	// Our view of what it has received runs ahead of it: SEG.ACK tells the truth.
	if snd.state == CloseWait && seg.Flags.Has(wire.ACK) && seg.Ack.LessEq(rcv.fin) {
		news.add(sndCrossFIN)
		return
	}
	news.add(sndFIN)
}

// extend moves SND.NXT over what passed, and opens a hole before it. A segment
// without text stands at SND.NXT, so that it too shows what we missed.
func (t *turn) extend() {
	snd, rcv := t.snd, t.rcv
	if snd.has(factFIN) {
		if t.passed.to == snd.fin && t.seg.Flags.Has(wire.FIN) {
			t.passed.to++
		}
		t.passed = span{least(t.passed.from, snd.fin+1), least(t.passed.to, snd.fin+1)}
	}
	if !snd.has(factFar) {
		t.passed.from = greatest(t.passed.from, snd.start-1) // the SYN's own number counts
	}
	if t.passed.to.Less(t.passed.from) {
		t.passed.to = t.passed.from
	}
	if t.passed.from == t.passed.to && rcv.has(factBelieved) && rcv.limit().Less(t.passed.from) {
		return // it cannot have sent what would be missing
	}
	old := snd.sndNXT
	if old.Less(t.passed.to) {
		snd.sndNXT = t.passed.to
	}
	if old.Less(t.passed.from) {
		snd.open(span{old, t.passed.from}, false, rcv.rcvNXT)
	}
}
