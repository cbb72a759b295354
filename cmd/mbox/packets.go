package main

import (
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/wire"
)

// packetMeter counts packets, each by itself: no connection is followed, so it
// knows of none, and flags are all that it can count.
type packetMeter struct {
	*sampler
	parts *mbox.Local[packetPart]
}

// packetPart is what a shard counts.
type packetPart struct {
	servers tallies[netip.AddrPort]
	last    netip.AddrPort // of the latest packet, whose row is row
	row     uint32
	clock   *samplerPart
}

// newPacketMeter registers on sock, a raw one, what counting needs.
func (s *session) newPacketMeter(sock *mbox.Socket, every time.Duration) (*packetMeter, error) {
	m := &packetMeter{parts: mbox.NewLocal(s.stack, func() packetPart {
		return packetPart{servers: newTallies[netip.AddrPort](tallyRowsMax)}
	})}
	var err error
	if m.sampler, err = s.newSampler(sock, every); err != nil {
		return nil, err
	}
	m.visit = func(*mbox.Context) bool { return false }
	m.report = func(c *mbox.Context, at time.Time) (any, again) {
		p := m.parts.Of(c)
		p.last = netip.AddrPort{} // its row may go
		if all := p.servers.changes(); all != nil {
			return &meterReport{at: at, servers: all}, nextActive
		}
		return nil, whenNoted
	}
	return m, sock.Handle(mbox.OnPacket, mbox.PreTCP, m.packet)
}

// packet counts a packet. Its server is whom a SYN goes to or a SYN-ACK comes
// from; of any other packet the end with the lower port.
func (m *packetMeter) packet(c *mbox.Context) {
	p := c.Packet()
	if p.Outcome != wire.Whole || p.Marks&wire.MarkICMPError != 0 {
		return
	}
	part := m.parts.Of(c)
	flags := wire.Flags(0)
	if p.Key.Proto == wire.ProtoTCP {
		flags = p.Segment.Flags
	}
	server, d := p.Dst(), mbox.Client
	if src := p.Src(); flags.Has(wire.SYN|wire.ACK) || !flags.Has(wire.SYN) && src.Port() < server.Port() {
		server, d = src, mbox.Server
	}
	if server != part.last {
		part.last, part.row = server, part.servers.of(server)
		part.servers.done(part.row) // no flow counts here
	}
	t := part.servers.at(part.row)
	t[cPackets+counter(d)]++
	t[cOctets+counter(d)] += uint64(p.PayloadLen)
	if flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		t.flags(flags)
	}
	if part.clock == nil {
		part.clock = m.sampler.parts.Of(c)
	}
	m.noteIn(c, part.clock)
}

// flags counts what begins and ends connections.
func (t *counts) flags(f wire.Flags) {
	switch {
	case f.Has(wire.SYN | wire.ACK):
		t[cSYNACK]++
	case f.Has(wire.SYN):
		t[cSYN]++
	}
	if f.Has(wire.FIN) {
		t[cFIN]++
	}
	if f.Has(wire.RST) {
		t[cRST]++
	}
}

// rest implements webMeter.
func (m *packetMeter) rest() (all []*meterReport, err error) {
	err = m.parts.Fold(func(p *packetPart) {
		if p.clock != nil {
			all = append(all, &meterReport{at: time.Unix(0, p.clock.next), servers: p.servers.changes()})
		}
	})
	return all, err
}
