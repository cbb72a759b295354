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

	// factLost<<i: hole i is of octets that were sent, and lost on the way from us
	// to the peer.
	factLost

	// factHole is the unit of how many holes there are, in the bits above those.
	factHole = factLost << holesMax

	// factHoles are set iff there are holes.
	factHoles = ^(factLost - 1)
)

// endpoint is a view of what the middle of the path knows of one endpoint's TCB:
// what each segment needs, and the rest, which lie apart in Conn.
type endpoint struct {
	*tcb
	*rest
}

// tcb is what each segment needs of an endpoint. Names are those of RFC 9293
// §3.3.1, and values are in that endpoint's own view: rcvNXT is what this
// endpoint has received of the other's stream.
//
// The zero value is an endpoint of which nothing is known. Half a cache line
// (TestSizes), without pointers.
type tcb struct {
	state  State
	scales uint8  // see shift and wscale
	wnd    uint16 // last SEG.WND it sent, as in the header; valid iff factEdge or a SYN was seen
	facts  facts

	sndUNA wire.Seq // SND.UNA; valid iff factKnown
	sndNXT wire.Seq // SND.NXT; valid iff factKnown
	rcvNXT wire.Seq // RCV.NXT; valid iff the peer has factKnown
	edge   wire.Seq // highest RCV.NXT+RCV.WND it has advertised; valid iff factEdge

	start    wire.Seq // sequence number of its stream's offset 0; valid iff factSeen
	tsRecent uint32   // TS.Recent: of the peer's timestamps; valid iff factTSRecent
}

// rest is what few segments need of an endpoint. Half a cache line.
type rest struct {
	fin      wire.Seq // of its FIN; valid iff factFIN
	otherISS wire.Seq // valid iff factPending or factStale

	hole [holesMax]span // of its stream, ascending and disjoint, below sndNXT; valid: the first holes()
}

// shift is how far wnd is shifted: the endpoint's scale if factBelieved, else a
// bound on it.
func (e *tcb) shift() uint8 { return e.scales & 0xf }

func (e *tcb) setShift(n uint8) { e.scales = e.scales&0xf0 | n }

// wscale is the window scale as its SYN offered it, at most 14; valid iff
// factScale.
func (e *tcb) wscale() uint8 { return e.scales >> 4 }

func (e *tcb) setWScale(n uint8) { e.scales = e.scales&0xf | n<<4 }

// holes is how many holes the endpoint's stream has.
func (e *tcb) holes() uint8 { return uint8(e.facts / factHole) }

// setHoles sets how many those are, and that none of them is lost.
func (e *tcb) setHoles(n int) { e.facts = e.facts&(factLost-1) | factHole*facts(n) }

// edgeBy returns the right edge of the window that seg, an endpoint's own,
// advertises.
func (e *tcb) edgeBy(seg *wire.Segment) wire.Seq {
	return seg.Ack.Add(uint32(seg.Wnd) << (e.scales & 0xf))
}

func (e *tcb) has(f facts) bool { return e.facts&f == f }
func (e *tcb) any(f facts) bool { return e.facts&f != 0 }
func (e *tcb) set(f facts)      { e.facts |= f }
func (e *tcb) clear(f facts)    { e.facts &^= f }

// hasISS reports whether the endpoint's own SYN or SYN,ACK told its ISS.
func (e *tcb) hasISS() bool { return e.any(factSYN | factSYNACK) }

// iss is valid iff hasISS.
func (e *tcb) iss() wire.Seq { return e.start - 1 }

// unackedSYN reports whether the endpoint waits for an ACK of its SYN.
func (e *tcb) unackedSYN() bool { return e.hasISS() && !e.any(factAcked|factFar) }

// know sets the endpoint's sending side to seq, nothing outstanding.
func (e *tcb) know(seq wire.Seq) {
	e.set(factKnown)
	e.sndUNA, e.sndNXT = seq, seq
	e.setHoles(0)
}

// begin sets the endpoint's sending side to a SYN of its own with this ISS,
// and forgets what another SYN had set.
func (e *tcb) begin(iss wire.Seq) {
	e.set(factSeen | factKnown)
	e.start, e.sndUNA, e.sndNXT = iss+1, iss, iss
	e.setHoles(0)
	e.clear(factForgot | factFar)
}

// restart forgets what the endpoint, which is CLOSED, had sent: it will begin
// again with another ISS.
func (e endpoint) restart() {
	*e.tcb = tcb{state: e.state, scales: e.shift(), rcvNXT: e.rcvNXT, facts: e.facts & (factRST | factFINFlag | factTSRecent), tsRecent: e.tsRecent}
	*e.rest = rest{}
}

// limit is the highest right edge that the endpoint's window can have.
func (e *tcb) limit() wire.Seq {
	if e.has(factEdge) {
		return e.edge
	}
	return e.rcvNXT.Add(windowMax)
}

// maxWindow is the largest window the endpoint could have advertised, in octets.
func (e *tcb) maxWindow() int32 { return 0xffff << e.shift() }

// advertise notes the window that seg advertises for RCV.NXT = SEG.ACK, and
// reports whether its right edge moved left: to the left of all edges, and of the
// latest, so that a window that has shrunk is told once and not as long as it
// stays so. una is the peer's SND.UNA before seg: with an older ACK comes an older
// window, which does not count.
func (e *tcb) advertise(seg *wire.Segment, shift uint8, una wire.Seq) (shrunk bool) {
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

// options notes what the SYN or SYN,ACK seg, sent in direction d, offers. An
// option that one copy of a SYN has counts, as that copy may be the one that
// arrived.
func (c *Conn) options(seg *wire.Segment, d wire.Dir) (tooLarge bool) {
	e := &c.ends[d&1]
	if seg.Opts&wire.OptWScale != 0 {
		e.set(factScale)
		e.setWScale(min(seg.WScale, wscaleMax))
		tooLarge = seg.WScale > wscaleMax
	}
	if seg.Opts&wire.OptMSS != 0 {
		e.set(factMSS)
		c.mss[d&1] = seg.MSS
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
func (e *tcb) scale(peer *tcb) {
	e.set(factBelieved)
	switch {
	case e.hasISS() && !e.has(factScale), peer.hasISS() && !peer.has(factScale):
		e.setShift(0)
	case e.has(factScale) && (peer.has(factScale) || e.has(factSYNACK)):
		e.setShift(e.wscale())
	default:
		e.clear(factBelieved)
		e.setShift(wscaleMax)
		if e.has(factScale) {
			e.setShift(e.wscale())
		}
	}
}

// keepUp pulls along what has stayed so far behind the stream that snd sends
// that it could no longer be compared: a one-sided capture never sees an ACK.
// A receiver cannot be further behind than the largest window.
func keepUp(snd, rcv endpoint) {
	nxt := snd.sndNXT
	if !snd.has(factKnown) || snd.holes() == 0 && snd.facts&(factForgot|factSeen) == factSeen &&
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
func checkPair(snd, rcv endpoint) {
	if snd.has(factKnown) {
		assert.That(snd.sndUNA.LessEq(snd.sndNXT), "I1: SND.UNA =< SND.NXT")
		assert.That(rcv.rcvNXT.LessEq(snd.sndNXT), "I2: RCV.NXT =< SND.NXT of the peer")
		assert.That(!snd.has(factFIN) || snd.sndNXT.LessEq(snd.fin+1), "nothing is sent after a FIN")
		snd.checkHoles()
	}
}
