package traffic

import (
	"math/rand/v2"
	"time"

	"github.com/mbox-stack/mbox/wire"
)

// planned is one segment of a connection to come. Sequence numbers count from
// 0, the SYN's; text octet i of a stream has number i+1.
type planned struct {
	atNs     int64 // since the connection's first segment
	seq, ack uint32
	len      uint32 // octets of text
	flags    wire.Flags
	dir      wire.Dir
}

// How a sender repairs a loss (RFC 5681 §3.2: at the third duplicate
// acknowledgement; RFC 6298 §5: after the timeout, here the least that Linux
// uses), and how far a late segment falls behind.
const (
	fastRetransmitAfter = 3
	retransmitTimeout   = 200 * time.Millisecond
	lateByMax           = 3 // segments
	// heldMax is how many segments are late at a time, as if the sender's window
	// allowed no more: further ones are in time, so that planning stays linear.
	heldMax = 16
)

// planner plans whole connections, one after the other: a simulation of two
// endpoints as the middle sees them. Nothing is lost behind the middle, so what
// passed has arrived, and nobody acknowledges what has not passed yet.
type planner struct {
	Config
	rng *rand.Rand
	pcg *rand.PCG
	run
}

// run is the state of the connection being planned.
type run struct {
	out   []planned
	held  []late
	now   int64     // ns since the first segment
	sent  [2]uint32 // by sender: the sequence number behind what has been cut off
	count [2]int    // by sender of the octets: segments not acknowledged
}

// late is a segment that has not passed the middle in its turn.
type late struct {
	planned
	after int  // segments that still pass before it does
	lost  bool // on its way to the middle: what passes is the retransmission
}

func newPlanner(c Config) *planner {
	pcg := rand.NewPCG(0, 0)
	return &planner{Config: c, pcg: pcg, rng: rand.New(pcg)}
}

// plan returns the segments of connection conn, in memory of out.
func (p *planner) plan(out []planned, conn uint64) []planned {
	p.pcg.Seed(p.Seed, conn)
	p.run = run{out: out[:0], held: p.held[:0]}
	p.control(wire.ToServer, wire.SYN)
	p.control(wire.ToClient, wire.SYN|wire.ACK)
	p.control(wire.ToServer, wire.ACK)
	for range p.Exchanges {
		p.message(wire.ToServer, uint32(p.RequestOctets))
		p.message(wire.ToClient, uint32(p.ResponseOctets))
	}
	p.control(wire.ToServer, wire.FIN|wire.ACK)
	p.control(wire.ToClient, wire.FIN|wire.ACK)
	p.control(wire.ToServer, wire.ACK)
	return p.out
}

// control plans a segment without text.
func (p *planner) control(d wire.Dir, flags wire.Flags) {
	if len(p.out) > 0 {
		p.pause(p.Turn)
	}
	p.pass(planned{dir: d, flags: flags, seq: p.sent[d]})
	if flags&(wire.SYN|wire.FIN) != 0 {
		p.sent[d]++
	}
}

// message plans the segments of a request or response, with what becomes of
// them on their way, and the acknowledgements.
func (p *planner) message(d wire.Dir, octets uint32) {
	end := p.sent[d] + octets
	p.pause(p.Turn)
	if p.Bare {
		for range (octets + uint32(p.SegmentOctets) - 1) / uint32(p.SegmentOctets) {
			p.data(planned{dir: d, flags: wire.ACK, seq: p.sent[d]})
		}
		return
	}
	for p.sent[d] != end {
		s := planned{dir: d, flags: wire.ACK, seq: p.sent[d], len: min(end-p.sent[d], uint32(p.SegmentOctets))}
		if p.sent[d] += s.len; p.sent[d] == end {
			s.flags |= wire.PSH
		}
		switch chance := p.rng.Float64(); {
		case chance < p.Lost && len(p.held) < heldMax:
			p.held = append(p.held, late{planned: s, after: fastRetransmitAfter, lost: true})
		case chance < p.Lost+p.Reordered && len(p.held) < heldMax:
			p.held = append(p.held, late{planned: s, after: 1 + p.rng.IntN(lateByMax)})
		default:
			p.data(s)
			p.overtaken()
		}
	}
	p.flush()
}

// overtaken counts a segment that has passed the late ones, and lets those pass
// whose turn it now is.
func (p *planner) overtaken() {
	for i := 0; i < len(p.held); {
		if p.held[i].after--; p.held[i].after > 0 {
			i++
			continue
		}
		s := p.held[i].planned
		p.held = append(p.held[:i], p.held[i+1:]...)
		p.data(s)
	}
}

// flush lets all late segments pass, those that were lost after a timeout.
func (p *planner) flush() {
	for len(p.held) > 0 {
		s := p.held[0]
		p.held = append(p.held[:0], p.held[1:]...)
		if s.lost {
			p.now += int64(retransmitTimeout)
		}
		p.data(s.planned)
	}
}

// data plans a segment with text and its receiver's answer: at once where there
// is a hole (RFC 5681 §4.2), else when enough segments have come.
func (p *planner) data(s planned) {
	p.pause(p.Gap)
	p.pass(s)
	p.count[s.dir]++
	hole := p.arrived(s.dir) != s.seq+s.len
	if p.AckEvery > 0 && (hole || p.count[s.dir] >= p.AckEvery) {
		p.pause(p.Gap)
		p.pass(planned{dir: s.dir.Reverse(), flags: wire.ACK, seq: p.sent[s.dir.Reverse()]})
	}
}

// arrived returns up to where the stream of sender d has passed without a hole.
// Only one side has segments under way at a time, so held ones are its own.
func (p *planner) arrived(d wire.Dir) uint32 {
	n := p.sent[d]
	for i := range p.held {
		if s := &p.held[i]; s.dir == d {
			n = min(n, s.seq)
		}
	}
	return n
}

// pass plans a segment now, acknowledging what has arrived.
func (p *planner) pass(s planned) {
	s.atNs = p.now
	if s.flags&wire.ACK != 0 {
		peer := s.dir.Reverse()
		s.ack, p.count[peer] = p.arrived(peer), 0
	}
	p.out = append(p.out, s)
}

// pause lets a random time pass, mean on average and never none.
func (p *planner) pause(mean time.Duration) {
	p.now += int64(mean)/2 + p.rng.Int64N(int64(mean)+1) + 1
}
