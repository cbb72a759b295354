package rx

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/wire"
)

var pageOctets = os.Getpagesize()

const (
	// ringBlocksMin: one block that the kernel fills, one that is read, and one
	// that waits for a slow shard.
	ringBlocksMin = 3

	// idleAfter is how long Next waits for frames before it returns with the time
	// alone: what timers on a silent line are late by, at most.
	idleAfter = 100 * time.Millisecond

	// napFor is how long Next sleeps when the kernel says that there are frames
	// and means those that are lent already. The release of a block ends it early.
	napFor = time.Millisecond

	// lookEvery is how often a ring looks after its interface.
	lookEvery = time.Second
)

// Ring is a source of the frames of a network interface: a ring of blocks that
// the kernel fills (PACKET_RX_RING, TPACKETv3), read without copying.
//
// One goroutine calls Next; all other methods may be called at any time, from
// any goroutine.
type Ring struct {
	cfg   RingConfig
	group *ringGroup
	index int // of the group

	closed  atomic.Bool
	stopped atomic.Bool // it is asked to end
	napper  napper

	mu      sync.Mutex   // held by Next; Close waits for it
	sock    *ringSocket  // nil before the first Next, while the interface is away, and after Close
	opened  bool         // sock has been set once
	frames  []Frame      // of the chunk at hand, lent until the next call of Next
	link    link         // the interface
	looked  time.Time    // when lookAfter looked
	refused error        // of the last resume
	size    atomic.Int32 // blocks of sock, 0 for none
	at      atomic.Int64 // index of the interface that sock is bound to, -1 for none

	pacing   pacing
	stopping stopping
	tally    tally
	limits   limits // guarded by tally.mu
}

// ringGroup is what the rings of one OpenRings share.
type ringGroup struct {
	rings   []*Ring
	order   []*Ring  // as they join the fanout group, which is how the kernel numbers them
	inboxes []*inbox // of fragments; none for a ring alone
	mu      sync.Mutex
	id      uint16 // fanout group
}

// turnOf reports whether a ring may open its socket on the interface with an
// index: the one before it has.
func (g *ringGroup) turnOf(r *Ring, index int) bool {
	turn := slices.Index(g.order, r)
	if turn <= 0 {
		return true
	}
	before := g.order[turn-1]
	return before.closed.Load() || before.at.Load() == int64(index)
}

func newRing(c RingConfig) *Ring {
	r := &Ring{cfg: c, group: &ringGroup{}, frames: make([]Frame, 0, chunkFrames)}
	r.at.Store(-1)
	r.group.rings, r.group.order = []*Ring{r}, []*Ring{r}
	return r
}

// OpenRings opens the rings that c describes. Privileges may be dropped after
// it, but for CAP_NET_RAW: a ring needs it to follow an interface that is
// removed and comes back.
func OpenRings(c RingConfig) ([]*Ring, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	g := newRingGroup(c)
	for _, r := range g.order {
		if err := r.open(); err != nil {
			for _, r := range g.rings {
				r.Close()
			}
			return nil, err
		}
	}
	g.rings[0].warnOfQueues()
	return g.rings, nil
}

// newRingGroup returns rings that are not open yet.
func newRingGroup(c RingConfig) *ringGroup {
	g := &ringGroup{}
	for k := range c.Rings {
		r := newRing(c)
		r.group, r.index = g, k
		g.rings = append(g.rings, r)
		g.inboxes = append(g.inboxes, newInbox(r.napper.call))
	}
	g.order = g.rings
	if first := c.Rings - 1; c.Fanout == FanoutQueue && recordsQueue(c.Interface) {
		g.order = append([]*Ring{g.rings[first]}, g.rings[:first]...)
	}
	return g
}

// recordsQueue reports whether member k+1 of a fanout group gets what queue k of
// an interface receives: the kernel goes by the frame's queue mapping, and that
// is one more than the number of the queue, so that 0 can say that it is not
// known. Between the ends of a veth pair it stays what the sender's was, the
// number itself.
func recordsQueue(name string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, name)
	return err != nil || unix.ByteSliceToString(info.Driver[:]) != "veth"
}

// Live implements Live: an interface does not wait.
func (r *Ring) Live() bool { return true }

// BlockCount returns how many blocks the ring has, 0 while it is not open.
func (r *Ring) BlockCount() int { return int(r.size.Load()) }

// gang implements ganged. FanoutHash brings all fragments of a datagram to one
// ring by itself, in order with what is whole.
func (r *Ring) gang() (all []*inbox, own int) {
	if r.cfg.Fanout == FanoutHash {
		return nil, 0
	}
	return r.group.inboxes, r.index
}

// String returns the interface's name as it was given, and which ring of how
// many it is.
func (r *Ring) String() string {
	if len(r.group.rings) == 1 {
		return r.cfg.Interface
	}
	return fmt.Sprintf("%s ring %d", r.cfg.Interface, r.index)
}

// Next implements Source.
func (r *Ring) Next(c *Chunk) error {
	*c = Chunk{}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return ErrClosed
	}
	r.handed()
	if !r.opened {
		if err := r.openLazily(); err != nil {
			return err
		}
	}
	for {
		if r.closed.Load() {
			return ErrClosed
		}
		if r.stopped.Load() {
			return r.last(c)
		}
		if r.cut(c) {
			r.note(r.frames[len(r.frames)-1].Timestamp)
			return nil
		}
		idle, err := r.wait()
		r.pacing.dozing.Store(false)
		if err != nil {
			return err
		}
		if idle {
			c.Clock = r.idleClock()
			r.frames = r.frames[:0]
			r.note(c.Clock)
			return nil
		}
	}
}

// openLazily opens a ring that Interface returned.
func (r *Ring) openLazily() (err error) {
	if r.cfg, err = r.cfg.withDefaults(); err != nil {
		return err
	}
	return r.open()
}

// cut sets c to frames that the kernel has handed over, and reports whether
// there are any.
func (r *Ring) cut(c *Chunk) bool {
	if r.sock != nil {
		r.sock.makeWay()
	}
	for r.sock != nil && r.sock.ready() {
		r.frames = r.frames[:0]
		block := r.sock.cut(r)
		if len(r.frames) > 0 {
			c.Frames, c.Block = r.frames, block
			return true
		}
		block.Release() // only copies of what was received already
	}
	return false
}

// idleClock returns the time at which surely no frame is on its way that bears
// an earlier one: blocks are handed over late.
func (r *Ring) idleClock() int64 {
	const slack = 20 * time.Millisecond // the kernel's timer ticks, and it is not prompt
	now := time.Now()
	if r.pacing.common != nil && r.empty() { // looked at after the clock
		return now.Add(-paceMargin).UnixNano()
	}
	return now.Add(-2*r.cfg.Retire - slack).UnixNano()
}

// Close implements Source. Blocks that are lent stay mapped until they are
// released. When it returns, from whichever call, the ring is closed.
func (r *Ring) Close() error {
	r.closed.Store(true)
	r.napper.wake()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
	r.link.close()
	r.napper.close()
	return nil
}

// drop gives the socket up.
func (r *Ring) drop() {
	if s := r.sock; s != nil {
		r.sock = nil
		r.at.Store(-1)
		r.size.Store(0)
		r.tally.end()
		s.close()
	}
}

// linkOf returns the link type of frames of an interface by its hardware type
// (ARPHRD_*). What has no link header that a packet socket would see is raw IP.
func linkOf(hardware uint16) wire.LinkType {
	switch hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return wire.LinkEthernet
	case unix.ARPHRD_NONE, unix.ARPHRD_PPP, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6,
		unix.ARPHRD_SIT, unix.ARPHRD_IPGRE, unix.ARPHRD_IP6GRE, unix.ARPHRD_SLIP:
		return wire.LinkRaw
	case unix.ARPHRD_CISCO:
		return wire.LinkCHDLC
	case unix.ARPHRD_IEEE80211:
		return wire.LinkWiFi
	case unix.ARPHRD_IEEE80211_PRISM:
		return wire.LinkPrism
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return wire.LinkRadiotap
	}
	return linkUnknown
}

// linkUnknown stands for hardware whose frames nobody here can read: LINKTYPE_
// USER15, which the parser counts as unknown.
const linkUnknown = wire.LinkType(162)
