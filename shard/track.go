package shard

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// stage is how far the frame under way has come.
type stage uint8

const (
	stageClock stage = iota
	stageRaw
	stageFind
	stageLook
	stageRepeat
	stageStep
	stageAcked
	stageText
	stagePost
	stageSettle
	stageDone
)

// segmentState is what the stages of one segment tell one another.
type segmentState struct {
	look  tcpfsm.Look  // valid iff looked, and behind the step
	delta tcpfsm.Delta // valid behind the step
	again uint64       // stream offset from which refused text is to be tried again
	facts
}

// facts are what is known of a segment, in one word.
type facts struct {
	dir     wire.Dir // of its sender
	looked  bool     // look is what Look said; else step finds out
	begins  bool     // it is the flow's first packet
	dropped bool     // a PreTCP handler said so
	badSum  bool
	changed bool // a handler has changed what the flow is tracked for
	staged  bool // the scene is to be set before anything is raised
	lent    bool // its text is lent to handlers, of a stream that is straight
}

// enter begins the work on a frame.
func (s *Shard) enter(f *buffers.Frame) {
	s.frame, s.stage = f, stageClock
	s.arrived(f)
}

// arrived counts a frame and takes its time.
func (s *Shard) arrived(f *buffers.Frame) {
	s.clock = f.Clock
	s.stats.Frames++
	s.stats.Octets += uint64(len(f.Data))
}

// stages takes the frame under way to its end. Events queued by one stage run
// before the next begins; if a handler panics, calling stages again goes on
// behind it.
//
// Stages nearly always follow one another in this order, so each is asked for in
// its turn instead of being looked up.
func (s *Shard) stages() {
	for s.stage != stageDone || s.waiting() {
		if s.waiting() {
			s.catchUp()
			continue
		}
		if s.stage == stageClock && !s.fireOne(s.frame.Clock) {
			s.stage = stageRaw
		}
		if s.stage == stageRaw {
			s.stage = stageFind
			s.raw()
		}
		if s.stage == stageFind && !s.waiting() {
			s.find()
		}
		if s.stage == stageLook && !s.waiting() {
			s.stage = stageStep
			s.look()
		}
		if s.stage == stageRepeat && !s.waiting() {
			s.stage = stageStep
			s.repeat()
		}
		if s.stage == stageStep && !s.waiting() {
			s.step()
		}
		s.streamStages()
	}
}

// streamStages is the second half of stages.
func (s *Shard) streamStages() {
	if s.stage == stageAcked && !s.waiting() {
		s.acked()
	}
	if s.stage == stageText && !s.waiting() {
		s.text()
	}
	if s.stage == stagePost && !s.waiting() {
		s.stage = stageSettle
		s.disp.Add(uevents.KindPacket, uevents.PostTCP, s.seg.dir)
	}
	if s.stage == stageSettle && !s.waiting() {
		s.settle()
	}
}

// waiting reports whether something comes before the next stage: events that
// are queued, or a flow that is ending.
func (s *Shard) waiting() bool { return !s.disp.Idle() || s.ending.flow != 0 }

// catchUp does some of it.
func (s *Shard) catchUp() {
	if !s.disp.Idle() {
		if s.seg.staged {
			s.scene(uevents.PhaseFrame, s.frame.Number)
		}
		s.disp.Run()
	}
	if s.ending.flow != 0 {
		s.endOn()
	}
}

// raw shows the frame to raw sockets.
func (s *Shard) raw() {
	f := s.frame
	snap := s.plans.Snapshot()
	if snap.HasRaw() && f.Role != buffers.RoleDatagram {
		if mask := snap.FrameMask(&f.Packet, f.Data, f.WireLen); mask != 0 {
			s.bindFrame(f, mask)
			s.disp.Add(uevents.KindPacket, uevents.PreTCP, wire.Dir(f.Packet.Sender&1))
		}
	}
	if f.Role == buffers.RoleRaw {
		s.fate(FateRawOnly)
		s.stage = stageDone
	}
}

// bindFrame makes a frame, of no flow, what handlers of some sockets see.
func (s *Shard) bindFrame(f *buffers.Frame, mask uevents.Mask) {
	s.leaveFlow()
	s.scene(uevents.PhaseFrame, f.Number)
	s.disp.Bind(s.plans.At(s.sound(s.plans.ForMask(mask), wire.SlotOf(f.Hash))))
}

// scene tells handlers what they see next: the frame under way, or in other
// phases none, and the flow that was entered.
func (s *Shard) scene(phase uevents.Phase, number uint64) {
	s.seg.staged = false
	var conn *tcpfsm.Conn
	var sender wire.Dir
	if s.fl != nil {
		if s.fl.isTCP() {
			conn = &s.fl.conn
		}
		sender = s.seg.dir
	}
	if phase == uevents.PhaseFrame {
		s.disp.EnterFrame(s.frame, conn, sender)
		return
	}
	s.disp.Enter(&uevents.Scene{Conn: conn, Clock: s.clock, Phase: phase, Number: number})
}

// enterFlow makes h the flow that events are about.
func (s *Shard) enterFlow(h handle, fl *flow) {
	s.cur, s.fl = h, fl
	s.disp.Bind(s.plans.At(fl.plan))
}

// leaveFlow makes events be about no flow.
func (s *Shard) leaveFlow() { s.cur, s.fl = 0, nil }

// find looks the frame's flow up, or makes it.
func (s *Shard) find() {
	f := s.frame
	h, fl := s.lookup(f.Hash, &f.Packet.Key)
	icmp := f.Packet.Marks&wire.MarkICMPError != 0
	if h == 0 {
		if icmp {
			s.refuse(FateICMPUnknown)
			return
		}
		s.begin()
		return
	}
	s.seg = segmentState{facts: facts{dir: fl.dirOf(f.Packet.Sender)}}
	if fl.flags&flowReleased != 0 {
		s.released(h, fl, icmp)
		return
	}
	s.enterFlow(h, fl)
	if icmp {
		s.icmpError()
		return
	}
	s.seg.staged = true
	s.stage = stageLook
}

// lookup returns the flow with a key, 0 if there is none.
func (s *Shard) lookup(hash uint64, key *wire.FlowKey) (handle, *flow) {
	x := s.indexOf(hash)
	for probe := uint32(0); ; {
		h := x.find(hash, &probe)
		if h == 0 {
			return 0, nil
		}
		if fl := s.flows.At(h); s.matches(fl, key) {
			return h, fl
		}
	}
}

// refuse ends the work on a frame that belongs to no flow. A TCP segment among
// them is an orphan.
func (s *Shard) refuse(why Fate) {
	s.fate(why)
	s.stage = stageDone
	f := s.frame
	if f.Packet.Key.Proto != wire.ProtoTCP || why == FateICMPUnknown || why == FateUnscoped {
		return
	}
	s.stats.Orphans++
	d, _ := orient(&f.Packet)
	mask := s.plans.Snapshot().FlowMask(&f.Packet.Key, f.Packet.Sender^uint8(d))
	if mask == 0 {
		return
	}
	s.bindFrame(f, mask)
	s.disp.Add(uevents.KindOrphan, uevents.PreTCP, wire.Dir(f.Packet.Sender&1))
}

// released counts a packet of a flow that every socket has let go. It stays as
// a mark, so that what still comes is not taken for a new connection, until it
// is idle, or until a SYN shows that one begins.
func (s *Shard) released(h handle, fl *flow, icmp bool) {
	p := &s.frame.Packet
	if !icmp && fl.isTCP() && p.Segment.Flags&(wire.SYN|wire.ACK|wire.RST) == wire.SYN {
		if fl.conn.Renews(&p.Segment, s.seg.dir) {
			s.remove(h, fl)
			return // the stage is still find: the SYN begins a new flow
		}
	}
	if !icmp {
		fl.last = s.frame.Clock
		if fl.isTCP() {
			fl.conn.Step(&p.Segment, &p.Segment, s.seg.dir, s.cfg.Rules)
			s.relive(h, fl)
		}
	}
	s.fate(FateReleased)
	s.stage = stageDone
}

// icmpError raises an error that quotes the flow.
func (s *Shard) icmpError() {
	p := &s.frame.Packet
	s.scene(uevents.PhaseFrame, s.frame.Number)
	s.disp.Queue(uevents.Occurrence{Kind: uevents.KindICMPError, Hook: uevents.PostTCP, Side: s.seg.dir,
		A: uint64(p.ICMPType), B: uint64(p.ICMPCode)})
	s.fate(FateTracked)
	s.stage = stageSettle
}

// look asks what the packet would be, and raises what comes before the state
// changes.
func (s *Shard) look() {
	p := &s.frame.Packet
	fl, d := s.fl, s.seg.dir
	s.seg.badSum = s.checksumBad(s.frame)
	if s.seg.badSum && s.cfg.Checksums == ChecksumsVerify {
		if s.seg.begins {
			s.startsNone(FateChecksum)
			return
		}
		s.labelOf(fl).badChecksums++
		s.anomaly(tcpfsm.ChecksumInvalid, d)
		s.fate(FateChecksum)
		s.stage = stageSettle
		return
	}
	plan := s.disp.Plan()
	if fl.isTCP() && fl.conn.Renews(&p.Segment, d) {
		s.end(s.cur, uevents.EndReused)
		s.stage = stageFind
		return
	}
	if s.seg.badSum {
		s.labelOf(fl).badChecksums++
	}
	if plan.Wants(uevents.KindPacket, uevents.PreTCP, d) {
		s.disp.Add(uevents.KindPacket, uevents.PreTCP, d)
		s.stage = stageRepeat
		return
	}
	s.repeat()
}

// repeat raises PreTCP that the segment repeats something. Handlers that have
// seen the packet may have asked for it just now.
func (s *Shard) repeat() {
	fl, d := s.fl, s.seg.dir
	if !s.seg.looked && fl.isTCP() && s.disp.Plan().Wants(uevents.KindRexmit, uevents.PreTCP, d) {
		s.seg.looked = true
		s.seg.look = fl.conn.Look(&s.frame.Packet.Segment, d, s.cfg.Rules)
	}
	if s.seg.looked && s.seg.look.Rexmit != 0 {
		s.rexmit = s.compare()
		s.disp.Queue(uevents.RexmitOf(s.rexmit, d, uevents.PreTCP))
	}
}

// checksumBad verifies the packet's transport checksum, where that is asked for.
func (s *Shard) checksumBad(f *buffers.Frame) bool {
	return s.sums && !f.ChecksumOffloaded && wire.VerifyTransport(&f.Packet, f.Data) == wire.SumBad
}

// startsNone ends the work on a flow's first packet, which reached nobody: then
// it is no flow's.
func (s *Shard) startsNone(why Fate) {
	s.fate(why)
	s.stats.Flows--
	s.remove(s.cur, s.fl)
	s.stage = stageDone
}

// step shows the packet to both endpoints, counts it, and raises what has
// changed about the connection.
func (s *Shard) step() {
	fl, d := s.fl, s.seg.dir
	p := &s.frame.Packet
	if s.seg.dropped && s.seg.begins {
		s.startsNone(FateVerdict)
		return
	}
	begins := s.seg.begins
	fl.last = s.frame.Clock
	fl.flags |= flowActive
	if begins {
		fl.flags &^= flowActive | flowFresh
	}
	s.count(fl, p, d)
	if p.Captured < p.PayloadLen {
		s.labelOf(fl).truncated = true
	}
	s.stage = stageText
	if fl.isTCP() {
		s.stepTCP(fl, p, d)
	}
	if s.seg.dropped {
		s.labelOf(fl).dropped++
		s.fate(FateVerdict)
	} else {
		s.fate(FateTracked)
	}
	if begins {
		s.disp.Add(uevents.KindConnStart, uevents.PostTCP, d)
	}
	if fl.isTCP() {
		s.raiseTCP(d)
	}
	s.relist(s.cur, fl)
}

// stepTCP steps both endpoints.
func (s *Shard) stepTCP(fl *flow, p *wire.Packet, d wire.Dir) {
	s.stage = stageAcked
	if fl.pair >= straight {
		s.pairOf(fl) // where streams stand is told by the connection only now
	}
	received := &p.Segment
	if s.seg.dropped {
		received = nil
	}
	if s.seg.looked {
		s.seg.delta = fl.conn.Step(&p.Segment, received, d, s.cfg.Rules)
	} else if s.seg.delta, s.seg.look = (tcpfsm.Delta{}), (tcpfsm.Look{}); !s.stepPlain(fl, received, d) {
		fl.conn.Advance(&s.seg.delta, &s.seg.look, &p.Segment, received, d, s.cfg.Rules)
		if s.seg.look.Rexmit != 0 {
			s.rexmit = s.compare()
		}
	}
	if l := &s.seg.look; l.Rexmit != 0 {
		label := s.labelOf(fl)
		label.rexmits[d]++
		label.rexmitOctets[d] += uint64(l.OldLen)
	}
	s.noteUnread(fl, d)
	if s.seg.delta.Reset {
		fl.flags |= flowReset
	}
	if fl.flags&flowRTT == 0 {
		s.timeHandshake(fl, p, d)
	}
}

// noteUnread labels what nobody's stream can tell: octets that were repeated and
// could not be compared, and octets that passed us by where no stream misses them.
func (s *Shard) noteUnread(fl *flow, d wire.Dir) {
	if s.seg.look.OldLen > 0 && s.rexmit.Match == uevents.MatchUnknown {
		s.labelOf(fl).matchUnknown = true
	}
	if s.seg.delta.Missed > 0 && !s.disp.Plan().Reassemble[d.Reverse()] {
		s.labelOf(fl).gapOctets += uint64(s.seg.delta.Missed)
	}
}

// stepPlain steps both endpoints by a segment that there is nothing to say of.
func (s *Shard) stepPlain(fl *flow, received *wire.Segment, d wire.Dir) bool {
	if received == nil || !fl.conn.Plain(received, d) {
		return false
	}
	fl.conn.AdvancePlain(received, d)
	return true
}

// raiseTCP queues what the step changed, in the order of the contract.
func (s *Shard) raiseTCP(d wire.Dir) {
	dl := &s.seg.delta
	for _, side := range [...]wire.Dir{d, d.Reverse()} {
		if dl.From[side] != dl.To[side] {
			s.stateChange(side, dl)
		}
	}
	if dl.Established {
		s.disp.Add(uevents.KindConnEstablished, uevents.PostTCP, d)
	}
	if s.seg.look.Rexmit != 0 {
		s.disp.Queue(uevents.RexmitOf(s.rexmit, d, uevents.PostTCP))
	}
	if s.seg.badSum {
		s.anomaly(tcpfsm.ChecksumInvalid, d)
	}
	if s.seg.look.Rexmit != 0 && s.rexmit.Match == uevents.MatchDiffers {
		s.anomaly(tcpfsm.OverlapDifferentData, d)
	}
	for set := dl.Anomalies; ; {
		a, ok := set.Next()
		if !ok {
			return
		}
		s.anomaly(a, d)
	}
}

func (s *Shard) anomaly(a tcpfsm.Anomaly, d wire.Dir) {
	s.stats.Raised++
	if o := s.disp.Add(uevents.KindAnomaly, uevents.PostTCP, d); o != nil {
		o.A = uint64(a)
	}
}

// stateChange raises that the endpoint which sends on a side has changed.
func (s *Shard) stateChange(side wire.Dir, dl *tcpfsm.Delta) {
	if o := s.disp.Add(uevents.KindStateChange, uevents.PostTCP, side); o != nil {
		o.A, o.B = uint64(dl.From[side]), uint64(dl.To[side])
	}
}

// timeHandshake notes when the SYN-ACK came and when it was acknowledged.
func (s *Shard) timeHandshake(fl *flow, p *wire.Packet, d wire.Dir) {
	how := fl.role.how()
	if how != uevents.StartSYN && how != uevents.StartSYNACK {
		return
	}
	since := func(at int64) uint32 { return uint32(min(max((s.clock-at)/rttUnit, 1), 1<<32-1)) } // 0 is not known
	switch fs := p.Segment.Flags; {
	case d == wire.ToClient && fs.Has(wire.SYN|wire.ACK) && fl.rtt[wire.ToClient] == 0:
		fl.rtt[wire.ToClient] = since(fl.first)
		if how == uevents.StartSYN && s.noted(fl, wire.ToServer, controlSYN) == 1 {
			fl.rtt[wire.ToServer] = since(fl.first) // of a repeated SYN nobody knows which was answered (RFC 6298 §3)
		}
	case d == wire.ToServer && fl.rtt[wire.ToClient] != 0 && fs.Has(wire.ACK) && !fs.Has(wire.SYN):
		all := since(fl.first)
		fl.rtt[wire.ToClient] = all - min(all-1, fl.rtt[wire.ToClient])
		if s.noted(fl, wire.ToClient, controlSYNACK) > 1 {
			fl.rtt[wire.ToClient] = 0
		}
		fl.flags |= flowRTT
	}
}

// relist moves the flow to the class it now belongs to, and its timer to an
// earlier deadline where its timeout has become shorter. It is called whenever
// that may have changed, so that a plain segment has nothing to change about it.
func (s *Shard) relist(h handle, fl *flow) {
	s.relive(h, fl)
	sl := &s.slots[fl.id.Slot()]
	if sl.ranks == nil {
		return
	}
	if c := fl.classNow(); c != s.ranks.At(h).class {
		s.rejoin(sl, h, c)
	}
}
