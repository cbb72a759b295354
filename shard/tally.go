package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// tally is what one side has sent: packets, and octets of payload by the IP
// header. What would not fit has been carried over (more).
type tally struct{ packets, octets uint32 }

// add counts a packet. It reports whether that was all: else the tally is to be
// carried over.
func (t *tally) add(octets uint32) bool {
	t.packets++
	t.octets += octets
	return (t.packets|t.octets)>>31 == 0
}

// carry is what is carried over at a time. A tally of packets is never 0 again.
const carry = 1 << 30

// carryOver makes room in a side's tally.
func (s *Shard) carryOver(fl *flow, d wire.Dir) {
	m := &s.moreOf(fl).sent[d&1]
	for t := &fl.sent[d&1]; (t.packets|t.octets)>>31 != 0; {
		if t.packets>>31 != 0 {
			t.packets -= carry
			m.packets += carry
		}
		if t.octets>>31 != 0 {
			t.octets -= carry
			m.octets += carry
		}
	}
}

// sentBy returns how many packets and octets of payload a side has sent.
func (s *Shard) sentBy(fl *flow, d wire.Dir) (packets, octets uint64) {
	t := &fl.sent[d&1]
	packets, octets = uint64(t.packets), uint64(t.octets)
	if fl.more != 0 {
		m := &s.mores.At(fl.more).sent[d&1]
		packets, octets = packets+m.packets, octets+m.octets
	}
	return packets, octets
}

// control is a kind of segment that is counted apart.
type control uint8

const (
	controlSYN control = iota
	controlSYNACK
	controlFIN
	controlRST
	controlCount
)

// seen counts the segments of each kind that either side has sent, up to three,
// in two bits each: most connections see none more often than twice. The rest is
// counted elsewhere (more).
type seen uint16

// seenMax is as far as seen counts.
const seenMax = 3

func (n seen) shift(d wire.Dir, c control) uint { return uint(d&1)*8 + uint(c&3)*2 }

// note counts a segment of a kind.
func (s *Shard) note(fl *flow, d wire.Dir, c control) {
	shift := fl.seen.shift(d, c)
	if fl.seen>>shift&seenMax < seenMax {
		fl.seen += 1 << shift
		return
	}
	if n := &s.moreOf(fl).sent[d&1].control[c]; *n < ^uint8(0)-seenMax {
		*n++
	}
}

// noted returns how many segments of a kind a side has sent, at most 255.
func (s *Shard) noted(fl *flow, d wire.Dir, c control) uint8 {
	n := uint8(fl.seen >> fl.seen.shift(d, c) & seenMax)
	if n == seenMax && fl.more != 0 {
		n += s.mores.At(fl.more).sent[d&1].control[c]
	}
	return n
}

// count adds a packet to what its sender has sent.
func (s *Shard) count(fl *flow, p *wire.Packet, d wire.Dir) {
	if !fl.sent[d&1].add(p.PayloadLen) {
		s.carryOver(fl, d)
	}
	if fl.isTCP() && p.Segment.Flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		s.countControl(fl, p.Segment.Flags, d)
	}
}

func (s *Shard) countControl(fl *flow, f wire.Flags, d wire.Dir) {
	switch {
	case f.Has(wire.SYN | wire.ACK):
		s.note(fl, d, controlSYNACK)
	case f.Has(wire.SYN):
		s.note(fl, d, controlSYN)
	}
	if f.Has(wire.FIN) {
		s.note(fl, d, controlFIN)
	}
	if f.Has(wire.RST) {
		s.note(fl, d, controlRST)
	}
}

// more is what few flows have beside their record: made when there is something
// to keep, and kept until the flow ends.
type more struct {
	label
	scope  uint64 // of the key; valid iff roleScoped
	sent   [2]overflow
	wish   wish
	bag    handle // users' values
	timers handle // users' timers, latest first
}

// wish is what handlers have asked for the flow's streams, whether or not there
// are any now.
type wish struct {
	octets [2]uint64 // for buffers, by side; 0: nothing
	how    buffers.Policy
	set    bool // how is valid
}

// policy notes a policy, of which the first holds.
func (w *wish) policy(p buffers.Policy) {
	if !w.set {
		w.how, w.set = p, true
	}
}

// wishOf returns what was asked for the flow's streams, to be added to.
func (s *Shard) wishOf(fl *flow) *wish { return &s.moreOf(fl).wish }

// overflow is what a side has sent beyond what the record counts.
type overflow struct {
	packets, octets uint64
	control         [controlCount]uint8
}

// moreOf returns what the flow has beside its record, which it makes if need be.
func (s *Shard) moreOf(fl *flow) *more {
	if fl.more != 0 {
		return s.mores.At(fl.more)
	}
	h, m := s.mores.New()
	fl.more = h
	return m
}

// labelOf returns the flow's label.
func (s *Shard) labelOf(fl *flow) *label { return &s.moreOf(fl).label }

// label is what qualifies a flow's record, where there is anything to say.
type label struct {
	gapOctets    uint64
	refused      uint64
	rexmitOctets [2]uint64
	rexmits      [2]uint32 // segments that repeated something, by side
	badChecksums uint32
	conflicts    uint32
	dropped      uint32
	panics       uint32
	truncated    bool
	matchUnknown bool
}
