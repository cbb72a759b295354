package rx

import (
	"slices"
	"sync/atomic"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/wire"
)

// Rings of one interface share its traffic as the kernel deals it out, and the
// fragments of one datagram may come to several of them, from different queues. Each datagram is therefore put together by one ring, which
// the datagram's name says, and the others copy its fragments over to it.

const (
	// straysMax and strayOctetsMax bound what waits for one ring. A datagram has
	// up to 46 fragments of 1,500 octets; this is room for a dozen at a time.
	straysMax      = 512
	strayOctetsMax = 1 << 20
	// strayKeep is the longest memory that is kept to be used again.
	strayKeep = 2048
)

// stray is a fragment on its way to the ring that owns its datagram. It belongs to
// the ring that received it, but for the time between offer and done.
type stray struct {
	frame Frame  // Data lies in mem
	mem   []byte // owned
	clock int64  // of the ring that received it, ns
	from  int    // which ring that is
	home  atomic.Bool
}

// inbox is where a ring finds its strays. Any ring may add to it; its receiver
// takes from it.
type inbox struct {
	queue  chan *stray
	octets atomic.Int64 // of what is in queue
	wake   func()       // has the ring's Next return
}

func newInbox(wake func()) *inbox {
	return &inbox{queue: make(chan *stray, straysMax), wake: wake}
}

// offer adds a fragment to the inbox, if there is room.
func (b *inbox) offer(s *stray) bool {
	n := int64(len(s.mem))
	if b.octets.Add(n) > strayOctetsMax {
		b.octets.Add(-n)
		return false
	}
	select {
	case b.queue <- s:
		b.wake()
		return true
	default:
		b.octets.Add(-n)
		return false
	}
}

// done gives back what has been read.
func (b *inbox) done(s *stray) {
	b.octets.Add(-int64(len(s.mem)))
	s.home.Store(true)
}

// ganged is a source that shares its traffic with others.
type ganged interface {
	// gang returns the inboxes of all of them, and which of those is its own.
	gang() (all []*inbox, own int)
	// inOrder returns what it shares with the sources with which shards bring it
	// into one order; nil if there are none.
	inOrder() *pace
}

// peers are the rings of one interface as one of their receivers sees them. The
// zero value is a source of its own.
type peers struct {
	inboxes []*inbox
	own     int
	common  *pace // of sources that shards bring into one order; nil: this one is taken as it comes

	out    []*stray           // on their way to others, in order; some may have come back
	idle   []*stray           // to be used again
	taking *stray             // the one of another ring that is being taken; nil: none, or its clock says nothing
	apart  *buffers.BatchPool // of batches for a datagram each; nil until there is one
}

func (p *peers) of(src Source) {
	if g, ok := src.(ganged); ok {
		p.inboxes, p.own = g.gang()
		p.common = g.inOrder()
	}
}

// many reports whether there is more than one ring.
func (p *peers) many() bool { return len(p.inboxes) > 1 }

// forward gives the fragment p, which raw holds, to the ring that owns its
// datagram. It reports false if that is this one.
func (r *Receiver) forward(p *wire.Packet, raw *Frame) bool {
	owner := int(frag.Hash(p, raw.Data, r.seed) % uint64(len(r.peers.inboxes)))
	if owner == r.peers.own {
		return false
	}
	s := r.peers.stray(raw)
	s.clock = r.clock.now
	if r.peers.inboxes[owner].offer(s) {
		r.peers.out = append(r.peers.out, s)
		r.counts.Forwarded++
	} else {
		r.peers.idle = append(r.peers.idle, s)
		r.counts.ForwardNoRoom++
	}
	return true
}

// stray returns a copy of a fragment.
func (p *peers) stray(raw *Frame) *stray {
	p.gather()
	s := &stray{from: p.own}
	if n := len(p.idle); n > 0 {
		s, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	s.home.Store(false)
	s.mem = append(s.mem[:0], raw.Data...)
	s.frame = *raw
	s.frame.Data = s.mem
	return s
}

// gather takes back the strays that have come home, up to the first that has not.
func (p *peers) gather() {
	n := 0
	for ; n < len(p.out) && p.out[n].home.Load(); n++ {
		if s := p.out[n]; cap(s.mem) <= strayKeep && len(p.idle) < straysMax {
			p.idle = append(p.idle, s)
		}
	}
	p.out = slices.Delete(p.out, 0, n)
}

// floor returns the time of which the receiver says that nothing older will come
// from it: its clock, or where order is made, what a fragment of its that another
// ring has yet to take may become.
func (r *Receiver) floor() int64 {
	p := &r.peers
	if p.common == nil || len(p.out) == 0 {
		return r.clock.now
	}
	if p.gather(); len(p.out) == 0 {
		return r.clock.now
	}
	return min(r.clock.now, p.out[0].clock-1)
}

// adopt goes on with the fragments that other rings have received of datagrams
// that this one owns.
func (r *Receiver) adopt() {
	if !r.peers.many() {
		return
	}
	own := r.peers.inboxes[r.peers.own]
	for range straysMax { // what comes meanwhile waits for the next chunk
		select {
		case s := <-own.queue:
			r.takeStray(s)
			own.done(s)
			if r.peers.common != nil { // it may say now that it has come further
				r.peers.inboxes[s.from].wake()
			}
		default:
			return
		}
	}
}

// deliverApart gives a shard a datagram that a stray has completed. What has the
// order made is the clock of the ring where the stray came from; here it would be
// too early or too late.
func (r *Receiver) deliverApart(f *buffers.Frame, datagram []byte) {
	if r.peers.apart == nil {
		r.peers.apart = buffers.NewBatchPool(1, straysMax)
	}
	s := r.peers.taking
	b := r.peers.apart.Get()
	b.Apart = true
	g := b.Next()
	*g = buffers.Frame{Data: datagram, Packet: f.Packet, Hash: f.Packet.Key.Hash(r.seed), Clock: s.clock, Timestamp: s.frame.Timestamp,
		Number: r.number, WireLen: s.frame.WireLen, Link: s.frame.Link, Role: buffers.RoleDatagram, ChecksumOffloaded: s.frame.ChecksumOffloaded}
	shard := r.ownerAt(wire.SlotOf(g.Hash), g.Clock)
	t := r.boxes[shard].totals
	if r.boxes[shard].outlet.Batch(b, r.wait) {
		t.Handed.Datagrams++
	} else {
		t.Dropped.Datagrams++
		b.Release()
	}
}

// takeStray puts one stray where it belongs.
func (r *Receiver) takeStray(s *stray) {
	raw := &s.frame
	if r.peers.common == nil || !r.clock.started { // else its own frames would seem to be late
		r.clock.follow(raw.Timestamp)
	}
	r.parser.Parse(&r.under, raw.Link, raw.Data)
	r.counts.Adopted++
	datagram, v := r.frags.Insert(&r.under, raw.Data, r.clock.now)
	if r.peers.common != nil {
		r.peers.taking = s
	}
	r.complete(raw, datagram, v)
	r.peers.taking = nil
}
