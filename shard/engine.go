package shard

import (
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// engine is the shard as its handlers' Context sees it.
type engine Shard

var _ uevents.Engine = (*engine)(nil)

// Shard implements uevents.Engine, as do the other methods.
func (e *engine) Shard() int    { return e.cfg.Index }
func (e *engine) HasFlow() bool { return e.fl != nil }
func (e *engine) Drop()         { e.seg.dropped = true }

func (e *engine) Flow() uevents.Flow {
	if e.fl == nil {
		return uevents.Flow{}
	}
	return uevents.MakeFlow(e.fl.id, (*Shard)(e).keyOf(e.fl), e.fl.role.client(), e.fl.role.how())
}

func (e *engine) FirstSeen() int64 {
	if e.fl == nil {
		return 0
	}
	return e.fl.first
}

func (e *engine) LastActive() int64 {
	if e.fl == nil {
		return 0
	}
	return e.fl.last
}

func (e *engine) FirstFrame() uint64 {
	if e.fl == nil {
		return 0
	}
	return e.fl.frame
}

func (e *engine) RTT() uevents.RTT {
	if e.fl == nil {
		return uevents.RTT{}
	}
	rtt := uevents.RTT{Server: time.Duration(e.fl.rtt[wire.ToServer]) * rttUnit}
	if e.fl.flags&flowRTT != 0 {
		rtt.Client = time.Duration(e.fl.rtt[wire.ToClient]) * rttUnit
	}
	return rtt
}

func (e *engine) Counters(side wire.Dir) uevents.Counters {
	if e.fl == nil {
		return uevents.Counters{}
	}
	s, fl := (*Shard)(e), e.fl
	count := func(c control) uint32 { return uint32(s.noted(fl, side, c)) }
	c := uevents.Counters{SYN: count(controlSYN), SYNACK: count(controlSYNACK), FIN: count(controlFIN), RST: count(controlRST)}
	c.Packets, c.PayloadBytes = s.sentBy(fl, side)
	if fl.more != 0 {
		l := &s.mores.At(fl.more).label
		c.Rexmits, c.RexmitBytes = uint64(l.rexmits[side&1]), l.rexmitOctets[side&1]
	}
	return c
}

func (e *engine) Evidence() uevents.Evidence {
	fl := e.fl
	if fl == nil {
		return uevents.Evidence{}
	}
	ev := uevents.Evidence{
		OneSided:  fl.sent[0].packets == 0 || fl.sent[1].packets == 0,
		Midstream: fl.role.how() == uevents.StartMidstream,
	}
	if fl.more != 0 {
		l := &e.mores.At(fl.more).label
		ev.Truncated, ev.MatchUnknown = l.truncated, l.matchUnknown
		ev.GapOctets, ev.BadChecksums, ev.Conflicts = l.gapOctets, l.badChecksums, l.conflicts
		ev.Dropped, ev.Refused, ev.Panics = l.dropped, l.refused, l.panics
	}
	return ev
}

func (e *engine) Apply(c uevents.Change) error {
	s := (*Shard)(e)
	plan := s.plans.At(e.fl.plan)
	if e.ending.flow != 0 || !plan.Has(c.Socket) {
		return uevents.ErrFlowGone
	}
	if c.Kind == uevents.ChangeRelease {
		if plan.PolicySet && !plan.Alone() {
			s.wishOf(e.fl).policy(plan.Policy) // may be the socket's, and is the flow's
		}
		if e.fl.flags&flowFresh == 0 { // one that was never begun has no end
			s.disp.Part(plan, c.Socket)
		}
	}
	s.change(c)
	return nil
}

func (e *engine) ReadAt(side wire.Dir, off uint64, p []byte) (int, error) {
	if e.fl == nil || e.fl.pair == 0 {
		e.gone = buffers.GoneError{}
		return 0, &e.gone
	}
	st := &(*Shard)(e).pairOf(e.fl).dir[side&1].stream
	n, err := e.arena.ReadAt(st, off, p)
	if err == buffers.ErrGone {
		e.gone.Next, e.gone.Held = e.arena.NextHeld(st, off+uint64(n))
		err = &e.gone
	}
	return n, err
}

func (e *engine) Held(side wire.Dir, dst []buffers.Range) []buffers.Range {
	if e.fl == nil || e.fl.pair == 0 {
		return dst
	}
	return e.arena.Held(&(*Shard)(e).pairOf(e.fl).dir[side&1].stream, dst)
}

func (e *engine) Buffered(side wire.Dir) uevents.Buffered {
	if e.fl == nil {
		return uevents.Buffered{}
	}
	if !e.fl.paired() {
		return (*Shard)(e).bufferedStraight(e.fl, side&1)
	}
	st := &(*Shard)(e).side(e.fl, side&1).stream
	b := uevents.Buffered{Next: st.Next(), Pending: e.arena.Pending(st), Holes: e.arena.HoleCount(st), Limit: e.arena.Cap(st)}
	var few [8]buffers.Range
	for _, r := range e.arena.Held(st, few[:0]) {
		b.Kept += r.Len()
	}
	b.Kept -= b.Pending
	return b
}

func (e *engine) SetPolicy(p buffers.Policy) error {
	s, fl := (*Shard)(e), e.fl
	pr := s.pairOf(fl)
	if fl.flags&flowPolicySet != 0 {
		for side := range pr.dir {
			if pr.dir[side].stream.Policy() != p {
				return uevents.ErrPolicySet
			}
		}
		return nil
	}
	fl.flags |= flowPolicySet
	s.wishOf(fl).policy(p)
	for side := range pr.dir {
		pr.dir[side].stream.SetPolicy(p)
	}
	return nil
}

func (e *engine) SetBuffer(side wire.Dir, octets uint64) error {
	s := (*Shard)(e)
	s.pairOf(e.fl)
	st := &s.side(e.fl, side&1).stream
	octets = max(octets, 1) // 0 stands for the stack's own limit
	if !s.plans.At(e.fl.plan).Alone() {
		octets = max(octets, s.arena.Cap(st)) // others count on what there is
	}
	s.arena.SetCap(st, octets)
	s.wishOf(e.fl).octets[side&1] = min(octets, buffers.FlowCapMax)
	return nil
}

func (e *engine) Arm(after time.Duration, socket uint8, ofShard bool) (uevents.Timer, error) {
	return (*Shard)(e).arm(after, socket, ofShard)
}

func (e *engine) Disarm(t uevents.Timer) bool {
	s := (*Shard)(e)
	return s.fl != nil && s.fl.more != 0 && s.disarm(&s.mores.At(s.fl.more).timers, t) || s.disarm(&s.ambient, t)
}

func (e *engine) Value(key uint64) any {
	if e.fl == nil || e.fl.more == 0 {
		return nil
	}
	bag := e.mores.At(e.fl.more).bag
	if bag == 0 {
		return nil
	}
	return e.bags.get(bag, key)
}

func (e *engine) SetValue(key uint64, v any) {
	if e.fl == nil {
		return
	}
	m := (*Shard)(e).moreOf(e.fl)
	if m.bag == 0 {
		m.bag = e.bags.alloc()
	}
	e.bags.set(m.bag, key, v)
}

func (e *engine) Offload(reg uevents.Registration, work func() any, then func(*uevents.Context, any)) error {
	return (*Shard)(e).offload(reg, work, then)
}
