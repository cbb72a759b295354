package main

import (
	"errors"
	"fmt"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// counts are what handlers count in a turn. There is one shard, so they are the
// shard's.
type counts struct {
	events  uint64
	text    measure.Totals
	sum     uint64 // of octets read
	udes    uint64
	removed uint64
	err     error
}

func (n *counts) check() error { return n.err }

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
	case measure.History:
		err = sock.Handle(mbox.OnNewData, mbox.PostTCP, p.readAt(make([]byte, 64<<10)))
	}
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
	count := func(*mbox.Context) { p.counts.events++ }
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
	b := c.Payload()
	p.counts.text[c.Side()] += uint64(len(b))
	p.counts.sum += measure.Sum(b)
}

// readAt returns a handler that copies the octets of OnNewData by their offset.
func (p *peer) readAt(buf []byte) mbox.Handler {
	return func(c *mbox.Context) {
		off, end := c.Offset(), c.Offset()+uint64(len(c.Payload()))
		for off < end {
			n, err := c.ReadAt(c.Side(), off, buf[:min(uint64(len(buf)), end-off)])
			if err != nil {
				p.counts.err = err
				return
			}
			p.counts.sum += measure.Sum(buf[:n])
			p.counts.text[c.Side()] += uint64(n)
			off += uint64(n)
		}
	}
}

// userEventsMany is how many user-defined events W9 has on OnPacket.
const userEventsMany = 64

// userEvents defines events on OnPacket with a handler each. Two of them hold of
// a packet, depending on its acknowledgement number: as good as random.
func (p *peer) userEvents(sock *mbox.Socket) error {
	for i := range uint32(userEventsMany) {
		ev := mbox.Define(fmt.Sprintf("ack-%d", i), mbox.OnPacket, func(c *mbox.Context) bool {
			return uint32(c.TCP().AckNum())%(userEventsMany/2) == i%(userEventsMany/2)
		})
		if err := sock.Handle(ev, mbox.PreTCP, func(*mbox.Context) { p.counts.udes++ }); err != nil {
			return err
		}
	}
	return nil
}

// perFlow has each flow register two handlers when it begins, on its packets and
// on its states, and remove the second when it is established.
func (p *peer) perFlow(sock *mbox.Socket) error {
	count := func(*mbox.Context) { p.counts.events++ }
	packets, err := sock.Prepare(mbox.OnPacket, mbox.PostTCP, count)
	if err != nil {
		return err
	}
	states, err := sock.Prepare(mbox.OnStateChange, mbox.PostTCP, count)
	if err != nil {
		return err
	}
	note := func(err error) {
		if err != nil {
			p.counts.err = err
		}
	}
	return errors.Join(
		sock.Handle(mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			note(c.Enable(packets))
			note(c.Enable(states))
		}),
		sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
			p.counts.removed++
			note(c.Disable(states))
		}))
}

// static registers the handlers of perFlow for all flows.
func (p *peer) static(sock *mbox.Socket) error {
	count := func(*mbox.Context) { p.counts.events++ }
	return errors.Join(
		sock.Handle(mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) {}),
		sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(*mbox.Context) { p.counts.removed++ }),
		sock.Handle(mbox.OnPacket, mbox.PostTCP, count),
		sock.Handle(mbox.OnStateChange, mbox.PostTCP, count))
}
