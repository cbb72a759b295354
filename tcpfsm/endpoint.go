package tcpfsm

import (
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// facts is what has become known of an endpoint; most say which of its other
// fields mean something.
type facts uint32

const (
	factSeen     facts = 1 << iota // it has sent a segment: start is valid
	factKnown                      // sndUNA and sndNXT are valid
	factAcked                      // the peer has acknowledged something of it
	factSYN                        // its SYN without ACK was seen: start-1 is its ISS
	factSYNACK                     // its SYN,ACK was seen: start-1 is its ISS
	factSYNText                    // its SYN carried text
	factEdge                       // wnd and edge are valid
	factScale                      // its SYN or SYN,ACK offered wscale
	factBelieved                   // shift is its window scale, not a bound on it
	factTSOffer                    // its SYN or SYN,ACK had a timestamp
	factTSRecent                   // tsRecent is valid
	factSACK                       // its SYN or SYN,ACK permitted SACK
	factMSS                        // mss is valid
	factFIN                        // fin is valid
	factFINFlag                    // it has sent a segment with FIN, believed or not
	factFINAcked                   // the ACK of its FIN has reached it
	factFINRcvd                    // the peer's FIN has reached it
	factRST                        // it has sent a RST, which may or may not have counted
	factPending                    // otherISS is a second ISS that it used: the peer's ACK decides
	factStale                      // otherISS is one that only the peer knows of
	factForgot                     // a hole beyond the peer's RCV.NXT was forgotten
	factFar                        // start is too far behind to be compared
	factRose                       // it has been in ESTABLISHED

	// factLost+i: hole i is of octets that were sent, and lost on the way from us
	// to the peer. The highest bits, one each.
	factLost
)

// endpoint is what the middle of the path knows of one endpoint's TCB. Names
// are those of RFC 9293 §3.3.1, and values are in that endpoint's own view:
// rcvNXT is what this endpoint has received of the other's stream.
//
// The zero value is an endpoint of which nothing is known. 68 octets
// (TestSizes), without pointers.
type endpoint struct {
	state  State
	shift  uint8 // how far wnd is shifted: its scale if factBelieved, else a bound
	wscale uint8 // as its SYN offered it, at most 14; valid iff factScale
	holes  uint8 // valid entries of hole

	wnd uint16 // last SEG.WND it sent, as in the header; valid iff factEdge or a SYN was seen
	mss uint16 // octets; valid iff factMSS

	facts facts

	sndUNA wire.Seq // SND.UNA; valid iff factKnown
	sndNXT wire.Seq // SND.NXT; valid iff factKnown
	rcvNXT wire.Seq // RCV.NXT; valid iff the peer has factKnown
	edge   wire.Seq // highest RCV.NXT+RCV.WND it has advertised; valid iff factEdge

	start    wire.Seq // sequence number of its stream's offset 0; valid iff factSeen
	fin      wire.Seq // of its FIN; valid iff factFIN
	otherISS wire.Seq // valid iff factPending or factStale
	tsRecent uint32   // TS.Recent: of the peer's timestamps; valid iff factTSRecent

	hole [holesMax]span // of its stream, ascending and disjoint, below sndNXT
}

func (e *endpoint) has(f facts) bool { return e.facts&f == f }
func (e *endpoint) any(f facts) bool { return e.facts&f != 0 }
func (e *endpoint) set(f facts)      { e.facts |= f }
func (e *endpoint) clear(f facts)    { e.facts &^= f }

// hasISS reports whether the endpoint's own SYN or SYN,ACK told its ISS.
func (e *endpoint) hasISS() bool { return e.any(factSYN | factSYNACK) }

// iss is valid iff hasISS.
func (e *endpoint) iss() wire.Seq { return e.start - 1 }

// unackedSYN reports whether the endpoint waits for an ACK of its SYN.
func (e *endpoint) unackedSYN() bool { return e.hasISS() && !e.any(factAcked|factFar) }

// know sets the endpoint's sending side to seq, nothing outstanding.
func (e *endpoint) know(seq wire.Seq) {
	e.set(factKnown)
	e.sndUNA, e.sndNXT, e.holes = seq, seq, 0
}

// begin sets the endpoint's sending side to a SYN of its own with this ISS,
// and forgets what another SYN had set.
func (e *endpoint) begin(iss wire.Seq) {
	e.set(factSeen | factKnown)
	e.start, e.sndUNA, e.sndNXT = iss+1, iss, iss
	e.holes, e.facts = 0, e.facts&(factLost-1)&^(factForgot|factFar)
}

// restart forgets what the endpoint, which is CLOSED, had sent: it will begin
// again with another ISS.
func (e *endpoint) restart() {
	*e = endpoint{state: e.state, shift: e.shift, rcvNXT: e.rcvNXT, facts: e.facts & (factRST | factFINFlag | factTSRecent), tsRecent: e.tsRecent}
}

// limit is the highest right edge that the endpoint's window can have.
func (e *endpoint) limit() wire.Seq {
	if e.has(factEdge) {
		return e.edge
	}
	return e.rcvNXT.Add(windowMax)
}

// maxWindow is the largest window the endpoint could have advertised, in octets.
func (e *endpoint) maxWindow() int32 { return 0xffff << e.shift }

// advertise notes the window that seg advertises for RCV.NXT = SEG.ACK, and
// reports whether its right edge moved left: to the left of all edges, and of the
// latest, so that a window that has shrunk is told once and not as long as it
// stays so. una is the peer's SND.UNA before seg: with an older ACK comes an older
// window, which does not count.
func (e *endpoint) advertise(seg *wire.Segment, shift uint8, una wire.Seq) (shrunk bool) {
	edge := seg.Ack.Add(uint32(seg.Wnd) << shift)
	switch {
	case !e.has(factEdge) || e.edge.Less(edge):
		e.edge = edge
	case seg.Ack.Less(una):
		return false
	default:
		// A window that does not fill its last unit may lose the rest of it
		// (RFC 7323 §2.4).
		latest := least(e.edge, una.Add(uint32(e.wnd)<<shift))
		shrunk = latest.Diff(edge) >= 1<<shift
	}
	e.wnd = seg.Wnd
	e.set(factEdge)
	return shrunk
}

// options notes what the SYN or SYN,ACK seg offers. An option that one copy of
// a SYN has counts, as that copy may be the one that arrived.
func (e *endpoint) options(seg *wire.Segment) (tooLarge bool) {
	if seg.Opts&wire.OptWScale != 0 {
		e.set(factScale)
		e.wscale = min(seg.WScale, wscaleMax)
		tooLarge = seg.WScale > wscaleMax
	}
	if seg.Opts&wire.OptMSS != 0 {
		e.set(factMSS)
		e.mss = seg.MSS
	}
	if seg.Opts&wire.OptTimestamp != 0 {
		e.set(factTSOffer)
	}
	if seg.Opts&wire.OptSACKOK != 0 {
		e.set(factSACK)
	}
	return tooLarge
}

// scale works out the endpoint's window scale from both SYNs, as far as they
// were seen. Scaling is in force iff both offer it, and a SYN,ACK offers it
// only in answer to an offer (RFC 7323 §2.2).
func (e *endpoint) scale(peer *endpoint) {
	e.set(factBelieved)
	switch {
	case e.hasISS() && !e.has(factScale), peer.hasISS() && !peer.has(factScale):
		e.shift = 0
	case e.has(factScale) && (peer.has(factScale) || e.has(factSYNACK)):
		e.shift = e.wscale
	default:
		e.clear(factBelieved)
		e.shift = wscaleMax
		if e.has(factScale) {
			e.shift = e.wscale
		}
	}
}

// keepUp pulls along what has stayed so far behind the stream that snd sends
// that it could no longer be compared: a one-sided capture never sees an ACK.
// A receiver cannot be further behind than the largest window.
func keepUp(snd, rcv *endpoint) {
	nxt := snd.sndNXT
	if !snd.has(factKnown) || snd.holes == 0 && snd.facts&(factForgot|factSeen) == factSeen &&
		max(uint32(nxt-snd.sndUNA), uint32(nxt-rcv.rcvNXT), uint32(nxt-snd.start)) <= windowMax {
		return // nothing is behind, or known
	}
	floor := nxt - windowMax
	if snd.sndUNA.Less(floor) {
		snd.sndUNA = floor
		snd.set(factAcked)
	}
	if rcv.rcvNXT.Less(floor) {
		rcv.rcvNXT = floor
	}
	if snd.has(factSeen) && snd.start.Less(floor) {
		snd.set(factFar)
	}
	snd.tidyHoles(rcv.rcvNXT)
	if rcv.rcvNXT == snd.sndNXT {
		snd.clear(factForgot)
	}
}

// checkPair asserts what must hold of the stream that snd sends.
func checkPair(snd, rcv *endpoint) {
	if snd.has(factKnown) {
		assert.That(snd.sndUNA.LessEq(snd.sndNXT), "I1: SND.UNA =< SND.NXT")
		assert.That(rcv.rcvNXT.LessEq(snd.sndNXT), "I2: RCV.NXT =< SND.NXT of the peer")
		assert.That(!snd.has(factFIN) || snd.sndNXT.LessEq(snd.fin+1), "nothing is sent after a FIN")
		snd.checkHoles()
	}
}
