package mboxtest

import (
	"io"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// firstNs is when transcripts begin, in ns since 1970.
const firstNs = 1_700_000_000_000_000_000

// shift is added to all sequence numbers, by the direction that they belong to:
// what happens must not depend on where a connection's numbers begin.
type shift [2]wire.Seq

// event is one thing that a source has to say: a frame, or that time has passed.
type event struct {
	frame rx.Frame
	line  int // index in Script.lines
	tick  bool
}

// events returns what the script's source says.
func (s *Script) events(sh shift) []event {
	var all []event
	now := int64(firstNs)
	sent := map[int][2][]byte{} // the last frame of each direction, by connection
	for i := range s.lines {
		l := &s.lines[i]
		if l.kind == kindText || l.kind == kindEnd {
			continue
		}
		now += int64(l.after)
		if l.kind == kindWait {
			all = append(all, event{frame: rx.Frame{Timestamp: now}, line: i, tick: true})
			continue
		}
		path := s.path(l)
		for _, f := range l.frames(&path, sh, sent[l.conn]) {
			all = append(all, event{frame: rx.Frame{Data: f, Timestamp: now, WireLen: uint32(len(f)), Link: wire.LinkEthernet}, line: i})
			if l.kind != kindICMP {
				last := sent[l.conn]
				last[l.dir] = f
				sent[l.conn] = last
			}
		}
		if n := len(all); l.cut >= 0 && l.cut < l.len {
			f := &all[n-1].frame
			f.Data = f.Data[:len(f.Data)-(l.len-l.cut)]
		}
	}
	return all
}

// path returns the way that a line's packet takes. Each connection has a client
// port of its own.
func (s *Script) path(l *line) craft.Path {
	client, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	if s.ipv6 {
		client, server = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	}
	p := craft.Path{
		Src: netip.AddrPortFrom(client, uint16(40001+l.conn)), Dst: netip.AddrPortFrom(server, 80),
		ID: uint16(l.number), Faults: l.fault,
	}
	if l.dir == wire.ToClient {
		p = p.Reverse()
	}
	return p
}

// frames returns the frames of a line.
func (l *line) frames(p *craft.Path, sh shift, last [2][]byte) [][]byte {
	switch l.kind {
	case kindUDP:
		return l.fragmented(p, wire.ProtoUDP, craft.AppendUDP(nil, p, l.text()), func() []byte { return craft.AppendDatagram(nil, p, l.text()) })
	case kindICMP:
		return [][]byte{l.icmpFrame(p, last)}
	}
	t := l.tcp
	t.Seq += sh[l.dir]
	if t.Flags.Has(wire.ACK) {
		t.Ack += sh[l.dir.Reverse()]
	}
	return l.fragmented(p, wire.ProtoTCP, craft.AppendTCP(nil, p, &t, l.text()), func() []byte { return craft.AppendSegment(nil, p, &t, l.text()) })
}

// text returns the line's text: by default octets that depend on SEG.SEQ only,
// so that the same range of a stream is the same text in whatever boundaries.
func (l *line) text() []byte {
	if l.data != nil {
		return l.data
	}
	first := uint32(l.tcp.Seq)
	if l.tcp.Flags.Has(wire.SYN) {
		first++
	}
	b := make([]byte, l.len)
	for i := range b {
		b[i] = 'a' + byte((first+uint32(i)+uint32(l.salt))%26)
	}
	return b
}

// fragmented returns the frame, or the fragments that the line asks for.
func (l *line) fragmented(p *craft.Path, proto wire.Proto, whole []byte, body func() []byte) [][]byte {
	if l.frag.octets == 0 {
		return [][]byte{whole}
	}
	if l.frag.how == fragOverlap || l.frag.how == fragConflict {
		return l.overlapping(p, proto, body())
	}
	fs := craft.Fragments(p, proto, uint32(l.number), body(), l.frag.octets)
	switch l.frag.how {
	case fragReversed:
		slices.Reverse(fs)
	case fragLost:
		fs = fs[:len(fs)-1]
	case fragTwice:
		var twice [][]byte
		for _, f := range fs {
			twice = append(twice, f, f)
		}
		fs = twice
	}
	return fs
}

// overlapping returns fragments each of which begins with the last 8 octets of
// the one before it, or with others in their place.
func (l *line) overlapping(p *craft.Path, proto wire.Proto, body []byte) (fs [][]byte) {
	for off := 0; off < len(body); off += l.frag.octets {
		from, to := max(0, off-8), min(off+l.frag.octets, len(body))
		data := slices.Clone(body[from:to])
		if l.frag.how == fragConflict {
			for i := range off - from {
				data[i] ^= 0x20 // a letter in the other case
			}
		}
		info := wire.FragmentInfo{ID: uint32(l.number), Off: uint16(from), More: to < len(body)}
		fs = append(fs, craft.AppendFragment(nil, p, proto, info, data))
	}
	return fs
}

// icmpFrame returns an error from a router about what the line's side sent last.
func (l *line) icmpFrame(p *craft.Path, last [2][]byte) []byte {
	quoted := last[l.dir]
	quoted = quoted[p.LinkOctets():min(len(quoted), p.LinkOctets()+60)]
	back := p.Reverse()
	router := netip.MustParseAddr("10.0.0.254")
	if back.Dst.Addr().Is6() {
		router = netip.MustParseAddr("2001:db8::fe")
	}
	back.Src = netip.AddrPortFrom(router, 0)
	back.Dst = netip.AddrPortFrom(back.Dst.Addr(), 0)
	return craft.AppendICMP(nil, &back, &l.icmp, quoted)
}

// source plays events, perChunk frames at a time.
type source struct {
	events   []event
	perChunk int
	frames   []rx.Frame
	closed   atomic.Bool
}

// Next implements rx.Source.
func (s *source) Next(c *rx.Chunk) error {
	*c = rx.Chunk{}
	if s.closed.Load() {
		return rx.ErrClosed
	}
	if len(s.events) == 0 {
		return io.EOF
	}
	if s.events[0].tick {
		c.Clock = s.events[0].frame.Timestamp
		s.events = s.events[1:]
		return nil
	}
	s.frames = s.frames[:0]
	for len(s.events) > 0 && !s.events[0].tick && len(s.frames) < s.perChunk {
		s.frames = append(s.frames, s.events[0].frame)
		s.events = s.events[1:]
	}
	c.Frames = s.frames
	return nil
}

// Close implements rx.Source.
func (s *source) Close() error {
	s.closed.Store(true)
	return nil
}
