// Floor is the least that following flows can cost, and no peer: a bare loop
// over the frames that parses each (Ethernet, IPv4 or IPv6 without options,
// TCP), hashes its key, finds its flow in a table and writes to the one cache
// line that the flow has there. Where the mode reads octets, it reads them;
// where checksums are verified, it sums them up. It knows no states, orders
// nothing, and believes what it is told: a flow is gone when both sides have
// said FIN and an acknowledgement has followed.
package main

import (
	"errors"

	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

func main() { measure.Serve(open) }

// floor is the loop with what it keeps.
type floor struct {
	table  table
	verify bool
	read   bool
	ahead  int         // frames that are looked up before the first of them is counted
	packet wire.Packet // what the checksum is verified by
	begun  uint64
	bad    uint64 // frames that it cannot parse, or whose checksum is wrong
	sum    uint64 // of octets read
}

func open(s measure.Setup) (measure.Peer, error) {
	f := &floor{verify: s.Verify, read: s.Reads(), ahead: 1}
	if s.Variant == "ahead" {
		f.ahead = aheadMax
	}
	f.table.make(s.Open())
	f.packet.Outcome, f.packet.Key.Proto = wire.Whole, wire.ProtoTCP
	return f, nil
}

// Run implements measure.Peer.
func (f *floor) Run(src measure.Source) error {
	return measure.Chunks(src, f.loop)
}

// aheadMax is how far the variant "ahead" looks: the misses of so many frames
// overlap. It is what the bare loop is not, and as near to the machine's limit
// as we know to come.
const aheadMax = 32

// loop takes the frames of a chunk.
func (f *floor) loop(frames []rx.Frame) error {
	var segs [aheadMax]segment
	for len(frames) > 0 {
		n := min(f.ahead, len(frames))
		for i := range n {
			s := &segs[i]
			s.parse(frames[i].Data)
			s.hash = s.key.hash()
			if n > 1 {
				f.sum += f.table.touch(s.hash)
			}
		}
		for i := range n {
			f.count(&segs[i], &frames[i])
		}
		frames = frames[n:]
	}
	return nil
}

// count takes a segment to its flow.
func (f *floor) count(s *segment, frame *rx.Frame) {
	if !s.ok || f.verify && !f.holds(s, frame.Data) {
		f.bad++
		return
	}
	place, begun := f.table.find(s.hash, &s.key)
	l := &f.table.lines[place]
	if begun {
		f.begun++
	}
	if f.read {
		f.sum += measure.Sum(frame.Data[s.payload:s.end])
	}
	l.packets++
	l.octets += uint64(s.end - s.payload)
	l.lastNs = frame.Timestamp
	switch {
	case s.flags&flagFIN != 0:
		l.closed |= flagFIN << s.dir
	case l.closed == bothClosed || s.flags&flagRST != 0:
		f.table.remove(place)
	}
}

// holds reports whether the checksum is right.
func (f *floor) holds(s *segment, data []byte) bool {
	p := &f.packet
	p.Key.Version = s.version
	p.NetworkOff, p.TransportOff, p.PayloadOff = etherOctets, uint16(s.transport), uint16(s.payload)
	p.PayloadLen, p.Captured = s.end-s.payload, s.end-s.payload
	return wire.VerifyTransport(p, data) == wire.SumGood
}

// errFrames says that there were frames that the loop is not made for.
var errFrames = errors.New("frames that are not TCP, or have wrong checksums")

// End implements measure.Peer.
func (f *floor) End(int64) (measure.Result, error) {
	r := measure.Result{Flows: f.begun, Unordered: true}
	f.begun = 0
	f.table.clear()
	if f.bad > 0 {
		return r, errFrames
	}
	return r, nil
}
