package rx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/wire"
)

// Options says how a Receiver works. The zero value receives everything, for
// the default sizes.
type Options struct {
	Parser    wire.Parser
	Fragments frag.Config
	Seed      uint64 // of the flow hash: fixed for captures, random for interfaces
	Table     *Table // slot to shard; nil: Spread over the outlets
	// BatchFrames is how many frames a batch holds at most; 0: batchFrames.
	BatchFrames int
	// Limit ends the reception after so many frames that passed Filter; 0: none.
	// Passed is where they are counted: receivers that share it share the limit.
	// What one of them has received when another takes the last one is surplus.
	// nil stands for one of its own.
	Limit  uint64
	Passed *atomic.Uint64
	// Filter says which packets are wanted; nil: all. It judges whole packets,
	// datagrams put together from fragments, and frames with nothing to track.
	// A fragment cannot be judged alone: it passes.
	Filter func(p *wire.Packet, data []byte, wireLen uint32) bool
	// Tap is shown each frame that passed Filter, fragments singly, in order;
	// nil: nobody looks. The frame is lent for the call.
	Tap func(f *Frame)
}

const (
	// batchFramesDefault: a hand-over costs 2 to 20 ns a packet at 64 to 256
	// frames a batch; 128 frames of 192 octets, as many again in the making and
	// sixteen times that in a mailbox leave room in a core's second cache.
	batchFramesDefault = 128

	batchFramesMax = 1 << 16
	shardsMax      = 1 << 10

	// batchesIdle is how many released batches are kept for each shard: more than
	// the mailbox of one that reads a capture holds.
	batchesIdle = 64

	// nestedMax is how many times a datagram may turn out to be a fragment of
	// another one that was tunnelled in it.
	nestedMax = 4
)

// ErrOptions is wrapped by every error of NewReceiver.
var ErrOptions = errors.New("rx: bad options")

// Receiver is the goroutine behind a source: it stamps, parses and defragments
// frames, steers them to shards and sends them there in batches.
//
// Run is called once; Counters and WantRaw may be called at any time, from any
// goroutine. Everything else belongs to the goroutine that runs.
type Receiver struct {
	parser wire.Parser
	clock  clock
	number uint64   // of the frame at hand, 1-based
	guess  *outbox  // of the shard that the frame before went to
	boxes  []outbox // of the shards; with more than one, the lane behind them
	shards int
	table  *Table // its own; an entry is a box
	seed   uint64
	pool   *buffers.BatchPool
	block  *buffers.Block // that the chunk at hand lies in
	filter func(*wire.Packet, []byte, uint32) bool
	tap    func(*Frame)
	passed *atomic.Uint64 // frames that the filter let through; counted iff there is a limit
	limit  uint64
	wait   bool // the source can wait for the shards
	live   bool // it could not, to begin with
	still  still
	ended  bool // nothing more will come

	parting *parting // nil: none is due
	parted  *parting // the one that slots are on the lane for; nil: of none that was at a time

	straight bool // every frame goes to a shard: no filter, tap or limit
	glances  [warmFrames]wire.Glance

	raw atomic.Bool

	octets     uint64 // captured, of all frames so far
	stepNumber uint64 // number and octets from which the next step is due
	stepOctets uint64
	marked     uint64 // number of the last mark

	frags  *frag.Table
	under  wire.Packet // of the fragment that completed the datagram at hand
	counts Counters
	board  *board
	src    Source
	peers  peers // other rings of the same interface

	unknown uint64        // frames of link types that the parser does not know
	link    wire.LinkType // of the first of those
}

// NewReceiver returns a receiver of src that feeds one shard through each of
// outlets. Every problem with o is in the error.
func NewReceiver(src Source, outlets []Outlet, o Options) (*Receiver, error) {
	n := len(outlets)
	if o.BatchFrames == 0 {
		o.BatchFrames = batchFramesDefault
	}
	if err := o.validate(n); err != nil {
		return nil, err
	}
	table := Spread(n)
	if o.Table != nil {
		*table = *o.Table
	}
	if o.Passed == nil {
		o.Passed = new(atomic.Uint64)
	}
	live, _ := src.(Live)
	r := &Receiver{
		parser: o.Parser,
		boxes:  make([]outbox, n+min(1, n-1)),
		shards: n,
		table:  table,
		seed:   o.Seed,
		pool:   buffers.NewBatchPool(o.BatchFrames, n*batchesIdle),
		filter: o.Filter,
		tap:    o.Tap,
		limit:  o.Limit,
		passed: o.Passed,
		live:   live != nil && live.Live(),
		wait:   live == nil || !live.Live(),
		frags:  frag.New(o.Fragments),
		counts: Counters{Shards: make([]ShardTotals, n)},
		board:  newBoard(n),
		src:    src,

		straight:   o.Filter == nil && o.Tap == nil && o.Limit == 0,
		stepNumber: stepFrames,
		stepOctets: stepOctets,
	}
	for i := range r.boxes {
		if i < n {
			r.boxes[i].lead(outlets[i], &r.counts.Shards[i])
		}
		r.boxes[i].leases.of(src)
	}
	r.guess = &r.boxes[0]
	r.peers.of(src)
	r.clock.common = r.peers.common
	return r, nil
}

func (o *Options) validate(shards int) error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...))
		}
	}
	check(shards >= 1 && shards <= shardsMax, "%d outlets, not within 1 and %d", shards, shardsMax)
	check(o.BatchFrames >= 1 && o.BatchFrames <= batchFramesMax,
		"BatchFrames is %d, not within 1 and %d", o.BatchFrames, batchFramesMax)
	if o.Table != nil {
		for slot, shard := range o.Table {
			if int(shard) >= shards {
				check(false, "Table gives slot %d to shard %d of %d", slot, shard, shards)
				break
			}
		}
	}
	return errors.Join(append(problems, o.Fragments.Validate())...)
}

// Counters returns what had been done by the last mark.
func (r *Receiver) Counters() Counters { return r.board.read() }

// WantRaw says whether frames with nothing to track (not IP, refused, single
// fragments) are delivered too, as buffers.RoleRaw, to the shard of slot 0. It
// may be changed while frames come in.
func (r *Receiver) WantRaw(on bool) { r.raw.Store(on) }

// Run receives until the source ends, breaks or ctx is done, then closes the
// source; of a Stopper it takes first what that still has. The shards have all frames when it returns, and a last mark. Being
// stopped by ctx is not an error.
func (r *Receiver) Run(ctx context.Context) error {
	stopper, stops := r.src.(Stopper)
	stop := context.AfterFunc(ctx, func() {
		if stops {
			stopper.Stop()
		} else {
			r.src.Close()
		}
	})
	defer stop()
	defer stay(r.src)()
	var c Chunk
	var err error
	for err == nil && !r.sated() && (stops || ctx.Err() == nil) {
		err = r.src.Next(&c)
		r.moveOn(func() { r.take(&c) })
	}
	r.moveOn(func() {
		r.wait, r.ended = true, true // nothing can be lost any more by waiting
		r.partIfDue()
		r.mark(false)
	})
	if err == io.EOF || errors.Is(err, ErrClosed) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, r.src.Close(), r.unreadable())
}

// sated reports whether as many frames have passed as were asked for.
func (r *Receiver) sated() bool { return r.limit > 0 && r.passed.Load() >= r.limit }

// unreadable returns an error if there were frames, and the link type of every
// one of them is unknown.
func (r *Receiver) unreadable() error {
	if r.unknown == 0 || r.unknown < r.number {
		return nil
	}
	e := &LinkError{Link: r.link, Frames: r.unknown}
	if s, ok := r.src.(fmt.Stringer); ok {
		e.Source = s.String()
	}
	return e
}

// take receives the frames of c and releases it. Partial batches are sent at
// its end: they lie in its block.
func (r *Receiver) take(c *Chunk) {
	r.block = c.Block
	r.adopt()
	warm(c.Frames[:min(warmFrames, len(c.Frames))])
	for rest := c.Frames; len(rest) > 0 && !r.sated(); {
		n := min(warmFrames, len(rest))
		if r.parting != nil {
			if n = r.beforeParting(rest[:n]); n == 0 {
				continue
			}
		}
		warm(rest[n:min(n+warmFrames, len(rest))])
		r.receiveAll(rest[:n])
		rest = rest[n:]
	}
	if len(c.Frames) == 0 && c.Clock != 0 {
		r.clock.tick(c.Clock)
		r.frags.Expire(r.clock.now)
		r.partIfDue()
		r.mark(false)
	} else if r.marked != r.number {
		r.mark(false)
	}
	r.block = nil
	for i := range r.boxes {
		r.boxes[i].leave()
	}
	c.Release()
}

// warmFrames is how many frames are warmed up at a time, two cache lines each.
// Twice as many are more misses than a core can have under way, and it waits for
// them; half as many have not come when their turn does (W4 from memory: 49 ns a
// packet for 8, 54 for 16, 65 for 32, 55 for 4).
const warmFrames = 8

// warm asks for the headers of frames whose turn comes next, so that the misses
// of many overlap with one another and with the work on those before them: one by
// one, they are what a packet costs.
func warm(frames []Frame) {
	if len(frames) > 0 {
		sys.Prefetch(unsafe.Pointer(&frames[0].Data), len(frames), unsafe.Sizeof(frames[0]))
	}
}

// receiveAll takes frames. Where every packet is wanted, those that are plain,
// which are nearly all, take a way of their own: a glance says which shard they
// are for, and they are described where they will lie.
func (r *Receiver) receiveAll(frames []Frame) {
	if !r.straight {
		for i := range frames {
			if r.sated() {
				return
			}
			r.receive(&frames[i])
			r.step()
		}
		return
	}
	glances := r.glances[:len(frames)]
	for i := range glances {
		raw := &frames[i]
		glances[i] = r.parser.Glance(raw.Link, raw.Data, r.seed)
	}
	for i := range glances {
		if raw, g := &frames[i], glances[i]; g.Plain() {
			r.steer(raw, g)
		} else {
			r.receive(raw)
		}
		r.step()
	}
}

// step sends a mark if one is due.
func (r *Receiver) step() {
	if r.number >= r.stepNumber || r.octets >= r.stepOctets {
		r.mark(true)
		r.stepNumber, r.stepOctets = r.number+stepFrames, r.octets+stepOctets
	}
}

// steer takes the plain frame that g is a glance of to its shard.
func (r *Receiver) steer(raw *Frame, g wire.Glance) {
	o := &r.boxes[0]
	if len(r.boxes) > 1 { // else nothing waits for the hash, which is the longest chain here
		o = &r.boxes[r.table[wire.SlotOf(g.Hash)]]
	}
	if o.filled == len(o.room) {
		o.open(r)
	}
	f := &o.room[o.filled]
	o.filled++
	n := uint64(len(raw.Data))
	o.pending.Octets += n
	r.octets += n
	r.number++
	f.Data = raw.Data
	f.Hash = g.Hash
	f.Clock = r.clock.stamp(raw.Timestamp)
	f.Timestamp = raw.Timestamp
	f.Number = r.number
	f.WireLen = raw.WireLen
	f.Link = raw.Link
	f.Role = buffers.RolePacket
	f.ChecksumOffloaded = raw.ChecksumOffloaded
	r.parser.Describe(&f.Packet, raw.Data, g) // last: nothing else has to be kept meanwhile
}

// receive takes one frame. Nothing here allocates, blocks (but for the wait of
// a capture) or reads a clock.
//
// The packet is parsed where it will lie if the frame goes to the same shard as
// the one before, and copied otherwise.
func (r *Receiver) receive(raw *Frame) {
	r.number++
	r.octets += uint64(len(raw.Data))
	r.clock.stamp(raw.Timestamp)

	f := r.guess.frame(r)
	p := &f.Packet
	r.parser.Parse(p, raw.Link, raw.Data)
	if r.filter != nil && p.Outcome != wire.Fragment && !r.filter(p, raw.Data, raw.WireLen) {
		r.counts.Filtered++
		r.unknownLink(p, raw)
		return
	}
	if r.limit > 0 && r.passed.Add(1) > r.limit {
		r.counts.Surplus++
		return
	}
	if r.tap != nil {
		r.tap(raw)
	}
	switch p.Outcome {
	case wire.Whole:
		r.track(f, raw, raw.Data, buffers.RolePacket)
	case wire.Fragment:
		r.fragment(f, raw)
	default:
		r.counts.refuse(p.Outcome)
		r.unknownLink(p, raw)
		r.untracked(f, raw)
	}
}

// unknownLink notes a frame of a link type that the parser does not know.
func (r *Receiver) unknownLink(p *wire.Packet, raw *Frame) {
	if p.Outcome != wire.UnknownLink {
		return
	}
	if r.unknown == 0 {
		r.link = raw.Link
	}
	r.unknown++
}

// untracked delivers a frame to raw sockets, if there are any, by way of the
// shard of slot 0: an arbitrary choice, but always the same.
func (r *Receiver) untracked(f *buffers.Frame, raw *Frame) {
	if !r.raw.Load() {
		return
	}
	shard := r.table[0]
	f.Hash = 0
	r.commit(f, shard, raw, raw.Data, buffers.RoleRaw)
}

// track steers a whole packet by its key. f has its packet, in the open batch of
// r.guess.
func (r *Receiver) track(f *buffers.Frame, raw *Frame, data []byte, role buffers.Role) {
	f.Hash = f.Packet.Key.Hash(r.seed)
	shard := r.table[wire.SlotOf(f.Hash)]
	r.commit(f, shard, raw, data, role)
}

// fragment gives a fragment to the table of datagrams that are incomplete, and
// goes on with the datagram if it was the missing piece. A raw socket sees the
// fragment before anyone sees the datagram.
func (r *Receiver) fragment(f *buffers.Frame, raw *Frame) {
	if r.peers.many() && r.forward(&f.Packet, raw) {
		r.untracked(f, raw)
		return
	}
	r.under = f.Packet
	datagram, v := r.frags.Insert(&r.under, raw.Data, r.clock.now)
	r.untracked(f, raw) // f may be the shard's now
	r.complete(raw, datagram, v)
}

// complete goes on with the datagram that r.under has completed, if v says so.
func (r *Receiver) complete(raw *Frame, datagram []byte, v frag.Verdict) {
	marks := v.Marks
	for nested := 0; v.Disposition == frag.Completed; nested++ {
		f := r.guess.frame(r)
		p := &f.Packet
		r.parser.Resume(p, &r.under, datagram)
		p.Marks |= marks
		switch {
		case p.Outcome == wire.Fragment && nested < nestedMax:
			r.counts.DatagramsNested++
			r.under = *p
			datagram, v = r.frags.Insert(&r.under, datagram, r.clock.now)
			marks |= v.Marks
			continue
		case p.Outcome != wire.Whole:
			r.counts.DatagramsRefused++
		case r.filter != nil && !r.filter(p, datagram, uint32(len(datagram))):
			r.counts.DatagramsFiltered++
		case r.peers.taking != nil:
			r.deliverApart(f, datagram)
		default:
			r.track(f, raw, datagram, buffers.RoleDatagram)
		}
		return
	}
}

// mark sends what there is to every shard, and a mark behind it.
func (r *Receiver) mark(step bool) {
	r.flushAll()
	m := Mark{Number: r.number, Clock: r.floor(), Step: step}
	for i := range r.shards {
		r.boxes[i].mark(m, &r.counts.Shards[i], r.wait)
	}
	r.marked = r.number
	r.counts.Marks++
	if step {
		r.counts.Steps++
	}
	r.counts.Clock = uint64(max(r.clock.now, 0))
	r.counts.Frames, r.counts.Octets = r.number, r.octets
	r.counts.ClockSteps, r.counts.ClockLate = r.clock.steps, r.clock.late
	r.counts.Fragments = r.frags.Stats()
	r.board.publish(&r.counts)
}

// commit adds f, whose Packet and Hash are set, to the open batch of a shard.
func (r *Receiver) commit(f *buffers.Frame, shard uint16, raw *Frame, data []byte, role buffers.Role) {
	o := &r.boxes[shard]
	if o != r.guess {
		g := o.frame(r)
		g.Packet, g.Hash = f.Packet, f.Hash
		f, r.guess = g, o
	}
	f.Data = data
	f.Clock = r.clock.now
	f.Timestamp = raw.Timestamp
	f.Number = r.number
	f.WireLen = raw.WireLen
	f.Link = raw.Link
	f.Role = role
	f.ChecksumOffloaded = raw.ChecksumOffloaded
	assert.That(f == &o.room[o.filled], "a frame is committed where it was made")
	o.filled++
	switch role {
	case buffers.RolePacket:
		o.pending.Octets += uint64(len(data))
	case buffers.RoleRaw:
		o.pending.Raw++
	case buffers.RoleDatagram:
		o.pending.Datagrams++
	}
}
