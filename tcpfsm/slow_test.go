package tcpfsm

import (
	"math/rand/v2"

	"github.com/mbox-stack/mbox/wire"
)

// host is a slow, plain endpoint: RFC 9293 §3.10 written in the order of the
// text, one octet at a time, without options. It is the oracle of the
// simulation: what it is, the middle must know when all is quiet.
type host struct {
	r        *rand.Rand
	st       State
	iss      wire.Seq
	una, nxt wire.Seq
	rcv      wire.Seq
	held     map[wire.Seq]bool // octets received beyond rcv
	peerFIN  wire.Seq
	hasFIN   bool     // of the peer, received out of order
	edge     wire.Seq // right edge of the peer's window
	window   uint32
	fin      bool // sent, at nxt-1
	aborted  bool
	out      []wire.Segment
}

func newHost(r *rand.Rand, st State) *host {
	return &host{r: r, st: st, iss: wire.Seq(r.Uint32()), held: map[wire.Seq]bool{}, window: 50 + r.Uint32N(200)}
}

func (h *host) send(f wire.Flags, seq wire.Seq, octets uint32) {
	s := wire.Segment{Seq: seq, Flags: f, Len: octets, Wnd: uint16(h.window)}
	if f.Has(wire.ACK) {
		s.Ack = h.rcv
	}
	h.out = append(h.out, s)
}

func (h *host) open() { // §3.10.1
	h.st, h.una, h.nxt = SynSent, h.iss, h.iss+1
	h.send(wire.SYN, h.iss, 0)
}

func (h *host) write() { // §3.10.2
	room := h.edge.Diff(h.nxt)
	if h.st != Established && h.st != CloseWait || h.fin || room <= 0 {
		return
	}
	n := 1 + h.r.Uint32N(min(40, uint32(room)))
	h.send(wire.ACK|wire.PSH, h.nxt, n)
	h.nxt = h.nxt.Add(n)
}

func (h *host) close() { // §3.10.4
	if h.st != SynReceived && h.edge.LessEq(h.nxt) {
		return // the FIN waits for the window, as text does
	}
	switch h.st {
	case Established, SynReceived:
		h.st = FinWait1
	case CloseWait:
		h.st = LastAck
	default:
		return
	}
	h.fin = true
	h.send(wire.FIN|wire.ACK, h.nxt, 0)
	h.nxt++
}

func (h *host) abort() { // §3.10.5
	switch h.st {
	case SynReceived, Established, FinWait1, FinWait2, CloseWait:
		h.send(wire.RST|wire.ACK, h.nxt, 0)
		h.st, h.aborted = Closed, true
	}
}

// retransmit sends again from SND.UNA on, in boundaries of its own (§3.8.1). A
// closed window is probed all the same.
func (h *host) retransmit() {
	if h.st == Closed || h.st == Listen || h.st == TimeWait {
		return
	}
	if h.una == h.nxt {
		h.send(wire.ACK, h.nxt-1, 0) // keep-alive, §3.8.4
		return
	}
	if h.una == h.iss {
		f := wire.SYN
		if h.st != SynSent {
			f |= wire.ACK
		}
		h.send(f, h.iss, 0)
		return
	}
	end := h.nxt
	if h.fin {
		end--
	}
	n := min(uint32(end-h.una), 1+h.r.Uint32N(60))
	if h.una.Add(n) == end && h.fin {
		h.send(wire.FIN|wire.ACK, h.una, n)
		return
	}
	h.send(wire.ACK|wire.PSH, h.una, n)
}

func (h *host) arrive(s wire.Segment) { // §3.10.7
	switch h.st {
	case Closed:
		h.refuse(s)
	case Listen:
		h.listen(s)
	case SynSent:
		h.synSent(s)
	default:
		h.otherwise(s)
	}
}

func (h *host) refuse(s wire.Segment) { // §3.10.7.1
	switch {
	case s.Flags.Has(wire.RST):
	case s.Flags.Has(wire.ACK):
		h.out = append(h.out, wire.Segment{Seq: s.Ack, Flags: wire.RST})
	default:
		h.out = append(h.out, wire.Segment{Ack: s.End(), Flags: wire.RST | wire.ACK})
	}
}

func (h *host) listen(s wire.Segment) { // §3.10.7.2
	switch {
	case s.Flags.Has(wire.RST):
	case s.Flags.Has(wire.ACK):
		h.refuse(s)
	case s.Flags.Has(wire.SYN):
		h.st, h.rcv, h.una, h.nxt = SynReceived, s.Seq+1, h.iss, h.iss+1
		h.send(wire.SYN|wire.ACK, h.iss, 0)
	}
}

func (h *host) synSent(s wire.Segment) { // §3.10.7.3
	ack := s.Flags.Has(wire.ACK)
	if ack && s.Ack != h.nxt { // first
		if !s.Flags.Has(wire.RST) {
			h.refuse(s)
		}
		return
	}
	if s.Flags.Has(wire.RST) { // second
		if ack {
			h.st = Closed
		}
		return
	}
	if !s.Flags.Has(wire.SYN) { // fifth
		return
	}
	h.rcv = s.Seq + 1 // fourth
	if ack {
		h.una, h.st, h.edge = s.Ack, Established, s.Ack.Add(uint32(s.Wnd))
		h.send(wire.ACK, h.nxt, 0)
		return
	}
	h.st = SynReceived
	h.send(wire.SYN|wire.ACK, h.iss, 0)
}

// inWindow is the table of §3.4.
func (h *host) inWindow(s wire.Segment) bool {
	in := func(q wire.Seq) bool { return h.rcv.LessEq(q) && q.Less(h.rcv.Add(h.window)) }
	if s.Seq == s.End() {
		return in(s.Seq) || s.Seq == h.rcv.Add(h.window)
	}
	return in(s.Seq) || in(s.End()-1)
}

func (h *host) otherwise(s wire.Segment) { // §3.10.7.4
	if h.st == SynReceived && s.Flags.Has(wire.SYN|wire.ACK) && s.Ack == h.nxt && s.Seq+1 == h.rcv { // Figure 7
		h.una, h.st, h.edge = s.Ack, Established, s.Ack.Add(uint32(s.Wnd))
		h.send(wire.ACK, h.nxt, 0)
		return
	}
	if !h.inWindow(s) { // first
		if !s.Flags.Has(wire.RST) {
			h.send(wire.ACK, h.nxt, 0)
		}
		return
	}
	if s.Flags.Has(wire.RST) { // second
		if s.Seq == h.rcv {
			h.st = Closed
		} else {
			h.send(wire.ACK, h.nxt, 0)
		}
		return
	}
	if s.Flags.Has(wire.SYN) { // fourth
		h.send(wire.ACK, h.nxt, 0)
		return
	}
	if h.acknowledged(s) { // fifth
		h.take(s) // seventh, eighth
	}
}

func (h *host) acknowledged(s wire.Segment) (goOn bool) {
	if !s.Flags.Has(wire.ACK) {
		return false
	}
	if h.st == SynReceived {
		if !h.una.Less(s.Ack) || h.nxt.Less(s.Ack) {
			h.refuse(s)
			return false
		}
		h.st = Established
	}
	if h.nxt.Less(s.Ack) {
		h.send(wire.ACK, h.nxt, 0)
		return false
	}
	if h.una.LessEq(s.Ack) {
		h.una, h.edge = s.Ack, s.Ack.Add(uint32(s.Wnd))
	}
	if !h.fin || h.una != h.nxt {
		return true
	}
	switch h.st {
	case FinWait1:
		h.st = FinWait2
	case Closing:
		h.st = TimeWait
	case LastAck:
		h.st = Closed
		return false
	}
	return true
}

func (h *host) take(s wire.Segment) {
	if s.Seq == s.End() {
		return
	}
	for q := s.Seq; q != s.Seq.Add(s.Len); q++ {
		if h.rcv.LessEq(q) && q.Less(h.rcv.Add(h.window)) {
			h.held[q] = true
		}
	}
	if s.Flags.Has(wire.FIN) {
		h.peerFIN, h.hasFIN = s.End()-1, true
	}
	for h.held[h.rcv] {
		delete(h.held, h.rcv)
		h.rcv++
	}
	if h.hasFIN && h.rcv == h.peerFIN {
		h.rcv++
		switch h.st {
		case SynReceived, Established:
			h.st = CloseWait
		case FinWait1:
			h.st = Closing
		case FinWait2:
			h.st = TimeWait
		}
	}
	h.send(wire.ACK, h.nxt, 0)
}
