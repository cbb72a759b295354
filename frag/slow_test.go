package frag

import (
	"sort"

	"github.com/mbox-stack/mbox/wire"
)

// slowTable is the Table without limits, written to be seen through: datagrams
// in a map, pieces in a list that is cut as the kernels' own code cut theirs.
type slowTable struct {
	config    Config
	datagrams map[slowKey]*slowDatagram
	stats     Stats
}

type slowKey struct {
	version  uint8
	src, dst [16]byte
	scope    uint64
	id       uint32
	proto    wire.Proto
}

type slowDatagram struct {
	born      int64
	pieces    []slowPiece // disjoint, in order
	header    []byte
	proto     byte
	end       int // -1 until known
	total     int
	fragments int
	discarded bool
	anomalies Anomaly
	marks     wire.Marks
}

type slowPiece struct {
	off int
	b   []byte
}

func (p slowPiece) end() int { return p.off + len(p.b) }

func newSlow(c Config) *slowTable {
	return &slowTable{config: c.withDefaults(), datagrams: map[slowKey]*slowDatagram{}}
}

func (s *slowTable) expire(clock int64) {
	for k, d := range s.datagrams {
		timeout := s.config.TimeoutV4
		if k.version == 6 {
			timeout = s.config.TimeoutV6
		}
		if clock-d.born >= int64(timeout) {
			s.stats.Held -= uint64(d.fragments)
			s.stats.Expired += uint64(d.fragments)
			s.stats.DatagramsExpired++
			delete(s.datagrams, k)
		}
	}
}

func (s *slowTable) bad(a Anomaly) ([]byte, Verdict) {
	s.stats.Bad++
	s.stats.note(a)
	return nil, Verdict{Disposition: Bad, Anomalies: a}
}

// insert is Insert for what a test made.
func (s *slowTable) insert(c piece, clock int64) ([]byte, Verdict) {
	s.expire(clock)
	s.stats.Received++
	p, data := c.make()
	v6 := p.Key.Version == 6
	header := data[p.NetworkOff:p.TransportOff]
	k := slowKey{p.Key.Version, p.Key.Addr[p.Sender], p.Key.Addr[1-p.Sender], c.scope, c.id, wire.Proto(0)}
	policy, proto, longest := s.config.PolicyV4, header[9%len(header)], 65535-len(header)
	if v6 {
		policy, proto = s.config.PolicyV6, header[len(header)-8]
		header = header[:len(header)-8]
		longest = 65535 - (len(header) - 40)
	} else {
		k.proto = wire.Proto(proto)
	}
	n := slowPiece{c.off, append([]byte(nil), c.octets[:len(c.octets)-c.cut]...)}
	total := c.off + len(c.octets)

	var odd Anomaly
	if proto == 6 && (c.off > 0 && c.off < 20 || c.off == 0 && c.more && total < 20) {
		odd |= AnomalyTiny
	}
	if c.cut > 0 {
		odd |= AnomalyTruncated
	}
	if c.more && len(c.octets)%8 != 0 {
		odd |= AnomalyInvalidLength
	}
	if total > longest {
		odd |= AnomalyTooLarge
	}
	if c.more && len(c.octets) == 0 {
		odd |= AnomalyEmpty
	}
	if odd&(AnomalyTooLarge|AnomalyEmpty) != 0 || v6 && odd&AnomalyInvalidLength != 0 || c.cut > 0 && len(n.b) == 0 {
		return s.bad(odd)
	}
	d := s.datagrams[k]
	if d == nil {
		d = &slowDatagram{born: clock, end: -1}
		s.datagrams[k] = d
	}
	switch {
	case d.discarded:
		return s.bad(odd)
	case d.fragments == s.config.Fragments:
		return s.bad(odd | AnomalyTooMany)
	case d.end >= 0 && c.off >= d.total && len(n.b) > 0:
		return s.bad(odd | AnomalySizeConflict)
	}
	more, news := d.take(n, total, !c.more, policy)
	odd |= more
	if c.off == 0 && d.header == nil {
		d.header, d.proto, news = header, proto, true
	}
	d.anomalies |= odd
	d.marks |= c.marks & (wire.MarkIPChecksum | wire.MarkOuterPartial)
	if d.discarded {
		s.stats.Held -= uint64(d.fragments)
		s.stats.Bad += uint64(d.fragments)
		d.pieces, d.fragments = nil, 0
		return s.bad(odd)
	}
	return s.conclude(k, d, odd, news)
}

func (s *slowTable) conclude(k slowKey, d *slowDatagram, odd Anomaly, news bool) ([]byte, Verdict) {
	if !news {
		s.stats.Duplicate++
		s.stats.note(odd)
		return nil, Verdict{Disposition: Duplicate, Anomalies: odd}
	}
	var payload []byte
	for _, p := range d.pieces {
		if p.off == len(payload) {
			payload = append(payload, p.b...)
		}
	}
	if d.header == nil || d.end < 0 || len(payload) != d.end {
		s.stats.Held++
		s.stats.note(odd)
		d.fragments++
		return nil, Verdict{Disposition: Held, Anomalies: odd}
	}
	delete(s.datagrams, k)
	s.stats.Held -= uint64(d.fragments)
	length := len(d.header) + d.total
	if k.version == 6 {
		length -= 40
	}
	if length > 65535 {
		s.stats.Bad += uint64(d.fragments)
		return s.bad(odd | AnomalyTooLarge)
	}
	s.stats.Merged += uint64(d.fragments)
	s.stats.Completed++
	s.stats.note(odd)
	v := Verdict{Disposition: Completed, Anomalies: odd, Datagram: d.anomalies, Marks: d.marks}
	if d.end < d.total {
		v.Marks |= wire.MarkTruncated
	}
	return append(slowHeader(k.version, d.header, d.proto, length), payload...), v
}

// slowHeader writes the header of a datagram of this length anew.
func slowHeader(version uint8, h []byte, proto byte, length int) []byte {
	h = append([]byte(nil), h...)
	if version == 6 {
		h[4], h[5] = byte(length>>8), byte(length)
		if len(h) == 40 {
			h[6] = proto
		} else { // the tests' chains have one header
			h[40] = proto
		}
		return h
	}
	h[2], h[3] = byte(length>>8), byte(length)
	h[6], h[7], h[10], h[11] = h[6]&0xc0, 0, 0, 0
	sum := 0
	for i := 0; i < len(h); i += 2 {
		sum += int(h[i])<<8 | int(h[i+1])
	}
	for sum > 65535 {
		sum = sum>>16 + sum&65535
	}
	h[10], h[11] = byte(^sum>>8), byte(^sum)
	return h
}

// take adds n to the pieces under a policy.
func (d *slowDatagram) take(n slowPiece, total int, final bool, policy Policy) (odd Anomaly, news bool) {
	if final && d.end < 0 {
		d.end, d.total, news = n.end(), total, true
		if d.cutAt(d.end) {
			odd |= AnomalySizeConflict
		}
	} else if d.end >= 0 {
		if total > d.total || final && total != d.total {
			odd |= AnomalySizeConflict
		}
		n.b = n.b[:min(len(n.b), max(0, d.end-n.off))]
	}
	before := d.octets()
	added, held, differs, replaced := 0, 0, false, false
	for i, b := range n.b {
		if at := n.off + i; at >= len(before) || before[at] < 0 {
			added++
		} else {
			held++
			differs = differs || before[at] != int16(b)
		}
	}
	switch policy {
	case Last:
		d.subtract(n)
		d.add(n)
	case BSD, Linux:
		d.kernel(n, policy == BSD)
	default:
		for _, old := range d.pieces {
			for i, b := range old.b {
				if at := old.off + i - n.off; at >= 0 && at < len(n.b) {
					n.b[at] = b
				}
			}
		}
		d.subtract(n)
		d.add(n)
	}
	after := d.octets()
	for at, b := range before {
		replaced = replaced || b >= 0 && after[at] != b
	}
	if differs {
		odd |= AnomalyConflict
	}
	if differs || added > 0 && held > 0 {
		odd |= AnomalyOverlap
		d.discarded = policy == Discard
	}
	return odd, news || added > 0 || replaced
}

// kernel is what ip_input.c of 4.4BSD, and ip_fragment.c of Linux 2.6, do: the
// piece before the new one trims it, the pieces after it are trimmed.
func (d *slowDatagram) kernel(n slowPiece, bsd bool) {
	comesBefore := func(old slowPiece) bool { return old.off < n.off || bsd && old.off == n.off }
	var pieces []slowPiece
	rest := n
	for _, old := range d.pieces {
		if comesBefore(old) {
			if cut := old.end() - rest.off; cut > 0 {
				cut = min(cut, len(rest.b))
				rest = slowPiece{rest.off + cut, rest.b[cut:]}
			}
		}
	}
	for _, old := range d.pieces {
		if cut := rest.end() - old.off; !comesBefore(old) && cut > 0 && len(rest.b) > 0 {
			cut = min(cut, len(old.b))
			old = slowPiece{old.off + cut, old.b[cut:]}
		}
		pieces = append(pieces, old)
	}
	d.pieces = pieces
	d.add(rest)
}

// subtract takes the octets of n out of the pieces.
func (d *slowDatagram) subtract(n slowPiece) {
	var pieces []slowPiece
	for _, old := range d.pieces {
		if old.off < n.off {
			pieces = append(pieces, slowPiece{old.off, old.b[:min(len(old.b), n.off-old.off)]})
		}
		if old.end() > n.end() {
			skip := max(0, n.end()-old.off)
			pieces = append(pieces, slowPiece{old.off + skip, old.b[skip:]})
		}
	}
	d.pieces = pieces
}

func (d *slowDatagram) add(n slowPiece) {
	var pieces []slowPiece
	for _, p := range append(d.pieces, n) {
		if len(p.b) > 0 {
			pieces = append(pieces, p)
		}
	}
	sort.Slice(pieces, func(i, j int) bool { return pieces[i].off < pieces[j].off })
	d.pieces = pieces
}

// cutAt takes the octets from end on away and reports whether there were any.
func (d *slowDatagram) cutAt(end int) bool {
	longer := len(d.octets()) > end
	d.subtract(slowPiece{end, make([]byte, 1<<17)})
	return longer
}

// octets returns every octet of the pieces at its place, -1 where there is none.
func (d *slowDatagram) octets() []int16 {
	var all []int16
	for _, p := range d.pieces {
		for len(all) < p.off {
			all = append(all, -1)
		}
		for _, b := range p.b {
			all = append(all, int16(b))
		}
	}
	return all
}
