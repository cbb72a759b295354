package shard

import (
	"sync/atomic"

	"github.com/mbox-stack/mbox/actors"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// Request is asked of a shard from outside: queries, changes of registration,
// results of offloaded work. It runs between two batches.
type Request func(*Shard)

// Shard owns the flows of its slots. Only its own goroutine (Run) touches
// anything but Traffic, Requests and Stats.
type Shard struct {
	Traffic  *actors.Mailbox[Message]
	Requests *actors.Mailbox[Request]

	cfg   Config
	slots [wire.SlotCount]slot
	flows *buffers.Slab[flow]
	plans *uevents.Plans
	disp  *uevents.Dispatcher
	arena *buffers.Arena
	wheel *wheel
	stats Stats

	// Where the work on a batch stands. It is kept here and not on the stack, so
	// that a handler's panic can be left behind: see track.go.
	batch  *buffers.Batch
	rings  rings
	at     int // index of the frame under way
	stage  stage
	frame  *buffers.Frame // nil between frames
	clock  int64
	cur    handle // the flow that events are about; 0: none
	fl     *flow  // record of cur
	seg    segmentState
	rexmit uevents.Rexmit // of the segment under way; valid iff its look says that it repeats something
	ending ending
	result buffers.Result     // of the stream under way
	peek   buffers.Result     // of comparisons
	gone   buffers.GoneError  // of the last ReadAt, lent with it
	hints  [warmFrames]handle // see warmUp; 0: none
	warmed uint64
	sums   bool // checksums are verified, and so text is read
	// trimmed is the clock at the latest look at what could be given back.
	trimmed int64
	// pressed says that stream memory is short, as of the latest step.
	pressed bool

	pairs   *buffers.Slab[pair]
	mores   *buffers.Slab[more]
	ranks   buffers.Beside[rank] // by flow, while any slot is ranked
	ranked  int                  // slots
	alarms  *buffers.Slab[alarm]
	bags    bags
	faults  map[fault]uint32
	logged  map[string]bool // handlers and filters whose panic was logged
	ambient handle          // timers of the shard itself, latest first
	armed   uint64          // timers of the shard ever armed

	moves moving
	load  *load // nil: nobody asks which slots make work

	published atomic.Pointer[Stats]
}

// The bounds of a shard's mailboxes. Sixteen batches keep a shard busy for a few
// hundred microseconds while the reader of a capture waits for the disk; more only
// push out of the caches what the shard is about to look at (W4, handlers that
// count: 32 take 1.08 times as much; 4 are dearer where shards are several).
//
// A live source cannot wait: what finds no room is lost, though the ring may have
// plenty. A shard whose thread is not scheduled for ten milliseconds, of the 300,000
// packets a second that one sender makes, or of blocks that hold four segments of
// 64 KiB each, must find them in its mailbox; how much of a ring it may hold
// while it sleeps is bounded apart (rx, leases).
const (
	trafficMax     = 16
	trafficLiveMax = 512
	requestsMax    = 256
)

// publishEvery is how many marks go by between two publications of counters,
// each of which costs an allocation.
const publishEvery = 16

// New returns a shard that dispatches by the sockets of snap.
func New(cfg Config, snap *uevents.Snapshot) (*Shard, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	room := trafficMax
	if cfg.Live {
		room = trafficLiveMax
	}
	s := &Shard{
		Traffic:  actors.NewReserved[Message](room, ordersRoom(cfg.Senders)),
		Requests: actors.NewMailbox[Request](requestsMax),
		cfg:      cfg,
		sums:     cfg.Checksums != ChecksumsOff,
		flows:    buffers.NewSlab[flow](int(ofAlarm) - 1),
		plans:    uevents.NewPlans(snap, uevents.Always{Keep: cfg.Keep, History: cfg.History}),
		arena:    buffers.NewArena(cfg.Memory.arena()),
		pairs:    buffers.NewSlab[pair](0),
		mores:    buffers.NewSlab[more](0),
		alarms:   buffers.NewSlab[alarm](int(ofAlarm) - 1),
		rings:    newRings(cfg.Rings),
		faults:   map[fault]uint32{},
		logged:   map[string]bool{},
	}
	s.wheel = newWheel(s.flows, s.alarms, &s.cfg.Timeouts)
	s.disp = uevents.NewDispatcher((*engine)(s))
	s.moves.elsewhereThan(cfg.Owns)
	if cfg.Loads {
		s.load = new(load)
	}
	places := make([]entry, wire.SlotCount*indexSmallest) // at once: a slot's first flow allocates nothing
	for i := range s.slots {
		s.slots[i].index.places = places[i*indexSmallest : (i+1)*indexSmallest : (i+1)*indexSmallest]
	}
	s.publish()
	return s, nil
}

// Run takes messages until the last mark has been handled or stop is closed.
// Flows that are left end with EndShutdown; see Config.OnMark for the mark that
// follows.
func (s *Shard) Run(stop <-chan struct{}) {
	message := s.message
	if s.load != nil {
		message = s.watched
	}
	actors.Serve(stop, s.Traffic, s.Requests, message, func(r Request) bool { r(s); return true })
}

// message handles one message of traffic, and reports whether more may follow.
func (s *Shard) message(m Message) bool {
	if m.Move != nil {
		s.moved(m)
		return true
	}
	if m.Ring != 0 {
		s.fromRing(m)
		return true
	}
	if m.Batch != nil {
		s.run(m.Batch)
		return true
	}
	if m.Mark.Last {
		s.drainRings()
	}
	s.mark(m.Mark)
	return !m.Mark.Last
}

// mark handles what a source has to say between batches.
func (s *Shard) mark(m Mark) {
	s.stats.Marks++
	s.clock = max(s.clock, m.Clock) // a shard's latest frame is not the source's
	s.protect(func() { s.passTime(m.Clock) })
	if m.Step {
		s.shareMemory()
	}
	if m.Last {
		s.drain()
	}
	s.checkInvariants(m.Last)
	s.trim()
	if m.Last || s.stats.Marks%publishEvery == 0 {
		s.publish()
	}
	if s.cfg.OnMark != nil {
		s.cfg.OnMark(s.cfg.Index, m)
	}
}

// run takes a batch of frames through the shard and releases it.
//
// The shard owns the frames from the moment the batch was in its mailbox until
// then. Nothing here allocates once tables and pools have their size, blocks, or
// reads a clock: each frame carries its source's time.
func (s *Shard) run(b *buffers.Batch) {
	s.align(b)
	s.batch, s.at = b, 0
	s.stats.Batches++
	if s.load != nil {
		s.load.sample(b)
	}
	if assert.Enabled {
		s.checkOwner(b)
	}
	s.protect(s.frames)
	s.batch = nil
	b.Release()
}

// frames takes what is left of the batch through the stages.
func (s *Shard) frames() {
	for s.at < len(s.batch.Frames) {
		if s.frame == nil {
			if s.at%warmFrames == 0 {
				s.warmUp(s.batch.Frames[s.at:min(s.at+warmFrames, len(s.batch.Frames))])
			}
			if ahead := s.at + sumsAhead; s.sums && ahead < len(s.batch.Frames) && s.flows.Len() > 0 {
				warmText(&s.batch.Frames[ahead])
			}
			if f := &s.batch.Frames[s.at]; !s.quick(f, s.hints[s.at%warmFrames]) {
				s.enter(f)
			}
		}
		if s.frame != nil {
			s.stages()
			s.arena.Commit() // nothing of the frame is read after it, whichever flow's is next
			s.frame = nil
		}
		s.at++
	}
}

// protect calls f, again after each panic of a handler, until it returns: what
// f does must stand where it was left. Recovery is set up once for a batch.
func (s *Shard) protect(f func()) {
	for !s.attempt(f) {
	}
}

func (s *Shard) attempt(f func()) (done bool) {
	defer func() {
		if !done {
			s.recovered(recover())
		}
	}()
	f()
	return true
}

// warmFrames is how many frames are warmed up at a time: enough for a core to
// have as many misses under way as it can, few enough that what was touched is
// still there when its turn comes.
const warmFrames = 32

// touchFlows is from how many flows on the index is looked at before it is asked:
// a smaller one is in a core's second cache.
const touchFlows = 1 << 14

// warmUp touches what the frames' flows will need, one kind of memory at a
// time, so that the misses of many frames overlap instead of following one
// another, and leaves in hints which flows they seem to be of. It changes nothing
// else.
func (s *Shard) warmUp(frames []buffers.Frame) {
	if s.flows.Len() == 0 {
		clear(s.hints[:len(frames)])
		return
	}
	sum := uint64(0)
	if s.flows.Len() > touchFlows {
		for i := range frames {
			sum += s.indexOf(frames[i].Hash).touch(frames[i].Hash)
		}
	}
	s.warmed += sum
	for i := range frames {
		s.hints[i] = s.indexOf(frames[i].Hash).guess(frames[i].Hash)
	}
	s.warmRecords(len(frames))
}

// sumsAhead is how many frames before its turn comes a frame's text is asked for
// where checksums are verified, and so all of it is read: the misses of a page's
// segments are a tenth of what those cost, of short ones nothing (W4 and W1/1400
// 0.90 and 0.93 times for 3, 4 or 6, W1/512 1.00). Where nobody may read it, it
// would be a waste, as where there is no flow: with handlers that only count, 1.15
// times.
const sumsAhead = 4

// warmText asks for a frame's octets behind those that the receiver has looked at.
func warmText(f *buffers.Frame) {
	const looked = 128
	if len(f.Data) > looked && !f.ChecksumOffloaded {
		sys.PrefetchOctets(f.Data[looked:])
	}
}

// touch looks at each of the record's lines that a plain segment needs.
func (f *flow) touch() uint64 {
	return uint64(f.plan) + uint64(f.conn.State(wire.ToServer)) + uint64(f.id)
}

// warmRecords touches the records that the first n hints name.
func (s *Shard) warmRecords(n int) {
	sum := uint64(0)
	for _, h := range s.hints[:n] {
		if h != 0 {
			sum += s.flows.At(h).touch()
		}
	}
	if s.pairs.Len() > touchPairs {
		sum += s.warmStreams(n)
	}
	s.warmed += sum // so that the loads are not left out
}

// Update tells the shard of a change of sockets. It must run as a Request. Flows
// that nobody follows any more are released; sockets that want flows from before
// them get those in their scope.
func (s *Shard) Update(snap *uevents.Snapshot) {
	joining := s.plans.Update(snap)
	s.walk(func(h handle, fl *flow) { s.renew(h, fl, joining) })
}

// walk calls f with every flow that is not merely a mark. f may release it.
func (s *Shard) walk(f func(handle, *flow)) { s.walkSlots(0, wire.SlotCount, f) }

// walkSlots is walk for the slots from <= slot < to.
func (s *Shard) walkSlots(from, to int, f func(handle, *flow)) {
	for i := from; i < to; i++ {
		for h, fl := range s.flowsOf(wire.Slot(i)) {
			if fl.flags&flowReleased == 0 {
				f(h, fl)
			}
		}
	}
}
