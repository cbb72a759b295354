package shard

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// flow is the record of one flow, in the shard's slab: a value without
// pointers.
//
// It has four cache lines (TestLayout), of which a plain segment needs three:
// the key and what is decided by it; the connection; and what has been counted.
// The fourth, between these, is what few segments need of the connection. What
// few flows have at all lies elsewhere (more).
type flow struct {
	key   key
	spot  spot  // where its timer lies
	last  int64 // clock at the latest packet, ns
	plan  uevents.PlanID
	flags flowFlags
	role  role
	seen  seen

	conn tcpfsm.Conn // valid iff key.proto is ProtoTCP

	sent  [2]tally // by the side that sends
	pair  handle   // streams, or which are straight; 0: nobody reads the flow's octets
	more  handle   // 0: nothing
	id    uevents.FlowID
	first int64  // clock at the first packet, ns
	frame uint64 // ordinal of the first frame in its source
	timer links  // in the place where its timer lies
	// rtt are the halves of the handshake RTT; 0: not known. Until flowRTT is set
	// that of the client is when the first SYN-ACK came, after first. All in
	// units of 100 ns.
	rtt [2]uint32
}

// key is a wire.FlowKey without its Scope, which few flows have: see roleScoped.
type key struct {
	addr    [2][16]byte
	port    [2]uint16
	proto   wire.Proto
	version uint8
}

// matches reports whether the flow has a key.
func (s *Shard) matches(fl *flow, k *wire.FlowKey) bool {
	le := binary.LittleEndian
	a0, a1 := &fl.key.addr[0], &fl.key.addr[1]
	b0, b1 := &k.Addr[0], &k.Addr[1]
	return le.Uint64(a0[8:]) == le.Uint64(b0[8:]) && le.Uint64(a1[8:]) == le.Uint64(b1[8:]) &&
		fl.key.port == k.Port && fl.key.proto == k.Proto && fl.key.version == k.Version &&
		le.Uint64(a0[:]) == le.Uint64(b0[:]) && le.Uint64(a1[:]) == le.Uint64(b1[:]) &&
		(k.Scope == 0 && fl.role&roleScoped == 0 || k.Scope == s.scopeOf(fl))
}

// scopeOf returns the Scope of the flow's key.
func (s *Shard) scopeOf(fl *flow) uint64 {
	if fl.role&roleScoped == 0 {
		return 0
	}
	return s.mores.At(fl.more).scope
}

// setKey gives a new flow its key.
func (s *Shard) setKey(fl *flow, k *wire.FlowKey) {
	fl.key.addr, fl.key.port, fl.key.proto, fl.key.version = k.Addr, k.Port, k.Proto, k.Version
	if k.Scope != 0 {
		s.moreOf(fl).scope = k.Scope
		fl.role |= roleScoped
	}
}

// keyOf returns the flow's key.
func (s *Shard) keyOf(fl *flow) wire.FlowKey {
	return wire.FlowKey{Addr: fl.key.addr, Port: fl.key.port, Proto: fl.key.proto, Version: fl.key.version, Scope: s.scopeOf(fl)}
}

// role says which endpoint of the key is the client, in its lowest bit, how that
// was found out, what the flow's timeout depends on, and whether its key has a
// Scope.
type role uint8

const (
	roleHow    = 1 // two bits
	roleLife   = 3 // three
	roleScoped = role(1 << 7)
)

func makeRole(client uint8, how uevents.Start, life lifecycle) role {
	return role(client&1) | role(how)<<roleHow | role(life)<<roleLife
}

// client returns the index of the client in the key.
func (r role) client() uint8 { return uint8(r & 1) }

// how returns what the flow began with.
func (r role) how() uevents.Start { return uevents.Start(r >> roleHow & 3) }

// life returns what the flow's timeout depends on.
func (r role) life() lifecycle { return lifecycle(r >> roleLife & 7) }

func (r *role) setLife(l lifecycle) { *r = *r&^(7<<roleLife) | role(l)<<roleLife }

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

// rttUnit is what handshakes are timed in: 32 bits reach seven minutes, longer
// than any of them lasts.
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

// class is where a slot looks for room: flows of a lower class go first.
type class uint8

const (
	classClosed   class = iota // over, kept for late segments
	classUnproven              // embryonic, or heard from one side only
	classTwoSided              // both sides have been heard, and TCP is established
	classReleased              // marks of flows that all sockets have let go
	classCount
)

// dirOf returns the direction in which a packet with that sender travels.
func (f *flow) dirOf(sender uint8) wire.Dir { return wire.Dir(sender^uint8(f.role)) & 1 }

func (f *flow) isTCP() bool { return f.key.proto == wire.ProtoTCP }

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
	case f.isTCP() && f.role.life() == lifeClosed:
		return classClosed
	case f.sent[0].packets == 0 || f.sent[1].packets == 0 || f.role.life() == lifeEmbryonic:
		return classUnproven
	}
	return classTwoSided
}
