package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// received shows the segment to its receiver: first what it says of the
// receiver's own stream, in the order of RFC 9293 §3.10.7.4, then its text and
// FIN.
func (t *turn) received(seg *wire.Segment) {
	sent := t.seg
	t.seg = seg
	switch t.kind {
	case kindRST:
		t.receivedRST()
	case kindSYN:
		t.receivedSYN()
	case kindSYNACK:
		t.receivedSYNACK()
	default:
		t.receivedACK()
	}
	t.delta.Anomalies |= t.rcv.apply(t.told)

	rcvNXT, wanted := t.rcv.rcvNXT, t.wanted()
	t.take(wanted, rcvNXT)
	t.timestamp()
	got := t.passed
	if seg != sent || !wanted || t.rules.Strict {
		got = t.got(wanted)
	}
	if got != t.passed {
		t.lost()
	}
	t.arrive(got)
}

// lost notes that the receiver did not get what passed us.
func (t *turn) lost() {
	if t.passed.from != t.passed.to {
		t.snd.lose(t.passed, t.fresh, t.rcv.rcvNXT)
	}
}

// receivedACK moves the receiver's SND.UNA and tells it what that means
// (RFC 9293 §3.10.7.4 fifth).
func (t *turn) receivedACK() {
	rcv, ack := t.rcv, t.seg.Ack
	if !t.ackOK {
		return
	}
	if rcv.state == SynReceived {
		t.told.add(rcvAckOfSYN)
	}
	if rcv.has(factFIN) && !rcv.has(factFINAcked) && rcv.fin.Less(ack) {
		rcv.set(factFINAcked)
		t.told.add(rcvAckOfFIN)
	}
	t.acked()
}

// acked moves the receiver's SND.UNA to SEG.ACK.
func (t *turn) acked() {
	rcv, ack := t.rcv, t.seg.Ack
	rcv.set(factAcked)
	if rcv.sndUNA.Less(ack) && ack.LessEq(rcv.sndNXT) {
		t.delta.Missed = rcv.unseen(span{rcv.sndUNA, ack})
		t.delta.Acked = true
		rcv.sndUNA = ack
	}
}

// wanted reports whether the receiver takes the segment's text and FIN now.
// Observing, it is believed to take whatever it can; but not what probes its
// closed window.
func (t *turn) wanted() bool {
	switch {
	case t.refused, t.kind == kindRST, t.look.KeepAlive:
		return false
	case t.kind == kindSYN:
		return t.synOK
	case t.kind == kindSYNACK:
		return t.synOK && t.ackOK
	case t.look.WindowProbe && t.seg.Len > 0:
		return false
	case t.rcv.state == Listen, t.rcv.state == SynSent, t.rcv.state == SynReceived && !t.ackOK:
		return false // RFC 9293 §3.10.7.2 fourth, §3.10.7.3 fifth, §3.10.7.4 fifth
	case !t.rules.Strict:
		return true
	}
	switch t.rcv.state {
	case Established, FinWait1, FinWait2: // RFC 9293 §3.10.7.4 seventh and eighth
		return t.acceptable && t.ackOK
	case Untracked:
		return t.acceptable && t.ackOK
	}
	return false
}

// got returns the part of what passed us that the receiver takes.
func (t *turn) got(wanted bool) span {
	if !wanted {
		return span{t.passed.from, t.passed.from}
	}
	s := span{t.seg.Seq, t.seg.End()}
	s = span{greatest(s.from, t.passed.from), least(s.to, t.passed.to)}
	if t.rules.Strict {
		s.to = least(s.to, greatest(t.rcv.limit(), t.rcv.rcvNXT))
	}
	if !s.from.Less(s.to) {
		s.to = s.from
	}
	return s
}

// arrive moves the receiver's RCV.NXT over what it got, and on over what it had
// got before beyond that.
func (t *turn) arrive(got span) {
	snd, rcv := t.snd, t.rcv
	if got.from == got.to {
		return
	}
	snd.fill(got, rcv.rcvNXT)
	if got.from.LessEq(rcv.rcvNXT) && rcv.rcvNXT.Less(got.to) {
		rcv.rcvNXT = snd.contiguous(got.to)
	}
	if snd.has(factFIN) && snd.fin.Less(rcv.rcvNXT) && !rcv.has(factFINRcvd) {
		rcv.set(factFINRcvd)
		t.delta.Anomalies |= rcv.apply(1 << rcvFIN)
	}
}

// timestamp keeps TS.Recent: of segments that are not beyond what has been
// received, as those are what an ACK echoes (RFC 7323 §4.3).
func (t *turn) timestamp() {
	rcv, seg := t.rcv, t.seg
	if t.refused || t.kind == kindRST || seg.Opts&wire.OptTimestamp == 0 {
		return
	}
	if t.kind != ordinary && !t.synOK || rcv.rcvNXT.Less(seg.Seq) {
		return
	}
	if !rcv.has(factTSRecent) || int32(seg.TSVal-rcv.tsRecent) > 0 {
		rcv.set(factTSRecent)
		rcv.tsRecent = seg.TSVal
	}
}
