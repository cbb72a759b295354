package shard

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// A twin is a shard whose handlers write down all they can see, and do all they
// can do. What they do follows from a seed and from what they see, so that twins
// that are shown the same do the same.
type twin struct {
	*steady
	rule     twinRule
	prepared uevents.Registration
	places   []uevents.Place
	ctl      *controller
	socks    []*uevents.Socket
	log      []string
}

// twinRule is what the handlers of a twin ask for.
type twinRule struct {
	seed  uint64
	wants uint64 // a bit for each of twinEvents
	odd   uint64 // one handler in so many does something odd; 0: none
	keep  bool
	stop  bool // both sockets stop a side of each connection that is established
	cfg   Config
	batch int // frames
}

var twinEvents = []struct {
	event uevents.Event
	hook  uevents.Hook
}{
	{uevents.OnConnEnd, uevents.PostTCP},
	{uevents.OnPacket, uevents.PreTCP},
	{uevents.OnPacket, uevents.PostTCP},
	{uevents.OnNewData, uevents.PostTCP},
	{uevents.OnStateChange, uevents.PostTCP},
	{uevents.OnConnEstablished, uevents.PostTCP},
	{uevents.OnConnStart, uevents.PostTCP},
	{uevents.OnAnomaly, uevents.PostTCP},
	{uevents.OnGap, uevents.PostTCP},
	{uevents.OnRexmit, uevents.PostTCP},
	{uevents.OnRexmit, uevents.PreTCP},
	{uevents.OnOrphan, uevents.PreTCP},
	{uevents.OnTimer, uevents.PostTCP},
	{twinServes, uevents.PostTCP},
	{twinRaised, uevents.PreTCP},
	{twinRaised, uevents.PostTCP},
}

// twinEstablished is the place of OnConnEstablished in twinEvents.
const twinEstablished = 5

var (
	twinServes = uevents.Define("twin-serves", uevents.OnPacket, func(c *uevents.Context) bool {
		if c.Number()%211 == 0 {
			panic("a filter")
		}
		return c.Sender() == wire.ToClient
	})
	twinRaised = uevents.NewEvent("twin-raised")
)

// newTwin returns a twin that goes the long way, by all stages, if long is set:
// that is what a raw socket asks for, though it selects nothing here.
func newTwin(t *testing.T, r twinRule, long bool) *twin {
	t.Helper()
	tw := &twin{steady: &steady{pool: buffers.NewBatchPool(r.batch, 1), clock: 1e18}, rule: r, ctl: new(controller)}
	ctl := tw.ctl
	for index := range 2 {
		sock, err := ctl.set.Open(ctl, uevents.Stream, fmt.Sprint(index))
		for i, e := range twinEvents {
			if err == nil && (i == 0 || r.wants>>(i+32*index)&1 != 0) {
				err = sock.Handle(e.event, e.hook, func(c *uevents.Context) { tw.see(c, i+100*index) })
			}
		}
		if err == nil && index == 0 {
			tw.prepared, err = sock.Prepare(uevents.OnPacket, uevents.PreTCP, func(c *uevents.Context) { tw.see(c, 50) })
		}
		if err == nil && r.keep && index == 1 {
			err = sock.KeepStream(1000)
		}
		if err != nil {
			t.Fatal(err)
		}
		tw.socks = append(tw.socks, sock)
	}
	if long {
		raw, err := ctl.set.Open(ctl, uevents.Raw, "")
		if err == nil {
			err = raw.Bind("host 203.0.113.77")
		}
		if err == nil {
			err = raw.Handle(uevents.OnPacket, uevents.PreTCP, func(*uevents.Context) { t.Error("the raw socket saw a frame") })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if tw.shard, err = New(r.cfg, ctl.set.Snapshot()); err != nil {
		t.Fatal(err)
	}
	return tw
}

// see is the handler of all events.
func (tw *twin) see(c *uevents.Context, which int) {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s side %d sender %d frame %d at %d", which, c.Event(), c.Hook(), c.Side(), c.Sender(), c.Number(), c.Now().UnixNano())
	fmt.Fprintf(&b, " flow %v %v/%v", c.Flow(), c.State(wire.ToServer), c.State(wire.ToClient))
	fmt.Fprintf(&b, " %+v %+v %+v %+v", c.Counters(0), c.Counters(1), c.Evidence(), c.RTT())
	fmt.Fprintf(&b, " last %d %+v %+v", c.LastActive().UnixNano(), c.Buffered(0), c.Buffered(1))
	fmt.Fprintf(&b, " off %d %x", c.Offset(), twinHash(c.Payload()))
	switch c.Base() {
	case uevents.KindStateChange:
		fmt.Fprintf(&b, " %v>%v", c.From(), c.To())
	case uevents.KindAnomaly:
		fmt.Fprint(&b, " ", c.Anomaly())
	case uevents.KindConnEnd:
		fmt.Fprint(&b, " ", c.Reason())
	case uevents.KindGap:
		fmt.Fprintf(&b, " %+v", c.Gap())
	}
	tw.log = append(tw.log, b.String())
	h := twinHash([]byte(b.String())) ^ tw.rule.seed
	if tw.rule.stop && c.Base() == uevents.KindConnEstablished {
		tw.log = append(tw.log, fmt.Sprint("stop ", c.Stop(wire.Dir(c.Flow().ID&1))))
	}
	if odd := tw.rule.odd; odd != 0 && h%odd == 0 {
		tw.act(c, int(h/odd%24), wire.Dir(h>>60&1))
	}
}

// read reads some octets of a stream around an offset.
func (tw *twin) read(c *uevents.Context, side wire.Dir, off uint64) {
	var b [700]byte
	n, err := c.ReadAt(side, off-min(off, 300), b[:])
	tw.log = append(tw.log, fmt.Sprint(n, err, twinHash(b[:n])))
}

func twinHash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// act does something odd.
func (tw *twin) act(c *uevents.Context, what int, side wire.Dir) {
	var err error
	switch what {
	case 0:
		err = c.Drop()
	case 1:
		err = c.Stop(side)
	case 2:
		err = c.Release()
	case 3:
		err = c.SetReassembly(side, false)
	case 4:
		err = c.SetReassembly(side, true)
	case 5:
		_, err = c.Register(uevents.OnPacket, uevents.PreTCP, func(c *uevents.Context) { tw.see(c, 51) })
	case 6:
		_, err = c.Register(uevents.OnNewData, uevents.PostTCP, func(c *uevents.Context) { tw.see(c, 52) })
	case 7:
		err = c.Enable(tw.prepared)
	case 8:
		err = c.Disable(c.Registration())
	case 9:
		_, err = c.Arm(time.Duration(1+c.Number()%5) * 300 * time.Millisecond)
	case 10:
		err = c.Raise(twinRaised, nil)
	case 11:
		err = c.SetPolicy(buffers.Last)
	case 12:
		err = c.SetBuffer(side, 4000)
	case 14:
		tw.read(c, side, c.Offset())
	case 15:
		tw.read(c, side, c.Buffered(side).Next)
	case 16:
		tw.log = append(tw.log, fmt.Sprint(c.Held(0, nil), c.Held(1, nil)))
	case 17:
		tw.places = append(tw.places, c.Place())
	case 18:
		_, err = c.Arm(0)
	case 19:
		_, err = c.ArmShard(time.Duration(c.Number()%7) * 100 * time.Millisecond)
	case 20:
		err = c.EachFlow(0, wire.SlotCount, func(c *uevents.Context) { tw.see(c, 60) })
	case 21:
		tw.places, err = c.VisitFlows(tw.places, func(c *uevents.Context) bool { tw.see(c, 61); return c.State(0) != tcpfsm.TimeWait })
	case 22:
		err = errors.Join(c.SetReassembly(side, false), c.SetReassembly(side, true))
	case 23:
		err = c.SetBuffer(side, 1)
	case 13:
		tw.log = append(tw.log, "panics")
		panic("a handler")
	}
	tw.log = append(tw.log, fmt.Sprint(what, err))
}

// talk is a connection of a twin's traffic.
type talk struct {
	name  int
	seq   [2]wire.Seq // what each side sends next
	step  int         // of talkSteps
	stamp bool        // with timestamps
}

// talkSteps is how many segments a connection has.
const talkSteps = 18

// usual returns the next segment that the connection would send: an opening, text
// on either side, a FIN of each, the first of them with luck in order.
func (k *talk) usual(rng *rand.Rand, now int) (d wire.Dir, h craft.TCP, text int) {
	d, h = wire.Dir(rng.IntN(2)), craft.TCP{Flags: wire.ACK, Wnd: 60000}
	switch k.step {
	case 0:
		k.seq, k.stamp = [2]wire.Seq{wire.Seq(rng.Uint32()), wire.Seq(rng.Uint32())}, rng.IntN(2) == 0
		if rng.IntN(3) == 0 { // soon to begin anew
			k.seq = [2]wire.Seq{-wire.Seq(rng.IntN(2000)), -wire.Seq(rng.IntN(2000))}
		}
		d, h.Flags = wire.ToServer, wire.SYN
	case 1:
		d, h.Flags = wire.ToClient, wire.SYN|wire.ACK
	case 2, talkSteps - 1:
		d = wire.ToServer
	case talkSteps - 4:
		h.Flags |= wire.FIN
	case talkSteps - 3, talkSteps - 2:
		d = wire.Dir(k.step-talkSteps+3) & 1
		h.Flags |= wire.FIN
	default:
		text = rng.IntN(3) * 400
	}
	if k.step++; k.step > talkSteps || rng.IntN(60) == 0 {
		k.step = 0
	}
	h.Seq, h.Ack = k.seq[d], k.seq[d.Reverse()]
	if h.Flags == wire.SYN {
		h.Ack = 0
	}
	if k.stamp {
		h.Opts, h.TSVal = wire.OptTimestamp, uint32(now)
	}
	k.seq[d] = k.seq[d].Add(uint32(text) + uint32(h.Flags&wire.FIN) + uint32(h.Flags&wire.SYN)>>1)
	return d, h, text
}

// unusual makes something else of a segment.
func unusual(rng *rand.Rand, h *craft.TCP) {
	switch rng.IntN(8) {
	case 0:
		h.Seq = h.Seq.Add(^uint32(0))
	case 1:
		h.Seq = h.Seq.Add(^uint32(399))
	case 2:
		h.Ack = h.Ack.Add(700)
	case 3:
		h.Wnd = uint16(rng.IntN(2) * 100)
	case 4:
		h.Flags |= wire.RST
	case 5:
		h.Flags |= wire.SYN
	case 6:
		h.Flags |= wire.FIN
	case 7:
		h.Flags, h.Seq = wire.SYN, wire.Seq(rng.Uint32())
	}
}

// twinTraffic makes the frames of connections, one of so many of which is not
// as usual: lost, repeated, late, spoilt, or none that TCP would send; 0: all are.
func twinTraffic(rng *rand.Rand, names []int, odd int) []buffers.Frame {
	talks := make([]talk, len(names))
	for i := range talks {
		talks[i].name = names[i]
	}
	var frames []buffers.Frame
	for range len(names) * 24 {
		k := &talks[rng.IntN(len(talks))]
		d, h, text := k.usual(rng, len(frames))
		what := 0
		if odd > 0 && rng.IntN(odd) == 0 {
			if what = 1 + rng.IntN(11); what > 4 {
				unusual(rng, &h)
			}
		}
		f := steadyFrame(k.name, d, h, text)
		at := len(frames)
		switch what {
		case 1: // lost
			continue
		case 2:
			frames = append(frames, f)
		case 3:
			at = max(0, at-1-rng.IntN(3))
		case 4:
			f.Data[len(f.Data)-1] ^= 0x55
		}
		frames = slices.Insert(frames, at, f)
	}
	for i := range frames {
		frames[i].Number = uint64(i + 1)
	}
	return frames
}

// neighbours returns connections whose keys fall into one slot.
func neighbours(n int) (names []int) {
	slot := wire.SlotOf(steadyFrame(0, wire.ToServer, craft.TCP{}, 0).Hash)
	for name := 0; len(names) < n; name++ {
		if wire.SlotOf(steadyFrame(name, wire.ToServer, craft.TCP{}, 0).Hash) == slot {
			names = append(names, name)
		}
	}
	return names
}

// feed runs frames, with now and then a pause, and ends.
func (tw *twin) feed(frames []buffers.Frame, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	for len(frames) > 0 {
		n := min(1+rng.IntN(100), len(frames))
		tw.run(frames[:n])
		frames = frames[n:]
		switch rng.IntN(30) {
		case 0:
			tw.clock += int64(rng.IntN(3000)) * int64(time.Millisecond)
		case 1:
			tw.shard.mark(Mark{Clock: tw.clock})
		case 2, 3:
			if tw.rule.odd != 0 {
				tw.alter(rng)
			}
		}
	}
	tw.shard.mark(Mark{Clock: tw.clock, Last: true})
}

// alter does something to a socket from outside.
func (tw *twin) alter(rng *rand.Rand) {
	sock := tw.socks[rng.IntN(len(tw.socks))]
	handle := func(k *uevents.Socket, which int) error {
		e := twinEvents[rng.IntN(len(twinEvents))]
		return k.Handle(e.event, e.hook, func(c *uevents.Context) { tw.see(c, which) })
	}
	var err error
	what := rng.IntN(10)
	switch what {
	case 0:
		err = sock.KeepStream(500)
	case 1:
		err = sock.IncludeExisting()
	case 2:
		err = sock.SetReassembly(wire.Dir(rng.IntN(2)), rng.IntN(2) == 0)
	case 3:
		err = sock.SetPolicy(buffers.Last)
	case 4:
		err = sock.Bind([]string{"port 80", "host 10.0.0.1", "port 81"}[rng.IntN(3)])
	case 5:
		if rng.IntN(4) == 0 {
			err = sock.Close()
		}
	case 6:
		var k *uevents.Socket
		if k, err = tw.ctl.set.Open(tw.ctl, uevents.Stream, fmt.Sprint("opened ", len(tw.socks))); err == nil {
			err = handle(k, 300)
			tw.socks = append(tw.socks, k)
		}
	default:
		err = handle(sock, 200)
	}
	tw.log = append(tw.log, fmt.Sprint("altered ", what, " ", err))
	tw.shard.Update(tw.ctl.set.Snapshot())
}

// randomRule returns what twins ask for, and connections that fall into one slot
// or into any.
func randomRule(rng *rand.Rand, crowd []int) (r twinRule, names []int) {
	r = twinRule{seed: rng.Uint64(), wants: rng.Uint64() & rng.Uint64(), keep: rng.IntN(3) == 0, stop: rng.IntN(4) == 0, batch: 1 + rng.IntN(100)}
	if r.stop {
		r.wants |= 1<<twinEstablished | 1<<(twinEstablished+32)
	}
	if rng.IntN(3) > 0 {
		r.odd = 3 + rng.Uint64N(60)
	}
	seldom := func() bool { return rng.IntN(4) == 0 }
	c := &r.cfg
	c.Checksums, c.Rules.Strict, c.NoPickup = Checksums(rng.IntN(3)), seldom(), seldom()
	if c.Keep = rng.IntN(6) == 0; c.Keep {
		c.History = 300
	}
	if seldom() {
		c.Memory.FlowCap = 3000
	}
	if seldom() {
		c.Policies = []PolicyRule{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Policy: buffers.Linux}}
	}
	switch rng.IntN(3) {
	case 0:
		c.Timeouts = Timeouts{Embryonic: 3 * time.Second, Established: 6 * time.Second, Closing: time.Second, Closed: 500 * time.Millisecond}
	case 1:
		pick := func() time.Duration {
			return []time.Duration{1, Never, 50 * time.Microsecond, time.Millisecond, time.Second, 0}[rng.IntN(6)]
		}
		c.Timeouts = Timeouts{Embryonic: pick(), Established: pick(), Closing: pick(), Closed: pick()}
	}
	if c.FlowsPerSlot = 1 + rng.IntN(10); rng.IntN(2) == 0 {
		return r, crowd
	}
	c.FlowsPerSlot = 100
	for n := range 2 + rng.IntN(40) {
		names = append(names, n)
	}
	return r, names
}

// The short ways lead where the stages do: handlers see the same, whatever they
// do about it, and the counters say the same.
func TestShortWaysAreStages(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 40
	}
	crowd := neighbours(8)
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		r, names := randomRule(rng, crowd)
		frames := twinTraffic(rng, names, rng.IntN(4)*6)
		short, long := newTwin(t, r, false), newTwin(t, r, true)
		short.feed(slices.Clone(frames), seed)
		long.feed(slices.Clone(frames), seed)
		for i := range max(len(short.log), len(long.log)) {
			if i >= len(short.log) || i >= len(long.log) || short.log[i] != long.log[i] {
				t.Fatalf("seed %d, %+v: event %d differs\nbefore: %s\nshort: %s\nlong:  %s", seed, r, i, at(short.log, i-1), at(short.log, i), at(long.log, i))
			}
		}
		if short.shard.stats != long.shard.stats {
			t.Fatalf("seed %d, %+v: counters differ:\nshort: %+v\nlong:  %+v", seed, r, short.shard.stats, long.shard.stats)
		}
	}
}

func at(log []string, i int) string {
	if i < 0 || i >= len(log) {
		return "nothing"
	}
	return log[i]
}
