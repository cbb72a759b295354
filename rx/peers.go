package rx

import (
	"sync/atomic"

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

// stray is a fragment on its way to the ring that owns its datagram.
type stray struct {
	frame Frame  // Data lies in mem
	mem   []byte // owned
}

// inbox is where a ring finds its strays. Any ring may add to it; its receiver
// takes from it.
type inbox struct {
	queue  chan *stray
	free   chan *stray
	octets atomic.Int64 // of what is in queue
	wake   func()       // has the ring's Next return
}

func newInbox(wake func()) *inbox {
	return &inbox{queue: make(chan *stray, straysMax), free: make(chan *stray, straysMax), wake: wake}
}

// offer copies a fragment into the inbox, if there is room.
func (b *inbox) offer(raw *Frame) bool {
	n := int64(len(raw.Data))
	if b.octets.Add(n) > strayOctetsMax {
		b.octets.Add(-n)
		return false
	}
	var s *stray
	select {
	case s = <-b.free:
	default:
		s = &stray{}
	}
	s.mem = append(s.mem[:0], raw.Data...)
	s.frame = *raw
	s.frame.Data = s.mem
	select {
	case b.queue <- s:
		b.wake()
		return true
	default:
		b.octets.Add(-n)
		return false
	}
}

// done takes back what has been read.
func (b *inbox) done(s *stray) {
	b.octets.Add(-int64(len(s.frame.Data)))
	if cap(s.mem) > strayKeep {
		return
	}
	select {
	case b.free <- s:
	default:
	}
}

// ganged is a source that shares its traffic with others.
type ganged interface {
	// gang returns the inboxes of all of them, and which of those is its own.
	gang() (all []*inbox, own int)
}

// peers are the rings of one interface as one of their receivers sees them. The
// zero value is a source of its own.
type peers struct {
	inboxes []*inbox
	own     int
}

func (p *peers) of(src Source) {
	if g, ok := src.(ganged); ok {
		p.inboxes, p.own = g.gang()
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
	if r.peers.inboxes[owner].offer(raw) {
		r.counts.Forwarded++
	} else {
		r.counts.ForwardNoRoom++
	}
	return true
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
		default:
			return
		}
	}
}

// takeStray puts one stray where it belongs.
func (r *Receiver) takeStray(s *stray) {
	raw := &s.frame
	r.clock.follow(raw.Timestamp)
	r.parser.Parse(&r.under, raw.Link, raw.Data)
	r.counts.Adopted++
	datagram, v := r.frags.Insert(&r.under, raw.Data, r.clock.now)
	r.complete(raw, datagram, v)
}
