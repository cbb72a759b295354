package shard

import (
	"slices"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// Move hands some slots of one shard over to another while traffic goes on.
//
//	mover ──Expect──────▶ new owner: ready to hold back what comes early
//	each receiver ──Left──▶ old owner: behind its last frame of the slots
//	each receiver ──lane──▶ new owner: its later frames, held back
//	old owner ──Cargo──▶ mover ──Settle──▶ new owner: state, then what was held back
//	each receiver: off the lane
//
// A Move is made by whoever moves slots, one at a time for all shards. Its fields
// do not change; its channels are each used once.
type Move struct {
	Slots []wire.Slot
	From  int // index of the shard that has them
	To    int // and of the one that gets them
	// Senders is how many receivers say with Left that they have left From.
	Senders int

	ready chan struct{}
	cargo chan *Cargo
	done  chan struct{}
}

// NewMove returns a move of slots from one shard to another, both by index.
func NewMove(slots []wire.Slot, from, to, senders int) *Move {
	return &Move{Slots: slots, From: from, To: to, Senders: senders,
		ready: make(chan struct{}), cargo: make(chan *Cargo, 1), done: make(chan struct{})}
}

// Ready is closed when To has handled Expect: what comes by the lane from then on
// is held back there.
func (m *Move) Ready() <-chan struct{} { return m.ready }

// Cargo brings what From had of the slots, once every sender has left it.
func (m *Move) Cargo() <-chan *Cargo { return m.cargo }

// Done is closed when To owns the slots.
func (m *Move) Done() <-chan struct{} { return m.done }

// order is what a message of traffic says about a Move.
type order uint8

const (
	orderLane   order = iota // the batch is for the slots under way
	orderExpect              // To is to expect them
	orderLeft                // one sender has nothing more for From
)

// Expect returns the message that tells To of the move.
func (m *Move) Expect() Message { return Message{Move: m, order: orderExpect} }

// Left returns the message by which one sender tells From that frames of the
// slots come by another way now. It must come behind all that did not.
func (m *Move) Left() Message { return Message{Move: m, order: orderLeft} }

// LeftAt is Left of a ring whose frames shards bring into one order: frames of the
// slots come by another way from a time on.
func (m *Move) LeftAt(clock int64, ring uint16) Message {
	return Message{Move: m, order: orderLeft, Ring: ring, Mark: Mark{Clock: clock}}
}

// Lane returns the message that brings To frames of the slots under way, from a
// ring if it is one of those.
func (m *Move) Lane(b *buffers.Batch, ring uint16) Message {
	return Message{Move: m, Batch: b, Ring: ring}
}

// heldMax bounds how many batches are held back for slots under way: as many as
// a live source's mailbox has room for. What comes beyond is dropped, and
// counted.
const heldMax = trafficLiveMax

// moving is a shard's part in moves.
type moving struct {
	in   *Move // slots that are on their way here; nil: none
	held []Message
	left int // senders that have left the slots on their way from here
	// elsewhere says of each slot that another shard has it.
	elsewhere [wire.SlotCount]bool
}

// moved handles a message about a move.
func (s *Shard) moved(m Message) {
	switch {
	case m.order == orderExpect:
		s.moves.in = m.Move
		close(m.Move.ready)
	case m.order == orderLeft && m.Ring != 0:
		s.fromRing(m) // its time comes behind what waits
	case m.order == orderLeft:
		s.leftBy(m.Move)
	case s.moves.in != m.Move: // they are here
		s.fromLane(m)
	case len(s.moves.held) < heldMax:
		s.stats.Held += uint64(len(m.Batch.Frames))
		s.moves.held = append(s.moves.held, m)
	default:
		s.refuseHeld(m.Batch)
	}
}

// leftBy is told that a sender has nothing more for the slots of a move.
func (s *Shard) leftBy(m *Move) {
	s.moves.left++
	if s.moves.left == m.Senders {
		s.moves.left = 0
		m.cargo <- s.pack(m)
	}
}

// fromLane does what came by the lane.
func (s *Shard) fromLane(m Message) {
	if m.Ring == 0 {
		s.run(m.Batch)
		return
	}
	s.rings.putLane(m)
	for s.merge() {
	}
}

// refuseHeld drops a batch that there is no room to hold back.
func (s *Shard) refuseHeld(b *buffers.Batch) {
	for i := range b.Frames {
		s.stats.Frames++
		s.stats.Octets += uint64(len(b.Frames[i].Data))
		if b.Frames[i].Role == buffers.RoleRaw {
			s.fate(FateRawOnly)
		} else {
			s.fate(FateMoving)
		}
	}
	b.Release()
}

// Settle makes the shard the owner of what another one had, and goes on with
// what was held back meanwhile. It must run as a Request, on the shard that m
// goes to.
func (s *Shard) Settle(m *Move, c *Cargo) {
	assert.That(s.moves.in == m, "what arrives was expected")
	if c.snap.After(s.plans.Snapshot()) {
		s.Update(c.snap)
	}
	s.unpack(c)
	s.moves.in = nil
	held := s.moves.held
	s.moves.held = nil
	for _, h := range held {
		if h.Ring == 0 {
			s.run(h.Batch)
		} else {
			s.rings.putLane(h)
		}
	}
	for s.merge() {
	}
	close(m.done)
}

// Owns reports whether the shard has a slot. It must run as a Request.
func (s *Shard) Owns(at wire.Slot) bool { return !s.moves.elsewhere[at] }

// Cargo is all that there is of some slots, on its way from one shard to another.
// It holds no handle of either.
type Cargo struct {
	snap  *uevents.Snapshot // that plans were made under
	plans []uevents.Parcel
	slots []slotCargo
}

// slotCargo is what a shard has of one slot.
type slotCargo struct {
	at      wire.Slot
	begun   uint64  // flows ever
	timers  uint64  // of handlers, ever
	allowed uint64  // octets of streams
	places  []entry // of the index, as they were; in the place of handles, 1 + place in flows
	flows   []flowCargo
	lists   [classCount][]int // places in flows, the oldest first; valid iff ranked
	ranked  bool
	faults  []faultCargo
}

// faultCargo is how often a handler has panicked in a slot.
type faultCargo struct {
	reg   uevents.Registration
	times uint32
}

// flowCargo is what a shard has of one flow.
type flowCargo struct {
	record flow // its handles mean nothing
	plan   int  // place in Cargo.plans; -1: the flow is a mark
	timed  bool // the timer that ends the flow is armed
	beside *besideCargo
}

// besideCargo is what only some flows have.
type besideCargo struct {
	sides  [2]sideCargo
	pair   bool
	more   *more // its handles mean nothing
	bag    *bag
	alarms []alarm // the latest first; their handles mean nothing
}

// sideCargo is one side's stream.
type sideCargo struct {
	side   pairSide // but for the stream
	stream buffers.Parcel
}

// pack takes the slots of a move out of the shard.
func (s *Shard) pack(m *Move) *Cargo {
	c := &Cargo{snap: s.plans.Snapshot(), slots: make([]slotCargo, 0, len(m.Slots))}
	shared := map[uevents.PlanID]int{}
	for _, at := range m.Slots {
		s.tellMoves(at, c.snap, c.snap.Departure)
		assert.That(!s.moves.elsewhere[at], "a shard gives what it has")
		c.slots = append(c.slots, s.packSlot(at, c, shared))
		s.moves.elsewhere[at] = true
		s.stats.SlotsOut++
	}
	if s.cur != 0 && s.moves.elsewhere[s.fl.id.Slot()] {
		s.leaveFlow()
	}
	s.publish()
	return c
}

// packSlot takes one slot out of the shard.
func (s *Shard) packSlot(at wire.Slot, c *Cargo, shared map[uevents.PlanID]int) slotCargo {
	sl := &s.slots[at]
	sc := slotCargo{at: at, begun: sl.flows, timers: sl.timers, allowed: s.arena.Allowance(at),
		places: slices.Clone(sl.index.places), flows: make([]flowCargo, 0, sl.live), faults: s.packFaults(at)}
	ordinal := 0
	for i, e := range sc.places {
		if e != 0 {
			ordinal++
			sc.places[i] = entry(ordinal)<<32 | entry(e.tag())
		}
	}
	if sc.ranked = sl.ranks != nil; sc.ranked {
		s.packRanks(sl, at, &sc)
	}
	for h, fl := range s.flowsOf(at) {
		sc.flows = append(sc.flows, flowCargo{})
		s.packFlow(h, fl, &sc.flows[len(sc.flows)-1], c, shared)
	}
	*sl = slot{index: index{places: make([]entry, indexSmallest)}}
	return sc
}

// packRanks takes a slot's lists out of the shard.
func (s *Shard) packRanks(sl *slot, at wire.Slot, sc *slotCargo) {
	place := make(map[handle]int, sl.live)
	for h := range s.flowsOf(at) {
		place[h] = len(place)
	}
	for class := range sl.ranks {
		for h := sl.ranks[class].oldest; h != 0; h = s.ranks.At(h).newer {
			sc.lists[class] = append(sc.lists[class], place[h])
		}
	}
	s.unrank(sl)
}

// packFlow takes one flow out of the shard.
func (s *Shard) packFlow(h handle, fl *flow, to *flowCargo, c *Cargo, shared map[uevents.PlanID]int) {
	to.timed, to.plan = fl.spot != spotNone, -1
	s.stats.FlowsOut++
	s.stats.Live--
	if fl.flags&flowReleased != 0 {
		s.stats.Marked--
		s.stats.MarksOut++
	} else {
		to.plan = s.packPlan(fl.plan, c, shared)
	}
	if fl.paired() || fl.more != 0 {
		to.beside = s.packBeside(fl)
	}
	s.wheel.disarm(timer(h))
	to.record = *fl
	fl.key.version = 0 // a hint may still name the record
	s.flows.Free(h)
}

// packPlan returns where in the cargo a plan is.
func (s *Shard) packPlan(id uevents.PlanID, c *Cargo, shared map[uevents.PlanID]int) int {
	private := s.plans.Private(id)
	if i, ok := shared[id]; ok && !private {
		return i
	}
	c.plans = append(c.plans, s.plans.Pack(id))
	if !private {
		shared[id] = len(c.plans) - 1
	}
	return len(c.plans) - 1
}

// packBeside takes out what a flow has beside its record.
func (s *Shard) packBeside(fl *flow) *besideCargo {
	b := &besideCargo{}
	if b.pair = fl.paired(); b.pair {
		p := s.pairs.At(fl.pair)
		for side := range p.dir {
			b.sides[side].side = p.dir[side]
			b.sides[side].stream = s.arena.Pack(&p.dir[side].stream, fl.id.Slot())
		}
		s.pairs.Free(fl.pair)
	}
	if fl.more != 0 {
		s.packMore(fl.more, b)
	}
	return b
}

// packMore takes out what few flows have.
func (s *Shard) packMore(h handle, b *besideCargo) {
	m := s.mores.At(h)
	if m.bag != 0 {
		g := s.bags.all[m.bag]
		b.bag = &g
		s.bags.free(m.bag)
	}
	for m.timers != 0 {
		b.alarms = append(b.alarms, *s.alarms.At(m.timers))
		s.forget(&m.timers, m.timers)
	}
	kept := *m
	b.more = &kept
	s.mores.Free(h)
}

// packFaults takes out how often handlers have panicked in a slot.
func (s *Shard) packFaults(at wire.Slot) (faults []faultCargo) {
	for f, times := range s.faults {
		if f.slot == at {
			faults = append(faults, faultCargo{f.reg, times})
			delete(s.faults, f)
		}
	}
	return faults
}
