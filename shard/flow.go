package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// flow is the record of one flow, in the shard's slab: a value without
// pointers.
//
// It has five cache lines (TestFlowLayout), of which a plain segment needs the
// first four: the key and what is decided by it; the connection, in two; and
// what has been counted, with the connection's rest.
type flow struct {
	key   wire.FlowKey
	last  int64 // clock at the latest packet, ns
	plan  uevents.PlanID
	flags flowFlags
	role  role
	class class
	life  lifecycle

	conn tcpfsm.Conn // valid iff key.Proto is ProtoTCP
	idle handle      // timer
	sent [2]tally    // by the side that sends

	id     uevents.FlowID
	first  int64  // clock at the first packet, ns
	frame  uint64 // ordinal of the first frame in its source
	tag    uint32 // lower half of the key's hash
	older  handle // neighbours in the slot's list of this class
	newer  handle
	pair   handle // streams; 0: nobody reads the flow's octets
	label  handle // what qualifies the record; 0: nothing does
	bag    handle // users' values
	timers handle // users' timers, latest first
	synack uint32 // when the first SYN-ACK came, after first; in 100 ns, 0: not yet
	rtt    [2]uint32
}

// role says which endpoint of the key is the client, and how that was found out.
type role uint8

func makeRole(client uint8, how uevents.Start) role { return role(how<<1) | role(client&1) }

// client returns the index of the client in the key.
func (r role) client() uint8 { return uint8(r & 1) }

// how returns what the flow began with.
func (r role) how() uevents.Start { return uevents.Start(r >> 1) }

// tally is what one side has sent.
type tally struct {
	packets uint64
	octets  uint64 // of payload, by the IP header
	syn     uint8  // segments with the flag; these four stop at 255
	synack  uint8
	fin     uint8
	rst     uint8
	rexmits uint32 // segments that repeated something
}

// flowFlags are facts about a flow.
type flowFlags uint8

const (
	flowReleased  flowFlags = 1 << iota // all sockets have let go: only a mark is left
	flowPolicySet                       // a socket or the configuration has chosen the overlap policy
	flowFresh                           // no packet has been accepted yet
	flowRTT                             // both halves of the handshake have been timed
	flowReset                           // a RST that counts has closed it
	flowActive                          // packets have come since the flow joined its list
	flowUnread                          // octets that the client sent have gone by without reassembly
	_                                   // the same for the server: flowUnread << side
)

// flow's times are kept in units of 100 ns: 32 bits reach seven minutes, longer
// than any handshake lasts.
const rttUnit = 100

// pair is both streams of a flow that somebody reads.
type pair struct{ dir [2]pairSide }

// pairSide is what one side sends.
type pairSide struct {
	stream buffers.Stream
	seq    wire.Seq // of the octet at stream.Next; valid iff open
	open   bool
	// touched says that octets have been inserted or passed over, so that a SYN
	// that comes late cannot move the start any more.
	touched bool
}

// label is what qualifies a flow's record, where there is anything to say.
type label struct {
	gapOctets    uint64
	refused      uint64
	rexmitOctets [2]uint64
	badChecksums uint32
	conflicts    uint32
	dropped      uint32
	panics       uint32
	truncated    bool
	matchUnknown bool
}

// class is where a slot looks for room: flows of a lower class go first.
type class uint8

const (
	classClosed   class = iota // over, kept for late segments
	classUnproven              // embryonic, or heard from one side only
	classTwoSided              // both sides have been heard, and TCP is established
	classReleased              // marks of flows that all sockets have let go
	classCount
	classNone = classCount // in no list
)

// dirOf returns the direction in which a packet with that sender travels.
func (f *flow) dirOf(sender uint8) wire.Dir { return wire.Dir(sender^uint8(f.role)) & 1 }

func (f *flow) isTCP() bool { return f.key.Proto == wire.ProtoTCP }

// lifeNow returns what the flow's timeout depends on now.
func (f *flow) lifeNow() lifecycle {
	if !f.isTCP() {
		return lifeDatagram
	}
	switch f.conn.Phase() {
	case tcpfsm.PhaseEmbryonic:
		return lifeEmbryonic
	case tcpfsm.PhaseEstablished, tcpfsm.PhaseOneSided:
		return lifeEstablished
	case tcpfsm.PhaseClosing:
		return lifeClosing
	}
	return lifeClosed
}

// classNow returns the class that the flow belongs to now.
func (f *flow) classNow() class {
	switch {
	case f.flags&flowReleased != 0:
		return classReleased
	case f.isTCP() && f.life == lifeClosed:
		return classClosed
	case f.sent[0].packets == 0 || f.sent[1].packets == 0 || f.life == lifeEmbryonic:
		return classUnproven
	}
	return classTwoSided
}

// count adds a packet to what its sender has sent.
func (t *tally) count(p *wire.Packet, tcp bool) {
	t.packets++
	t.octets += uint64(p.PayloadLen)
	if !tcp || p.Segment.Flags&(wire.SYN|wire.FIN|wire.RST) == 0 {
		return
	}
	switch fl := p.Segment.Flags; {
	case fl.Has(wire.SYN | wire.ACK):
		saturate(&t.synack)
	case fl.Has(wire.SYN):
		saturate(&t.syn)
	}
	if p.Segment.Flags.Has(wire.FIN) {
		saturate(&t.fin)
	}
	if p.Segment.Flags.Has(wire.RST) {
		saturate(&t.rst)
	}
}

func saturate(n *uint8) {
	if *n != ^uint8(0) {
		*n++
	}
}
