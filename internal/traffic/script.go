package traffic

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// script collects frames that are written by hand, in any order of times.
type script struct {
	frames []timed
	flows  []Flow
	ipID   uint16
}

// timed is a frame and its time.
type timed struct {
	ns   int64
	data []byte
}

// add puts a frame at a time.
func (s *script) add(ns int64, frame []byte) { s.frames = append(s.frames, timed{ns, frame}) }

// sort brings the frames into the order of time; those of equal time stay in
// the order in which they were written.
func (s *script) sort() {
	slices.SortStableFunc(s.frames, func(a, b timed) int { return cmp.Compare(a.ns, b.ns) })
}

// talk is a TCP connection of a script, written one segment after the other.
// Each endpoint knows what has reached it, so that acknowledgements are right
// without being written down.
type talk struct {
	script *script
	flow   int // index in script.flows
	ns     int64
	path   [2]craft.Path // by sender, as all that follows
	seq    [2]wire.Seq   // number of the next octet to cut off
	got    [2]wire.Seq   // what sender d has received of the other's stream
	wnd    [2]uint16
	mss    int
	early  []piece // pieces whose receivers still lack what comes before them
	text   [2]heldText
}

// heldText is what a reader of the frames gets of one stream.
type heldText struct {
	octets []byte
	first  wire.Seq // number of the first octet; valid iff there is one
	broken bool     // the frames lack the octet behind the last
}

// fullTexts implements texts for connections that are written by hand.
type fullTexts [2]*heldText

func (t fullTexts) appendText(dst []byte, d wire.Dir, off, n uint64) []byte {
	return append(dst, t[d].octets[off:off+n]...)
}

// piece is text of a stream that has its sequence number.
type piece struct {
	seq   wire.Seq
	text  []byte
	flags wire.Flags
	dir   wire.Dir
}

func (c *piece) end() wire.Seq {
	seg := wire.Segment{Seq: c.seq, Len: uint32(len(c.text)), Flags: c.flags}
	return seg.End()
}

// talk begins a connection at a time; nothing is sent yet.
func (s *script) talk(ns int64, client, server netip.AddrPort, note string) *talk {
	t := &talk{script: s, flow: len(s.flows), ns: ns, mss: 1460, wnd: [2]uint16{windowField, windowField}}
	t.path[wire.ToServer] = craft.Path{Src: client, Dst: server, DontFragment: true}
	t.path[wire.ToClient] = t.path[wire.ToServer].Reverse()
	for d := range t.seq {
		t.seq[d] = wire.Seq(mix(uint64(t.flow), uint64(d)))
	}
	t.got = [2]wire.Seq{t.seq[wire.ToClient], t.seq[wire.ToServer]}
	text := fullTexts{&t.text[wire.ToServer], &t.text[wire.ToClient]}
	s.flows = append(s.flows, Flow{Client: client, Server: server, Note: note, text: text})
	return t
}

// wait lets time pass.
func (t *talk) wait(d time.Duration) *talk {
	t.ns += int64(d)
	return t
}

// put sends a piece, which arrives.
func (t *talk) put(c piece) {
	t.emit(c.dir, craft.TCP{Seq: c.seq, Flags: c.flags}, c.text)
	t.arrive(c)
}

// unseen has a piece arrive without passing the capture: the stream that can be
// read from the frames ends before it.
func (t *talk) unseen(c piece) {
	h := &t.text[c.dir]
	h.octets, h.broken = h.octets[:c.seq.Diff(h.first)], true
	t.script.flows[t.flow].Octets[c.dir] = uint64(len(h.octets))
	t.arrive(c)
}

// arrive notes what a piece's receiver has now: the piece, and those that came
// before their turn.
func (t *talk) arrive(c piece) {
	t.early = append(t.early, c)
	for i := 0; i < len(t.early); i++ {
		e := t.early[i]
		peer := e.dir.Reverse()
		if t.got[peer].Less(e.seq) {
			continue
		}
		if t.got[peer].Less(e.end()) {
			t.got[peer] = e.end()
		}
		t.early = slices.Delete(t.early, i, i+1)
		i = -1 // it may have been what another was waiting for
	}
}

// emit sends a segment half a millisecond later, with the acknowledgement and
// window that its sender would fill in unless h has others (a RST has none).
func (t *talk) emit(d wire.Dir, h craft.TCP, text []byte) {
	t.wait(500 * time.Microsecond)
	if h.Flags.Has(wire.ACK) && h.Ack == 0 {
		h.Ack = t.got[d]
	}
	if !h.Flags.Has(wire.RST) {
		h.Wnd = cmp.Or(h.Wnd, t.wnd[d])
	}
	p := t.path[d]
	p.ID, p.PadTo = t.script.ipID, 60
	t.script.ipID++
	t.script.add(t.ns, craft.AppendTCP(nil, &p, &h, text))
}

// cut cuts text of a stream into pieces, for the caller to put in whatever
// order, and records it as what the stream holds.
func (t *talk) cut(d wire.Dir, text []byte) []piece {
	var pieces []piece
	t.record(d, text)
	for len(text) > 0 {
		n := min(len(text), t.mss)
		c := piece{dir: d, seq: t.seq[d], text: text[:n], flags: wire.ACK}
		if text = text[n:]; len(text) == 0 {
			c.flags |= wire.PSH
		}
		t.seq[d] = c.end()
		pieces = append(pieces, c)
	}
	return pieces
}

func (t *talk) record(d wire.Dir, text []byte) {
	h := &t.text[d]
	if len(h.octets) == 0 {
		h.first = t.seq[d]
	}
	if !h.broken {
		h.octets = append(h.octets, text...)
		t.script.flows[t.flow].Octets[d] = uint64(len(h.octets))
	}
}

// open shakes hands.
func (t *talk) open() *talk {
	t.syn(wire.ToServer, wire.SYN)
	t.wait(8*time.Millisecond).syn(wire.ToClient, wire.SYN|wire.ACK)
	t.seq[wire.ToServer]++
	t.seq[wire.ToClient]++
	t.wait(4 * time.Millisecond).ack(wire.ToServer)
	return t
}

// syn sends a SYN or SYN-ACK; a second call sends it again.
func (t *talk) syn(d wire.Dir, flags wire.Flags) {
	h := craft.TCP{
		Seq: t.seq[d], Flags: flags, Wnd: windowSYN, MSS: uint16(t.mss), WScale: windowShift,
		Opts: wire.OptMSS | wire.OptSACKOK | wire.OptWScale,
	}
	t.got[d.Reverse()] = t.seq[d] + 1
	t.emit(d, h, nil)
	t.arrive(piece{dir: d, seq: t.seq[d], flags: flags})
}

// ack sends an acknowledgement of all that has arrived.
func (t *talk) ack(d wire.Dir) *talk {
	t.emit(d, craft.TCP{Seq: t.seq[d], Flags: wire.ACK}, nil)
	return t
}

// say sends text, which the other side acknowledges every second segment and at
// its end.
func (t *talk) say(d wire.Dir, text string) *talk {
	pieces := t.cut(d, []byte(text))
	for i, c := range pieces {
		t.put(c)
		if i%2 == 1 || i == len(pieces)-1 {
			t.ack(d.Reverse())
		}
	}
	return t
}

// fin ends the stream of one side, which the other acknowledges.
func (t *talk) fin(d wire.Dir) *talk {
	t.put(piece{dir: d, seq: t.seq[d], flags: wire.FIN | wire.ACK})
	t.seq[d]++
	return t.ack(d.Reverse())
}

// close ends both streams, d's first.
func (t *talk) close(d wire.Dir) *talk {
	t.fin(d)
	return t.wait(time.Millisecond).fin(d.Reverse())
}

// reset aborts the connection.
func (t *talk) reset(d wire.Dir) {
	t.emit(d, craft.TCP{Seq: t.seq[d], Flags: wire.RST | wire.ACK}, nil)
}
