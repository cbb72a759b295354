package frag

import "github.com/mbox-stack/mbox/wire"

// pagesPerDatagram is how many pages the largest datagram takes: one for its
// header, the others for its payload.
const pagesPerDatagram = 1 + (lengthMax+1)/pageOctets

// datagram is what is known of a datagram whose fragments are waited for. It
// holds no pointers, so that the collector does not look at it.
type datagram struct {
	key  key
	born int64 // ns, when its first fragment came

	next           uint32 // datagram of the same bucket, older; 0 is none
	older, younger uint32 // neighbours in its queue; 0 is none

	octets    uint32 // octets of payload held
	end       uint32 // octets of payload there can be, valid iff ended
	total     uint32 // octets of payload announced, more than end where the capture cut it; valid iff ended
	fragments uint32 // fragments held
	headerLen uint16 // octets of header in page 0; 0 until the fragment with offset 0 has come
	proto     wire.Proto
	ended     bool // a fragment without More has come
	discarded bool // Discard met an overlap: holds no page, takes no fragment
	anomalies Anomaly
	marks     wire.Marks

	pages [pagesPerDatagram]uint32 // pages[0] holds the header; 0 is none
}

// whole reports whether all there can be is held.
func (d *datagram) whole() bool { return d.ended && d.headerLen > 0 && d.octets == d.end }

// pageOf returns the index in pages of payload octet off.
func pageOf(off uint32) uint32 { return 1 + off/pageOctets }

// pagesFor returns how many pages it takes to hold f besides those d has.
func (d *datagram) pagesFor(f *fragment) uint32 {
	var n uint32
	if f.off == 0 && d.pages[0] == 0 {
		n++
	}
	if f.off < f.end {
		for k := pageOf(f.off); k <= pageOf(f.end-1); k++ {
			if d.pages[k] == 0 {
				n++
			}
		}
	}
	return n
}

// settle brings what f says of the datagram's end together with what d knows:
// the first fragment without More decides. Octets behind the end are cut off f
// or given up. It reports whether the end was news.
func (t *Table) settle(d *datagram, f *fragment) (odd Anomaly, news bool) {
	if !d.ended && !f.more {
		d.ended, d.end, d.total = true, f.end, f.total
		if t.shorten(d) {
			odd = AnomalySizeConflict
		}
		return odd, true
	}
	if !d.ended {
		return 0, false
	}
	if f.total > d.total || (!f.more && f.total != d.total) {
		odd = AnomalySizeConflict
	}
	if f.end > d.end {
		f.end = max(d.end, f.off)
		f.octets = f.octets[:f.end-f.off]
	}
	return odd, false
}

// shorten gives up the octets behind the datagram's end and reports whether
// there were any.
func (t *Table) shorten(d *datagram) bool {
	var gone uint32
	at := d.end % pageOctets
	for k := pageOf(d.end); k < pagesPerDatagram; k++ {
		if i := d.pages[k]; i != 0 {
			gone += t.pages.at(i).have.remove(at, pageOctets)
		}
		at = 0
	}
	d.octets -= gone
	return gone > 0
}

// lay puts octets of d's payload from off on at their place. Octets that are
// held stay as they are if keep is set, and are overwritten if not. There must
// be pages left.
func (t *Table) lay(d *datagram, off uint32, octets []byte, keep bool) laid {
	var l laid
	for len(octets) > 0 {
		k, at := pageOf(off), off%pageOctets
		n := min(pageOctets-at, uint32(len(octets)))
		if d.pages[k] == 0 {
			d.pages[k] = t.page()
		}
		l.join(t.pages.at(d.pages[k]).lay(at, octets[:n], keep))
		off, octets = off+n, octets[n:]
	}
	d.octets += l.added
	return l
}

// page takes an empty page. There must be one left.
func (t *Table) page() uint32 {
	i := t.pages.take()
	g := t.pages.at(i)
	g.have, g.starts = octetSet{}, octetSet{}
	return i
}

// winsFrom returns from which octet on f wins over what d holds; before it,
// what d holds wins.
func (t *Table) winsFrom(d *datagram, f *fragment, policy Policy) uint32 {
	switch policy {
	case Last:
		return f.off
	case BSD:
		return t.pieceEnd(d, f.off, f.end)
	case Linux:
		if t.startsAt(d, f.off) {
			return f.off
		}
		return t.pieceEnd(d, f.off, f.end)
	}
	return f.end
}

// asksStarts reports whether the policy depends on where fragments begin.
func (p Policy) asksStarts() bool { return p == BSD || p == Linux }

// startsAt reports whether what d holds at off is the first octet of a fragment.
func (t *Table) startsAt(d *datagram, off uint32) bool {
	i, at := d.pages[pageOf(off)], off%pageOctets
	return i != 0 && t.pages.at(i).have.has(at) && t.pages.at(i).starts.has(at)
}

// pieceEnd returns where the held fragment that octet off belongs to ends, at
// most end; off, if that octet is not held.
func (t *Table) pieceEnd(d *datagram, off, end uint32) uint32 {
	for at := off; at < end; {
		i := d.pages[pageOf(at)]
		if i == 0 {
			return at
		}
		g := t.pages.at(i)
		from := at % pageOctets
		limit := min(pageOctets, from+end-at)
		stop, held := g.have.run(from, limit)
		if !held {
			return at
		}
		if at == off {
			stop = g.starts.next(from+1, stop)
		} else {
			stop = g.starts.next(from, stop)
		}
		at += stop - from
		if stop < limit {
			return at
		}
	}
	return end
}

// bound notes that the octets of d from off to end, which are held, are one
// fragment: what is held behind them begins a fragment, too.
func (t *Table) bound(d *datagram, off, end uint32) {
	if off >= end {
		return
	}
	for at := off; at < end; {
		g := t.pages.at(d.pages[pageOf(at)])
		from := at % pageOctets
		to := min(pageOctets, from+end-at)
		g.starts.remove(from, to)
		at += to - from
	}
	first := t.pages.at(d.pages[pageOf(off)])
	first.starts.add(off%pageOctets, off%pageOctets+1)
	if i := d.pages[pageOf(end)]; i != 0 {
		t.pages.at(i).starts.add(end%pageOctets, end%pageOctets+1)
	}
}

// keepHeader keeps the header of the fragment with offset 0 that came first.
func (t *Table) keepHeader(d *datagram, f *fragment) {
	d.pages[0] = t.page()
	d.headerLen = uint16(copy(t.pages.at(d.pages[0]).data[:], f.header))
	d.proto = f.proto
}

// build returns d, which must be whole, as one IP packet in memory of its own.
func (t *Table) build(d *datagram) []byte {
	packet := make([]byte, uint32(d.headerLen)+d.end)
	header, payload := packet[:d.headerLen], packet[d.headerLen:]
	copy(header, t.pages.at(d.pages[0]).data[:])
	for k := uint32(1); len(payload) > 0; k++ {
		n := copy(payload, t.pages.at(d.pages[k]).data[:])
		payload = payload[n:]
	}
	if d.key.version == 4 {
		unfragment4(header, d.total)
	} else {
		unfragment6(header, uint8(d.proto), d.total)
	}
	return packet
}
