package main

import (
	"errors"
	"fmt"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// counts are what the handlers of one shard count in a turn.
type counts struct {
	events  uint64
	text    measure.Totals
	sum     uint64 // of octets read
	udes    uint64
	removed uint64
	err     error
	_       [64]byte // shards share no cache line
}

// of returns the counts of the shard that runs a handler.
func (p *peer) of(c *mbox.Context) *counts { return &p.counts[c.Shard()] }

// check returns what went wrong in handlers.
func (p *peer) check() (err error) {
	for i := range p.counts {
		err = errors.Join(err, p.counts[i].err)
	}
	return err
}

// handle registers the handlers of a setup. Tracking needs none, but a socket in
// whose scope the flows are.
func (p *peer) handle(s *measure.Setup) error {
	sock := p.stack.Monitor(mbox.Stream)
	var err error
	switch s.Mode {
	case measure.Events:
		err = p.events(sock)
	case measure.Read:
		err = sock.Handle(mbox.OnNewData, mbox.PostTCP, p.read)
	case measure.Count:
		err = sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { p.of(c).text[c.Side()] += uint64(len(c.Payload())) })
	case measure.History:
		err = errors.Join(sock.KeepStream(measure.HistoryOctets), sock.Handle(mbox.OnNewData, mbox.PostTCP, p.readAt(s.Shards)))
	}
	err = errors.Join(err, p.control(sock, s.Variant))
	switch s.Name {
	case "w9":
		err = errors.Join(err, p.userEvents(sock))
	case "w10":
		err = errors.Join(err, p.perFlow(sock))
	case "w10-static":
		err = errors.Join(err, p.static(sock))
	}
	return err
}

// events registers ten handlers on seven events.
func (p *peer) events(sock *mbox.Socket) error {
	count := func(c *mbox.Context) { p.of(c).events++ }
	var errs []error
	for _, r := range []struct {
		event mbox.Event
		hook  mbox.Hook
	}{
		{mbox.OnPacket, mbox.PreTCP}, {mbox.OnPacket, mbox.PostTCP}, {mbox.OnOrphan, mbox.PreTCP},
		{mbox.OnConnStart, mbox.PostTCP}, {mbox.OnConnEstablished, mbox.PostTCP},
		{mbox.OnStateChange, mbox.PostTCP}, {mbox.OnStateChange, mbox.PostTCP},
		{mbox.OnAnomaly, mbox.PostTCP}, {mbox.OnConnEnd, mbox.PostTCP}, {mbox.OnConnEnd, mbox.PostTCP},
	} {
		errs = append(errs, sock.Handle(r.event, r.hook, count))
	}
	return errors.Join(errs...)
}

// read reads the octets of OnNewData where they lie.
func (p *peer) read(c *mbox.Context) {
	b, n := c.Payload(), p.of(c)
	n.text[c.Side()] += uint64(len(b))
	n.sum += measure.Sum(b)
}

// readAt returns a handler that copies the octets of OnNewData by their offset.
func (p *peer) readAt(shards int) mbox.Handler {
	bufs := make([][readOctets]byte, shards)
	return func(c *mbox.Context) {
		at, buf := p.of(c), bufs[c.Shard()][:]
		off, end := c.Offset(), c.Offset()+uint64(len(c.Payload()))
		for off < end {
			n, err := c.ReadAt(c.Side(), off, buf[:min(uint64(len(buf)), end-off)])
			if err != nil {
				at.err = err
				return
			}
			at.sum += measure.Sum(buf[:n])
			at.text[c.Side()] += uint64(n)
			off += uint64(n)
		}
	}
}

// readOctets is how many octets readAt copies at a time: more than a segment has.
const readOctets = 64 << 10

// userEventsMany is how many user-defined events W9 has on OnPacket.
const userEventsMany = 64

// userEvents defines events on OnPacket with a handler each. Two of them hold of
// a packet, depending on its acknowledgement number: as good as random.
func (p *peer) userEvents(sock *mbox.Socket) error {
	for i := range uint32(userEventsMany) {
		ev := mbox.Define(fmt.Sprintf("ack-%d", i), mbox.OnPacket, func(c *mbox.Context) bool {
			return uint32(c.TCP().AckNum())%(userEventsMany/2) == i%(userEventsMany/2)
		})
		if err := sock.Handle(ev, mbox.PreTCP, func(c *mbox.Context) { p.of(c).udes++ }); err != nil {
			return err
		}
	}
	return nil
}

// perFlow has each flow register two handlers when it begins, on its packets and
// on its states, and remove the second when it is established.
func (p *peer) perFlow(sock *mbox.Socket) error {
	count := func(c *mbox.Context) { p.of(c).events++ }
	packets, err := sock.Prepare(mbox.OnPacket, mbox.PostTCP, count)
	if err != nil {
		return err
	}
	states, err := sock.Prepare(mbox.OnStateChange, mbox.PostTCP, count)
	if err != nil {
		return err
	}
	note := func(c *mbox.Context, err error) {
		if err != nil {
			p.of(c).err = err
		}
	}
	return errors.Join(
		sock.Handle(mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			note(c, c.Enable(packets))
			note(c, c.Enable(states))
		}),
		sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
			p.of(c).removed++
			note(c, c.Disable(states))
		}))
}

// static registers the handlers of perFlow for all flows.
func (p *peer) static(sock *mbox.Socket) error {
	count := func(c *mbox.Context) { p.of(c).events++ }
	return errors.Join(
		sock.Handle(mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) {}),
		sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) { p.of(c).removed++ }),
		sock.Handle(mbox.OnPacket, mbox.PostTCP, count),
		sock.Handle(mbox.OnStateChange, mbox.PostTCP, count))
}

// The variants that give something up: what a handler does not need need not be
// done.
const (
	oneReassembled = "one-reassembled" // no reassembly of what servers send
	oneStopped     = "one-stopped"     // servers are not followed once they have answered
	released       = "released"        // flows end for us at their first octets
	largeReleased  = "large-released"  // flows end for us at the first octet beyond largeOctets
)

// largeOctets are more than any page has.
const largeOctets = 1 << 20

// control has a socket give up what its variant says.
func (p *peer) control(sock *mbox.Socket, variant string) error {
	note := func(c *mbox.Context, err error) {
		if err != nil {
			p.of(c).err = err
		}
	}
	p.partial = true
	switch variant {
	case oneReassembled:
		return sock.SetReassembly(mbox.Server, false)
	case oneStopped:
		return sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) { note(c, c.Stop(mbox.Server)) })
	case released:
		return sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { note(c, c.Release()) })
	case largeReleased:
		return sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
			if c.Offset() > largeOctets {
				note(c, c.Release())
			}
		})
	}
	p.partial = false
	return nil
}
