package assembler

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/reassembly"

	"github.com/mbox-stack/mbox"
)

// keptMax is how many octets of one direction KeepFrom can keep: as many as mbox
// itself holds for a direction by default. A Stream that waits for more than that
// is better served by its own buffer; what goes beyond is forgotten from the
// front, and counted.
const keptMax = 4 << 20

// unknown is what gopacket says of a sequence number that it does not know.
const unknown reassembly.Sequence = -1

// gather is the ScatterGather of one call.
type gather struct {
	octets     []byte
	sources    []source // where they came from
	saved      int      // octets at the front that were seen before
	keepFrom   int      // -1: nothing
	skip       int
	direction  reassembly.TCPFlowDirection
	start, end bool
	stats      reassembly.TCPAssemblyStats
}

// source is a packet that octets came in.
type source struct {
	end  int // offset after its last octet
	info gopacket.CaptureInfo
}

// Lengths implements reassembly.ScatterGather.
func (g *gather) Lengths() (available, saved int) { return len(g.octets), g.saved }

// Fetch implements reassembly.ScatterGather.
func (g *gather) Fetch(length int) []byte { return g.octets[:length:length] }

// KeepFrom implements reassembly.ScatterGather.
func (g *gather) KeepFrom(offset int) { g.keepFrom = offset }

// CaptureInfo implements reassembly.ScatterGather.
func (g *gather) CaptureInfo(offset int) gopacket.CaptureInfo {
	for _, s := range g.sources {
		if offset >= 0 && offset < s.end {
			return s.info
		}
	}
	return gopacket.CaptureInfo{}
}

// Info implements reassembly.ScatterGather.
func (g *gather) Info() (direction reassembly.TCPFlowDirection, start, end bool, skip int) {
	return g.direction, g.start, g.end, g.skip
}

// Stats implements reassembly.ScatterGather.
func (g *gather) Stats() reassembly.TCPAssemblyStats { return g.stats }

// keep copies what the stream wants to see again, and returns how much of it was
// too much.
func (h *half) keep(g *gather) (forgotten uint64) {
	from := g.keepFrom
	if from < 0 || from >= len(g.octets) {
		h.forget()
		return 0
	}
	if over := len(g.octets) - from - keptMax; over > 0 {
		from, forgotten = from+over, uint64(over)
	}
	h.kept = append(h.kept[:0], g.octets[from:]...)
	h.sources = h.sources[:0]
	for _, s := range g.sources {
		if s.end > from {
			h.sources = append(h.sources, source{s.end - from, s.info})
		}
	}
	return forgotten
}

// forget lets go of what was kept, and of its memory.
func (h *half) forget() { h.kept, h.sources = nil, nil }

// nextSeq returns the sequence number of the octet that is delivered next.
func (h *half) nextSeq(c *mbox.Context) (next reassembly.Sequence, known bool) {
	start, known := c.Conn().StreamStart(c.Side())
	if !known {
		return unknown, false
	}
	next = reassembly.Sequence(start.Add(uint32(h.next)))
	if h.ended {
		next = next.Add(1)
	}
	return next, true
}

// over reports that a side's stream has reached its FIN, or that the segment at
// hand has reset the connection.
func (h *half) over(c *mbox.Context, side mbox.Dir) bool {
	if tcp := c.TCP(); tcp != nil && tcp.RST() && c.Sender() == side && c.State(side) == mbox.Closed {
		return true
	}
	start, _ := c.Conn().StreamStart(side)
	fin, sent := c.Conn().FIN(side)
	return sent && start.Add(uint32(h.next)) == fin
}

// stats returns what has happened to a side since its last delivery.
func (h *half) stats(c *mbox.Context, side mbox.Dir, octets []byte) reassembly.TCPAssemblyStats {
	now := c.Counters(side)
	s := reassembly.TCPAssemblyStats{
		Chunks: len(h.sources) + 1, Packets: len(h.sources) + 1,
		OverlapBytes:   int(now.RexmitBytes - h.before.RexmitBytes),
		OverlapPackets: int(now.Rexmits - h.before.Rexmits),
	}
	if len(octets) > 0 && !h.atHand(c, side) {
		s.QueuedBytes, s.QueuedPackets = len(octets), 1
	}
	h.before = now
	return s
}

// atHand reports whether the octets of the event came in the segment at hand.
func (h *half) atHand(c *mbox.Context, side mbox.Dir) bool {
	p := c.Packet()
	if p == nil || c.Sender() != side {
		return false
	}
	start, _ := c.Conn().StreamStart(side)
	into := start.Add(uint32(c.Offset())).Diff(p.Segment.TextSeq())
	return into >= 0 && uint32(into) < p.Segment.Len
}
