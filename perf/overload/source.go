package main

import (
	"io"
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// seed of the flow hash, so that it is known which shard a flow is on to begin
// with.
const seed = 1

// portElephant is the port of the elephant's server; the mice's are below.
const portElephant = 9000

// flowsOn returns frames of so many flows that are on a shard to begin with, one
// each.
func flowsOn(shard, shards, many int, serverPort uint16) (frames []rx.Frame) {
	var parser wire.Parser
	for port := uint16(10000); len(frames) < many; port++ {
		p := craft.Path{Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(port >> 8), byte(port)}), port),
			Dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), serverPort)}
		data := craft.AppendUDP(nil, &p, make([]byte, 100))
		var packet wire.Packet
		parser.Parse(&packet, wire.LinkEthernet, data)
		if int(wire.SlotOf(packet.Key.Hash(seed)))%shards == shard {
			frames = append(frames, rx.Frame{Data: data, WireLen: uint32(len(data)), Link: wire.LinkEthernet})
		}
	}
	return frames
}

// stream is packets of some flows in turn, at a rate.
type stream struct {
	frames []rx.Frame
	rate   float64 // packets a second
	mouse  bool

	next int     // of frames
	due  float64 // packets that should have been sent, less those that were
}

// load is a live source of streams. It ends after a while.
type load struct {
	streams []stream
	lasts   time.Duration
	began   time.Time
	at      time.Duration // of the last call
	bare    []rx.Frame
	sent    [2]counter // mice and elephants
}

// Live implements rx.Live.
func (l *load) Live() bool { return true }

// tickEvery is how often packets are sent: some at a time, as a ring's blocks
// come.
const tickEvery = time.Millisecond

// Next implements rx.Source.
func (l *load) Next(c *rx.Chunk) error {
	if l.began.IsZero() {
		l.began = time.Now()
	}
	time.Sleep(tickEvery)
	now := time.Now()
	at := now.Sub(l.began)
	if at > l.lasts {
		return io.EOF
	}
	passed := at - l.at
	l.at = at
	*c = rx.Chunk{}
	l.bare = l.bare[:0]
	for i := range l.streams {
		s := &l.streams[i]
		for s.due += s.rate * passed.Seconds(); s.due >= 1; s.due-- {
			f := s.frames[s.next]
			s.next = (s.next + 1) % len(s.frames)
			f.Timestamp = now.UnixNano()
			l.bare = append(l.bare, f)
			l.sent[kindOf(s.mouse)].Add(1)
		}
	}
	if c.Frames = l.bare; len(l.bare) == 0 {
		c.Clock = now.UnixNano()
	}
	return nil
}

// Close implements rx.Source.
func (l *load) Close() error { return nil }

// kindOf returns where a kind of flow is counted.
func kindOf(mouse bool) int {
	if mouse {
		return 0
	}
	return 1
}
