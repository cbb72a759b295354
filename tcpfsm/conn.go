package tcpfsm

import (
	"math/bits"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// Conn is one TCP connection as the middle of the path knows it: the TCBs of
// both endpoints.
//
// The zero value is a connection of which nothing has been seen; the first Step
// picks it up. A Conn is a value without pointers, 136 octets (TestSizes): a head
// of 8, and two cache lines, of which nearly all segments need the first alone. It
// must not be used concurrently.
type Conn struct {
	origin origin
	marks  marks
	mss    [2]uint16 // octets; valid iff factMSS. Like the next two, indexed by the Dir of what an endpoint sends
	ends   [2]tcb
	rest   [2]rest
}

// end returns the endpoint that sends in direction d.
func (c *Conn) end(d wire.Dir) endpoint { return endpoint{&c.ends[d&1], &c.rest[d&1]} }

// origin is the Start that the connection was picked up with, plus one; 0 is a
// connection of which nothing has been seen.
type origin uint8

// marks are what Step has to remember of the connection as a whole.
type marks uint8

const (
	markPlain       marks = 1 << iota // nothing is out of the ordinary: see plain
	markEstablished                   // Delta.Established has been said
	markOver                          // the connection is over, and Delta.Closed said so
)

// Rules says how much a receiver is believed to accept. The zero value
// observes: octets are taken whenever they can belong to the stream, as a
// capture may be wrong about windows and timestamps.
type Rules struct {
	// Strict takes only what a receiver that follows RFC 9293, RFC 7323 and RFC
	// 5961 would accept, judged by all that has passed us.
	Strict bool
}

// Delta says what one segment, or one timeout, changed. It is a value: keep it
// as long as you like. From equals To for an endpoint that stayed where it was.
type Delta struct {
	Anomalies Anomalies
	From, To  [2]State // indexed by the Dir of the segments that endpoint sends

	// Missed is how many octets of the receiver's stream the segment
	// acknowledges that have not passed us, or not yet.
	Missed uint32
	// Acked says that the segment acknowledged more of the receiver's stream
	// than any before it: the receiver's SndUNA is new.
	Acked bool
	// Established says that both endpoints have now reached ESTABLISHED, for
	// the first time. Of a connection picked up midstream it is never said.
	Established bool
	// Closed says that the connection is now over, for the first time: each
	// endpoint is CLOSED, in TIME-WAIT or untracked.
	Closed bool
	// Reset says that it is over because the receiver accepted a RST.
	Reset bool
}

// Step shows a segment that travels in direction d to both endpoints: sent to
// its sender, whose segment it is, then received to its receiver. received is
// nil if the segment was dropped between the two; it may differ from sent in
// what it acknowledges, in its options and window, and by having lost text at
// either end, but not in its control bits.
func (c *Conn) Step(sent, received *wire.Segment, d wire.Dir, r Rules) (delta Delta) {
	if sent == received && c.plain(sent, d) {
		a, b := c.ends[0].state, c.ends[1].state
		delta.From[0], delta.From[1], delta.To[0], delta.To[1] = a, b, a, b // one by one: copied as a pair they cost 5 ns
		delta.Acked = c.stepPlain(sent, d)
		return delta
	}
	var look Look
	c.Advance(&delta, &look, sent, received, d, r)
	return delta
}

// Look says what seg, travelling in direction d, would be if it were shown to
// Step now and arrived as it is. It changes nothing.
func (c *Conn) Look(seg *wire.Segment, d wire.Dir, r Rules) (look Look) {
	if c.plain(seg, d) {
		look.TakeLen = seg.Len
		return look
	}
	trial, delta := *c, Delta{}
	trial.step(&delta, &look, seg, seg, d, r)
	return look
}

// plain reports whether seg is what nearly all segments are: the next one in
// order of an established connection without holes, inside the window, with a
// valid ACK and timestamp, and not moving the window's edge to the left. An
// endpoint that is untracked counts as established: it has no state to leave.
func (c *Conn) plain(seg *wire.Segment, d wire.Dir) bool {
	const control = wire.SYN | wire.FIN | wire.RST | wire.ACK
	if c.marks&markPlain == 0 || seg.Flags&control != wire.ACK {
		return false
	}
	snd, rcv := &c.ends[d&1], &c.ends[(d^1)&1]
	end := seg.Seq.Add(seg.Len)
	if seg.Seq != snd.sndNXT || uint32(seg.Ack-rcv.sndUNA) > uint32(rcv.sndNXT-rcv.sndUNA) {
		return false
	}
	if seg.Len == 1 && rcv.wnd == 0 { // a window probe
		return false
	}
	if rcv.edge.Less(end) || snd.edgeBy(seg).Less(snd.edge) {
		return false
	}
	// What could fall too far behind to be compared is for keepUp.
	if uint32(end-snd.sndUNA) > windowMax || uint32(end-snd.start) > windowMax && !snd.has(factFar) {
		return false
	}
	if seg.Opts&wire.OptTimestamp == 0 {
		return !rcv.has(factTSRecent)
	}
	return rcv.has(factTSRecent) && int32(seg.TSVal-rcv.tsRecent) >= 0
}

// stepPlain is Step for a segment that is plain, and returns Delta.Acked. It
// leaves the connection as step would (FuzzStep compares them).
func (c *Conn) stepPlain(seg *wire.Segment, d wire.Dir) (acked bool) {
	snd, rcv := &c.ends[d&1], &c.ends[(d^1)&1]
	end := seg.Seq.Add(seg.Len)
	snd.sndNXT, rcv.rcvNXT = end, end
	snd.edge, snd.wnd = snd.edgeBy(seg), seg.Wnd
	rcv.tsRecent = seg.TSVal & tsMask(rcv.facts)
	if seg.Ack == rcv.sndUNA {
		return false
	}
	rcv.sndUNA = seg.Ack
	return true
}

// tsMask is all ones if the endpoint keeps TS.Recent, else 0.
func tsMask(f facts) uint32 {
	return -uint32(f / factTSRecent & 1)
}

// step is Step for any segment. It leaves what Step returns in delta and what
// Look would have in look; both must be zero.
func (c *Conn) step(delta *Delta, look *Look, sent, received *wire.Segment, d wire.Dir, r Rules) {
	d &= 1
	var t turn // filled in piece by piece: a literal is made elsewhere and copied, 13 % of the step
	t.c, t.seg, t.dir, t.rules, t.delta, t.look = c, sent, d, r, delta, look
	t.snd.tcb, t.snd.rest = &c.ends[d], &c.rest[d]
	t.rcv.tcb, t.rcv.rest = &c.ends[d^1], &c.rest[d^1]
	if c.origin == 0 {
		t.delta.Anomalies = c.begin(sent, d)
	} else if sent.Flags&wire.SYN != 0 && t.renews() {
		t.look.Renews = true
	}
	t.delta.From[0], t.delta.From[1] = c.ends[0].state, c.ends[1].state
	t.sent()
	if received != nil {
		t.received(received)
	} else {
		t.lost()
		t.look.Text = Ignore
	}
	c.settle(&t)
	t.look.Anomalies = t.delta.Anomalies
	if t.look.Renews {
		*t.look = Look{Renews: true}
	}
}

// begin gives the endpoints the states that the first segment proves. A SYN has
// been sent by an endpoint that was CLOSED to one that is taken for a listener;
// a SYN,ACK answers a SYN; what is closed by a RST was never seen alive; and
// everything else is sent within a connection.
func (c *Conn) begin(seg *wire.Segment, d wire.Dir) (lone Anomalies) {
	snd, rcv := &c.ends[d], &c.ends[d.Reverse()]
	_, how := Orient(seg)
	c.origin = origin(how) + 1
	switch {
	case how == StartSYN:
		snd.state, rcv.state = Closed, Listen
	case how == StartSYNACK:
		snd.state, rcv.state = SynReceived, SynSent
	case seg.Flags.Has(wire.RST):
		snd.state, rcv.state = Closed, Closed
		lone.add(RSTButNoSession)
	default:
		snd.state, rcv.state = Established, Established
	}
	snd.setShift(wscaleMax)
	rcv.setShift(wscaleMax)
	return lone
}

// settle draws the conclusions that concern both endpoints.
func (c *Conn) settle(t *turn) {
	keepUp(t.snd, t.rcv)
	keepUp(t.rcv, t.snd)
	if assert.Enabled {
		checkPair(t.snd, t.rcv)
		checkPair(t.rcv, t.snd)
	}
	a, b := &c.ends[0], &c.ends[1]
	t.delta.To[0], t.delta.To[1] = a.state, b.state
	if c.marks&markEstablished == 0 && a.facts&b.facts&factRose != 0 {
		c.marks |= markEstablished
		t.delta.Established = true
	}
	over := c.over(t.reset)
	if over && c.marks&markOver == 0 {
		t.delta.Closed, t.delta.Reset = true, t.reset
		c.marks |= markOver
	} else if !over && c.origin != 0 && !(a.state == Untracked && b.state == Untracked) {
		c.marks &^= markOver
	}
	c.marks &^= markPlain
	const needed = factSeen | factKnown | factEdge | factAcked
	if a.state.open() && b.state.open() && a.facts&b.facts&needed == needed && (a.facts|b.facts)&(factFIN|factHoles) == 0 &&
		a.rcvNXT == b.sndNXT && b.rcvNXT == a.sndNXT {
		c.marks |= markPlain
	}
}

// over reports whether nothing more is to come. An untracked endpoint counts as
// the other one does; where both are untracked, only a RST ends it.
func (c *Conn) over(reset bool) bool {
	tracked := 0
	for i := range c.ends {
		switch c.ends[i].state {
		case Closed, TimeWait:
			tracked++
		case Untracked:
		default:
			return false
		}
	}
	return tracked > 0 || reset
}

// apply delivers signals to the endpoint, in order, and returns what the states
// had no rule for. An untracked endpoint has no state to move.
func (e *tcb) apply(s signals) (strange Anomalies) {
	if e.state == Untracked {
		return 0
	}
	for ; s != 0; s &= s - 1 {
		sig := signal(bits.TrailingZeros16(uint16(s)))
		to := next[e.state&nextMask][sig&nextMask]
		if to == unlisted {
			strange.add(strays[sig&nextMask])
			continue
		}
		e.state = to
		if to == Established {
			e.set(factRose)
		}
	}
	return strange
}

// Expire tells the endpoint that sends in direction d that its 2 MSL are over
// (RFC 9293 §3.10.8). It changes nothing in states other than TIME-WAIT.
func (c *Conn) Expire(d wire.Dir) Delta {
	var delta Delta
	delta.From = [2]State{c.ends[0].state, c.ends[1].state}
	if e := &c.ends[d&1]; e.state == TimeWait {
		stray := e.apply(1 << timeout2MSL)
		assert.That(stray == 0, "TIME-WAIT has a rule for 2 MSL")
	}
	delta.To = [2]State{c.ends[0].state, c.ends[1].state}
	return delta
}

// Untrack ends the stepping of the endpoint that sends in direction d: its
// state reads UNTRACKED from now on. What the other endpoint has to know of its
// sequence numbers is kept up.
func (c *Conn) Untrack(d wire.Dir) {
	c.ends[d&1].state = Untracked
}
