package tcpfsm

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// world is two hosts, the wire between them, and us in the middle. Segments are
// lost, repeated and put out of order before us and behind us.
type world struct {
	t     *testing.T
	seed  uint64
	r     *rand.Rand
	hosts [2]*host
	wire  [2][]wire.Segment // behind us, on the way to the other host
	mid   Conn
	began bool

	renewed bool // a SYN after a RST began another connection

	sent  [2]map[wire.Seq]bool // octets of text that have passed us
	exact [2]bool              // no hole has been forgotten
	loss  float64
	aims  aims
	trace bool
}

// aims are what the hosts of a world want.
type aims struct {
	closers int // bit i: host i closes by itself
	aborts  bool
	both    bool // both open
	roles   [2]wire.Dir
}

func newWorld(t *testing.T, seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{t: t, seed: seed, r: r, exact: [2]bool{true, true}, loss: r.Float64() * 0.35}
	w.hosts = [2]*host{newHost(r, Closed), newHost(r, Listen)}
	w.sent = [2]map[wire.Seq]bool{{}, {}}
	w.aims = aims{closers: r.IntN(4), aborts: r.IntN(10) == 0, both: r.IntN(8) == 0}
	w.trace = os.Getenv("TRACE_SEED") == strconv.FormatUint(seed, 10)
	w.hosts[0].open()
	if w.aims.both {
		w.hosts[1].open()
	}
	return w
}

// run lets the world go, then lets it settle: nothing is lost any more, and each
// time that all queues are empty the hosts' timers fire.
func (w *world) run() {
	for step := range 300 {
		i := w.r.IntN(2)
		w.act(w.hosts[i], i, step)
		if w.r.IntN(2) == 0 {
			w.pass(i, false)
		}
		w.deliver(i, false)
	}
	for timers := 0; timers < 25; {
		if len(w.hosts[0].out)+len(w.hosts[1].out)+len(w.wire[0])+len(w.wire[1]) == 0 {
			w.hosts[0].retransmit()
			w.hosts[1].retransmit()
			timers++
		}
		for i := range w.hosts {
			w.pass(i, true)
			w.deliver(i, true)
		}
	}
}

// act lets host i do what its user or its timers would.
func (w *world) act(h *host, i int, step int) {
	switch {
	case w.r.IntN(12) == 0:
		h.retransmit()
	case w.r.IntN(3) == 0:
		h.write()
	}
	if step > 40 && w.r.IntN(20) == 0 && (w.aims.closers>>i&1 == 1 || w.aims.closers != 0 && h.st == CloseWait) {
		h.close()
	}
	if w.aims.aborts && step > 30 && w.r.IntN(200) == 0 {
		h.abort()
	}
}

// pick takes one of the first segments of a queue.
func (w *world) pick(q *[]wire.Segment, quiet bool) (s wire.Segment, ok bool) {
	if len(*q) == 0 {
		return s, false
	}
	i := 0
	if !quiet {
		i = w.r.IntN(min(3, len(*q)))
	}
	s = (*q)[i]
	if quiet || w.r.IntN(20) != 0 { // else it is repeated
		*q = append((*q)[:i:i], (*q)[i+1:]...)
	}
	return s, quiet || w.r.Float64() >= w.loss
}

// pass takes a segment of host i past the middle.
func (w *world) pass(i int, quiet bool) {
	seg, ok := w.pick(&w.hosts[i].out, quiet)
	if !ok {
		return // lost before us
	}
	if !w.began {
		d, _ := Orient(&seg)
		w.aims.roles[i], w.aims.roles[1-i] = d, d.Reverse()
		w.began = true
	}
	d := w.aims.roles[i]
	before := w.mid
	look := w.mid.Look(&seg, d, Rules{})
	if w.mid != before {
		w.t.Fatalf("seed %d: Look has changed the connection", w.seed)
	}
	if look.Renews {
		if w.mid.Phase() != PhaseClosed || kindOf(seg.Flags) != kindSYN {
			w.t.Fatalf("seed %d: %v %+v renews", w.seed, d, seg)
		}
		// The RST was lost behind us, and its receiver tries again.
		w.renewed = true
		w.mid, w.sent, w.exact = Conn{}, [2]map[wire.Seq]bool{{}, {}}, [2]bool{true, true}
		d, _ = Orient(&seg)
		w.aims.roles[i], w.aims.roles[1-i] = d, d.Reverse()
		before, look = w.mid, w.mid.Look(&seg, d, Rules{})
	}
	w.checkOld(&seg, d, &look)
	delta := w.mid.Step(&seg, &seg, d, Rules{})
	w.checkStep(&before, &delta, &look)
	if w.trace {
		w.t.Logf("%v %v %d %d %d | %v %v (%v %v) %s", d, seg.Flags, seg.Seq, seg.Ack, seg.Len,
			delta.To[0], delta.To[1], w.hosts[0].st, w.hosts[1].st, notes(&delta, &look))
	}
	w.wire[i] = append(w.wire[i], seg)
}

// deliver takes a segment of host i to the other one.
func (w *world) deliver(i int, quiet bool) {
	if seg, ok := w.pick(&w.wire[i], quiet); ok {
		if w.trace {
			w.t.Logf("    %d gets %v %d %d %d", 1-i, seg.Flags, seg.Seq, seg.Ack, seg.Len)
		}
		w.hosts[1-i].arrive(seg)
	}
}

// checkOld compares what Look says of a retransmission with the set of all
// octets that have passed.
func (w *world) checkOld(seg *wire.Segment, d wire.Dir, look *Look) {
	if !w.mid.Exact(d) {
		w.exact[d] = false
	}
	if seg.Flags.Has(wire.RST) {
		return
	}
	s := text(seg)
	var first, last wire.Seq
	found := false
	for q := s.from; q != s.to; q++ {
		if w.sent[d][q] {
			if !found {
				first = q
			}
			found, last = true, q
		}
	}
	for q := s.from; q != s.to; q++ {
		w.sent[d][q] = true
	}
	if !w.exact[d] || look.KeepAlive || look.WindowProbe {
		return
	}
	if found != look.Rexmit.Has(RexmitText) ||
		found && (first != s.from.Add(look.OldOff) || last+1 != first.Add(look.OldLen)) {
		w.t.Errorf("seed %d: %v %d+%d: sent before is %v [%d,%d], look says %+v",
			w.seed, d, s.from, seg.Len, found, first, last, *look)
	}
}

// checkStep checks what holds after every step.
func (w *world) checkStep(before *Conn, delta *Delta, look *Look) {
	checkConn(w.t, before, &w.mid, delta)
	if look.Anomalies != delta.Anomalies {
		w.t.Errorf("seed %d: Look saw %v, Step %v", w.seed, look.Anomalies, delta.Anomalies)
	}
}

// checkConn checks the invariants of docs/TESTING.md: I1 and I2 for both
// endpoints, I3 and I4 for the step from before to c.
func checkConn(t testing.TB, before, c *Conn, delta *Delta) {
	t.Helper()
	for d := wire.ToServer; d <= wire.ToClient; d++ {
		una, known := c.SndUNA(d)
		nxt, _ := c.SndNXT(d)
		rcv, _ := c.RcvNXT(d.Reverse())
		if known && (nxt.Less(una) || nxt.Less(rcv)) {
			t.Errorf("%v: SND.UNA %d, RCV.NXT of the peer %d, SND.NXT %d", d, una, rcv, nxt)
		}
		if fin, ok := before.FIN(d); ok {
			if now, still := c.FIN(d); !still || now != fin {
				t.Errorf("%v: FIN moved from %d to %d", d, fin, now)
			}
		}
		if !reachable[delta.From[d]][delta.To[d]] {
			t.Errorf("%v: no rules lead from %v to %v", d, delta.From[d], delta.To[d])
		}
		c.end(wire.Dir(d)).checkHoles()
	}
}

// reachable holds the pairs of states that the signals of one segment lead
// between: three at most move a state.
var reachable = func() (at [stateCount][stateCount]bool) {
	for s := range at {
		at[s][s] = true
	}
	for range 3 {
		was := at
		for from := range at {
			for _, r := range rules {
				if was[from][r.From] {
					at[from][r.To] = true
				}
			}
		}
	}
	return at
}()

// TestQuiescence checks that when the wire is quiet the middle knows both states
// and all sequence numbers.
func TestQuiescence(t *testing.T) {
	seeds := 300
	if n, err := strconv.Atoi(os.Getenv("SIM_SEEDS")); err == nil {
		seeds = n
	}
	unknowable := map[[2]State]int{}
	for seed := range uint64(seeds) {
		w := newWorld(t, seed)
		w.run()
		for i, h := range w.hosts {
			got := w.mid.State(w.aims.roles[i])
			if got == h.st {
				continue
			}
			if w.cannotKnow(h.st, got) {
				unknowable[[2]State{h.st, got}]++
				continue
			}
			t.Errorf("seed %d: host %d is in %v, taken for %v (other: %v)", seed, i, h.st, got, w.hosts[1-i].st)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("of %d endpoints, taken for another: %v", 2*seeds, unknowable)
}

// cannotKnow lists what nobody in the middle can tell.
func (w *world) cannotKnow(is, taken State) bool {
	switch {
	case w.hosts[0].aborted && w.hosts[1].aborted:
		// Both RSTs may be lost before us, or come after octets that were, and
		// nobody is left to ask for them again.
		return is == Closed
	case w.renewed:
		// The SYN was no new try, but repeated and overtaken by the RST.
		return is == Closed
	case is == TimeWait:
		// A FIN lost before us is repeated with a newer ACK, so that CLOSING looks
		// like LAST-ACK, and TIME-WAIT like CLOSED.
		return taken == Closed
	}
	return false
}
