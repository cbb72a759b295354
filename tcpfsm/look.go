package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// Rexmit says what a segment repeats: what its sender has sent before. A
// keep-alive or a window probe repeats nothing.
type Rexmit uint8

// What can be repeated, in whole or in part. The zero value is nothing.
const (
	RexmitText Rexmit = 1 << iota
	RexmitSYN
	RexmitSYNACK
	RexmitFIN
)

// Has reports whether all of x is repeated.
func (r Rexmit) Has(x Rexmit) bool { return r&x == x }

// Text says whether the octets of a segment may enter the stream.
type Text uint8

// What may become of a segment's text. Take is said of a segment without text,
// too.
const (
	Take        Text = iota // all of it
	TakeTrimmed             // Look.TakeOff and TakeLen say which part
	Ignore                  // none of it; also said of what is dropped
)

// Look says what a segment is, seen from before either endpoint has changed.
type Look struct {
	Anomalies Anomalies // what Step will raise

	// The part of the text that may enter the stream: TakeLen octets from
	// offset TakeOff of the text. TakeLen is 0 if Text is Ignore.
	TakeOff, TakeLen uint32

	// The part of the text that its sender has sent before: OldLen octets from
	// offset OldOff of the text. Where it begins and ends with such octets and
	// has others in between, those count in.
	OldOff, OldLen uint32

	Text   Text
	Rexmit Rexmit

	KeepAlive   bool // RFC 9293 §3.8.4: asks for an ACK, with no octet or with one that is none
	WindowProbe bool // RFC 9293 §3.8.6.1: asks a zero window for an ACK
	OutOfOrder  bool // text or FIN beyond SND.NXT, or into a hole elsewhere than at RCV.NXT

	// Renews says that the segment does not belong to this connection but opens
	// another one on the same key: the caller ends this one as reused and begins
	// a zero Conn with this very segment. Then nothing else is set.
	Renews bool
}

// turn is one segment on its way from snd to rcv. It lives for one step.
type turn struct {
	c        *Conn
	snd, rcv endpoint
	seg      *wire.Segment // as sent; then, in received, as received
	dir      wire.Dir
	rules    Rules

	kind  kind
	delta *Delta
	look  *Look
	told  signals // for the receiver, found out while the sender was looked at

	fresh      wire.Seq // SND.NXT before this segment
	passed     span     // sequence numbers of what passed us, if it is believed
	refused    bool     // nothing in the segment is believed
	acceptable bool     // RFC 9293 §3.10.7.4 first, and PAWS
	ackOK      bool     // SEG.ACK acknowledges what can have been sent
	synOK      bool     // a SYN or SYN,ACK that is the sender's own, for the first time or again
	reset      bool     // the receiver accepts a RST
}

// kind is what a segment is to the state machine.
type kind uint8

const (
	ordinary kind = iota
	kindRST
	kindSYN
	kindSYNACK
)

func kindOf(f wire.Flags) kind {
	switch {
	case f&wire.RST != 0:
		return kindRST
	case f.Has(wire.SYN | wire.ACK):
		return kindSYNACK
	case f.Has(wire.SYN):
		return kindSYN
	}
	return ordinary
}

// text returns the sequence numbers of a segment's text.
func text(seg *wire.Segment) span {
	from := seg.TextSeq()
	return span{from, from.Add(seg.Len)}
}

func (t *turn) strange(a Anomaly) { t.delta.Anomalies.add(a) }

// classify says, before anything has changed, what the text of the segment is:
// sent before, out of order, a keep-alive, a probe.
func (t *turn) classify() {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	s := text(seg)
	fin := seg.Flags.Has(wire.FIN) && t.kind == ordinary
	if t.kind == ordinary && !fin && seg.Len <= 1 && snd.has(factKnown) {
		t.probe(s.from)
	}
	if t.look.KeepAlive || t.look.WindowProbe {
		return
	}
	if old := snd.sentBefore(s); seg.Len > 0 && old.from != old.to {
		t.look.Rexmit |= RexmitText
		t.look.OldOff, t.look.OldLen = uint32(old.from-s.from), uint32(old.to-old.from)
	}
	if fin && snd.has(factFIN) && s.to == snd.fin {
		t.look.Rexmit |= RexmitFIN
	}
	all := s
	if fin {
		all.to++
	}
	t.look.OutOfOrder = t.kind == ordinary && all != span{s.from, s.from} && snd.has(factSeen) &&
		(snd.sndNXT.Less(s.from) || s.from != rcv.rcvNXT && snd.unseen(all) > 0)
	if seg.Len > 0 && s.from.Less(snd.start) && snd.hasISS() && !snd.has(factFar) {
		t.strange(SegmentBeforeBase)
	}
}

// probe recognizes a keep-alive, one octet or none at SND.NXT-1 when nothing is
// outstanding, and a zero-window probe, the octet at SND.UNA or none before it.
// An octet that was acknowledged before it passed us may as well be late, as may
// the first that we see of a sender: taking it loses nothing.
func (t *turn) probe(seq wire.Seq) {
	snd, rcv, octets := t.snd, t.rcv, t.seg.Len
	if rcv.has(factEdge) && rcv.wnd == 0 && snd.sndUNA.Add(octets-1) == seq {
		t.look.WindowProbe = true
		return
	}
	idle := octets == 0 || snd.has(factSeen) && snd.sndUNA == snd.sndNXT && snd.unseen(span{seq, seq + 1}) == 0
	t.look.KeepAlive = idle && seq == snd.sndNXT-1
}

// stray reports whether the segment is further away than any window: nothing in
// it can belong to the connection, and nothing is believed.
func (t *turn) stray() bool {
	away := t.seg.End().Diff(t.snd.sndNXT)
	if !t.snd.has(factSeen) || -windowMax <= away && away <= windowMax {
		return false
	}
	t.refused = true
	t.strange(OutOfWindow)
	return true
}

// judge is the first step of RFC 9293 §3.10.7.4, before anything has changed:
// is what arrives in the window, and is its timestamp not old?
func (t *turn) judge() {
	snd, rcv, seg := t.snd, t.rcv, t.seg
	t.acceptable = true
	if !snd.has(factKnown) {
		return
	}
	end := seg.End()
	if !snd.has(factSeen) {
		t.refused = !t.paws() && t.rules.Strict
		return
	}
	edge := rcv.limit()
	if edge.Less(end) && !t.look.WindowProbe && rcv.has(factBelieved) {
		t.strange(OutOfWindow)
	}
	if seg.Len > 0 && snd.sndUNA.Diff(end) > rcv.maxWindow() {
		t.strange(BeforeLastAck)
	}
	// A segment without text may stand at the right edge: what fills the window
	// may be lost behind us, and Linux accepts it as well.
	beyond := edge.Less(seg.Seq) || seg.Seq == edge && seg.Seq != end
	t.acceptable = !beyond && (rcv.rcvNXT.Less(end) || seg.Seq == rcv.rcvNXT)
	current := t.paws()
	t.refused = t.rules.Strict && (beyond && !t.look.WindowProbe || !current)
}

// paws is the check of timestamps: RFC 7323 §5.3, R1, and §3.2. TS.Recent has
// no age here, as time does not reach this package: after 24 days of silence an
// old timestamp is one only by name (§5.5).
func (t *turn) paws() (current bool) {
	seg, rcv := t.seg, t.rcv
	if seg.Opts&wire.OptTimestamp != 0 {
		if rcv.has(factTSRecent) && int32(seg.TSVal-rcv.tsRecent) < 0 {
			t.strange(InvalidTimestamp)
			return false
		}
	} else if t.snd.facts&rcv.facts&factTSOffer != 0 {
		t.strange(MissingTimestamp)
		return false
	}
	return true
}

// take decides which octets may enter the stream, once the endpoints have been
// stepped. Observing, they are all that can be the stream's; otherwise those
// that the receiver takes now.
func (t *turn) take(fresh bool, rcvNXT wire.Seq) {
	if t.seg.Len == 0 {
		return
	}
	t.look.Text = Ignore
	if t.refused || t.kind == kindRST || t.look.KeepAlive || !t.snd.has(factSeen) {
		return
	}
	s := text(t.seg)
	all := s
	if !t.snd.has(factFar) {
		s.from = greatest(s.from, t.snd.start)
	}
	if t.snd.has(factFIN) {
		s.to = least(s.to, t.snd.fin)
	}
	if t.rules.Strict {
		if !fresh {
			s.to = s.from
		}
		s.from = greatest(s.from, rcvNXT)
		s.to = least(s.to, t.rcv.limit())
	}
	switch {
	case s == all:
		t.look.Text = Take
	case s.from.Less(s.to):
		t.look.Text = TakeTrimmed
	default:
		return
	}
	t.look.TakeOff, t.look.TakeLen = uint32(s.from-all.from), uint32(s.to-s.from)
}
