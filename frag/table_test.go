package frag

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/wire"
)

const second = int64(time.Second)

// pair is a Table and its twin, given the same fragments.
type pair struct {
	fast *Table
	slow *slowTable
}

func newPair(c Config) pair { return pair{New(c), newSlow(c)} }

// insert inserts into both and fails where they differ.
func (p pair) insert(t *testing.T, c piece, clockNs int64) ([]byte, Verdict) {
	t.Helper()
	want, wantVerdict := p.slow.insert(c, clockNs)
	got, gotVerdict := insert(p.fast, c, clockNs)
	if gotVerdict != wantVerdict {
		t.Fatalf("off %d, len %d, more %v: verdict %+v, twin %+v", c.off, len(c.octets), c.more, gotVerdict, wantVerdict)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("off %d, len %d, more %v: datagram\n%x, twin\n%x", c.off, len(c.octets), c.more, got, want)
	}
	s := p.fast.Stats()
	if s.Received != s.Disposed() {
		t.Fatalf("received %d, disposed of %d: %+v", s.Received, s.Disposed(), s)
	}
	s.Datagrams, s.Octets = 0, 0
	if s != p.slow.stats {
		t.Fatalf("stats %+v\ntwin  %+v", s, p.slow.stats)
	}
	p.fast.check(t)
	return got, gotVerdict
}

// check walks the whole table and fails where its parts contradict each other.
func (t *Table) check(tb testing.TB) {
	tb.Helper()
	var datagrams, pages, fragments int
	for _, first := range t.buckets {
		for i := first; i != 0; i = t.datagrams.at(i).next {
			datagrams++
		}
	}
	queued := 0
	for n := range t.families {
		var before uint32
		for i := t.families[n].oldest; i != 0; i = t.datagrams.at(i).younger {
			d := t.datagrams.at(i)
			if d.older != before || (before != 0 && t.datagrams.at(before).born > d.born) {
				tb.Fatalf("queue %d is out of order at %d", n, i)
			}
			before = i
			queued++
			fragments += int(d.fragments)
			octets := uint32(0)
			for k, g := range d.pages {
				if g == 0 {
					continue
				}
				pages++
				if k > 0 {
					have := t.pages.at(g).have
					octets += have.remove(0, pageOctets)
				}
			}
			if octets != d.octets && !d.discarded {
				tb.Fatalf("datagram %d counts %d octets, its pages hold %d", i, d.octets, octets)
			}
		}
		if t.families[n].youngest != before {
			tb.Fatalf("queue %d ends at %d, not %d", n, t.families[n].youngest, before)
		}
	}
	if datagrams != queued || datagrams != int(t.datagrams.used) || pages != int(t.pages.used) || fragments != int(t.stats.Held) {
		tb.Fatalf("%d datagrams in buckets, %d in queues, %d lent; %d pages held, %d lent; %d fragments held, %d counted",
			datagrams, queued, t.datagrams.used, pages, t.pages.used, fragments, t.stats.Held)
	}
}

// permutations calls f with every order of 0 to n-1.
func permutations(n int, f func([]int)) {
	var order []int
	used := make([]bool, n)
	var walk func()
	walk = func() {
		if len(order) == n {
			f(order)
			return
		}
		for i := range n {
			if !used[i] {
				used[i], order = true, append(order, i)
				walk()
				used[i], order = false, order[:len(order)-1]
			}
		}
	}
	walk()
}

func TestRFC791Reassembly(t *testing.T) {
	options := []byte{7, 7, 4, 1, 2, 3, 4, 0} // record route
	for _, payload := range []int{9, 2000, 3000, 65535 - 28} {
		whole := text(1, payload)
		size := (payload/4 + 8) &^ 7
		pieces := split(piece{host: 1, id: 7, before: options}, whole, size)
		permutations(len(pieces), func(order []int) {
			p := newPair(Config{})
			for n, i := range order {
				packet, v := p.insert(t, pieces[i], second)
				if n < len(order)-1 {
					if v != (Verdict{Disposition: Held}) {
						t.Fatalf("order %v: verdict %+v", order, v)
					}
					continue
				}
				if v.Disposition != Completed || v.Anomalies|v.Datagram != 0 {
					t.Fatalf("order %v: verdict %+v", order, v)
				}
				if len(packet) != 28+payload || !bytes.Equal(packet[28:], whole) {
					t.Fatalf("order %v: %d octets", order, len(packet))
				}
				if checksum(packet[:28]) != 0 || binary.BigEndian.Uint16(packet[2:]) != uint16(28+payload) || packet[6]|packet[7] != 0 {
					t.Fatalf("order %v: header %x", order, packet[:28])
				}
			}
			if s := p.fast.Stats(); s.Octets != 0 || s.Datagrams != 0 {
				t.Fatalf("a table that completed all holds %+v", s)
			}
		})
	}
}

func TestRFC8200Section4_5Reassembly(t *testing.T) {
	hopByHop := []byte{44, 0, 1, 4, 0, 0, 0, 0}
	destination := append([]byte{44, 1, 1, 12}, make([]byte, 12)...)
	for _, before := range [][]byte{nil, hopByHop, destination} {
		whole := text(2, 2600)
		pieces := split(piece{version: 6, host: 1, id: 70000, before: before, proto: wire.ProtoTCP}, whole, 1040)
		permutations(len(pieces), func(order []int) {
			p := newPair(Config{})
			var packet []byte
			for _, i := range order {
				packet, _ = p.insert(t, pieces[i], second)
			}
			n := 40 + len(before)
			if len(packet) != n+len(whole) || !bytes.Equal(packet[n:], whole) {
				t.Fatalf("order %v: %d octets", order, len(packet))
			}
			next := packet[6]
			if before != nil {
				next = packet[40]
			}
			if next != 6 || binary.BigEndian.Uint16(packet[4:]) != uint16(len(before)+len(whole)) {
				t.Fatalf("order %v: header %x", order, packet[:n])
			}
		})
	}
}

// TestRFC8200NextHeaderOfFirstFragment: the Next Header values of the fragments
// may differ; that of the first fragment is used, and it is no part of the key.
func TestRFC8200NextHeaderOfFirstFragment(t *testing.T) {
	p := newPair(Config{})
	p.insert(t, piece{version: 6, host: 1, id: 1, proto: wire.ProtoUDP, off: 16, octets: text(3, 4)}, 0)
	packet, _ := p.insert(t, piece{version: 6, host: 1, id: 1, proto: wire.ProtoSCTP, octets: text(3, 16), more: true}, 0)
	if len(packet) != 60 || packet[6] != byte(wire.ProtoSCTP) {
		t.Fatalf("packet %x", packet)
	}
}

func TestNextHeaderAt(t *testing.T) {
	ip := func(next byte, extensions ...[]byte) []byte {
		h := make([]byte, 40)
		h[6] = next
		return append(h, bytes.Join(extensions, nil)...)
	}
	// extension has n octets, of which its Hdr Ext Len field says length.
	extension := func(next, length byte, n int) []byte {
		h := make([]byte, n)
		h[0], h[1] = next, length
		return h
	}
	for name, c := range map[string]struct {
		header []byte
		at     int
		ok     bool
	}{
		"none":             {ip(44), 6, true},
		"hop-by-hop":       {ip(0, extension(44, 0, 8)), 40, true},
		"two":              {ip(0, extension(60, 0, 8), extension(44, 1, 16)), 48, true},
		"three":            {ip(0, extension(60, 0, 8), extension(43, 1, 16), extension(44, 2, 24)), 64, true},
		"atomic fragment":  {ip(44, extension(44, 9, 8)), 40, true},
		"authentication":   {ip(51, extension(44, 1, 12)), 40, true},
		"length too large": {ip(0, extension(44, 1, 8)), 0, false},
		"length too small": {ip(0, extension(44, 0, 12)), 0, false},
		"cut":              {ip(0, extension(44, 0, 4)), 0, false},
		"not announced":    {ip(0, extension(43, 0, 8)), 0, false},
	} {
		at, ok := nextHeaderAt(c.header)
		if ok != c.ok || (ok && at != c.at) {
			t.Errorf("%s: at %d, %v", name, at, ok)
		}
	}
}

// TestKey: what tells datagrams apart, and what does not.
func TestKey(t *testing.T) {
	first := piece{host: 1, id: 5, octets: text(1, 8), more: true}
	for name, c := range map[string]struct {
		change func(*piece)
		same   bool
	}{
		"same":           {func(*piece) {}, true},
		"source":         {func(p *piece) { p.host = 2 }, false},
		"identification": {func(p *piece) { p.id = 6 }, false},
		"protocol":       {func(p *piece) { p.proto = wire.ProtoTCP }, false},
		"scope":          {func(p *piece) { p.scope = 1 }, false},
		"version":        {func(p *piece) { p.version = 6 }, false},
	} {
		p := newPair(Config{})
		p.insert(t, first, 0)
		last := piece{host: 1, id: 5, off: 24, octets: text(1, 8)}
		c.change(&last)
		p.insert(t, last, 0)
		middle := last
		middle.off, middle.octets, middle.more = 8, text(1, 16), true
		_, v := p.insert(t, middle, 0)
		if (v.Disposition == Completed) != c.same {
			t.Errorf("%s: %+v", name, v)
		}
	}
	forth := piece{host: 1, id: 5}
	back := piece{host: 250, id: 5}
	a, _ := forth.make()
	b, _ := back.make()
	if a.Sender != 0 || b.Sender != 1 {
		t.Fatal("the test's hosts are not on both sides")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		piece piece
		odd   Anomaly
		held  bool
	}{
		"IPv4 ping of death":         {piece{off: 65528, octets: text(1, 8)}, AnomalyTooLarge, false},
		"IPv4 longest":               {piece{off: 65504, octets: text(1, 11)}, 0, true},
		"IPv4 one more":              {piece{off: 65504, octets: text(1, 12)}, AnomalyTooLarge, false},
		"IPv4 longest with options":  {piece{off: 65504, octets: text(1, 11), before: make([]byte, 4)}, AnomalyTooLarge, false},
		"IPv6 too large":             {piece{version: 6, off: 65528, octets: text(1, 8)}, AnomalyTooLarge, false},
		"IPv6 longest":               {piece{version: 6, off: 65528, octets: text(1, 7)}, 0, true},
		"IPv6 not a multiple of 8":   {piece{version: 6, octets: text(1, 15), more: true}, AnomalyInvalidLength, false},
		"IPv4 not a multiple of 8":   {piece{octets: text(1, 15), more: true}, AnomalyInvalidLength, true},
		"empty":                      {piece{more: true}, AnomalyEmpty, false},
		"empty and last":             {piece{off: 8}, 0, true},
		"nothing captured":           {piece{octets: text(1, 16), cut: 16, more: true}, AnomalyTruncated, false},
		"cut":                        {piece{octets: text(1, 16), cut: 3, more: true}, AnomalyTruncated, true},
		"tiny":                       {piece{octets: text(1, 16), more: true, proto: wire.ProtoTCP}, AnomalyTiny, true},
		"flags in the second (3128)": {piece{off: 8, octets: text(1, 8), more: true, proto: wire.ProtoTCP}, AnomalyTiny, true},
		"a whole TCP header":         {piece{octets: text(1, 24), more: true, proto: wire.ProtoTCP}, 0, true},
		"IPv6 headers do not add up": {piece{version: 6, octets: text(1, 8), more: true, before: make([]byte, 8)}, AnomalyHeader, false},
		"IPv6 headers too long":      {piece{version: 6, off: 8, octets: text(1, 8), before: make([]byte, headerMax-32)}, AnomalyHeader, false},
	} {
		table := New(Config{})
		_, v := insert(table, c.piece, 0)
		if v.Anomalies != c.odd || (v.Disposition == Held) != c.held || (v.Disposition == Bad) == c.held {
			t.Errorf("%s: %v, %q", name, v.Disposition, v.Anomalies)
		}
		if s := table.Stats(); s.Received != 1 || s.Disposed() != 1 || (s.Datagrams == 1) != c.held {
			t.Errorf("%s: %+v", name, s)
		}
		table.check(t)
	}
}

// TestHeaderLeavesNoRoom: fragments that fit by themselves, and a first one with
// options that make the datagram exceed what Total Length can say.
func TestHeaderLeavesNoRoom(t *testing.T) {
	p := newPair(Config{})
	whole := text(1, 65515)
	var v Verdict
	for n, c := range split(piece{host: 1, id: 1}, whole, 8192) {
		if n == 0 {
			c.before = make([]byte, 40)
		}
		_, v = p.insert(t, c, 0)
	}
	if v.Disposition != Bad || v.Anomalies != AnomalyTooLarge {
		t.Fatalf("%+v", v)
	}
	if s := p.fast.Stats(); s.Bad != 8 || s.Datagrams != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestCut: a datagram whose end the capture cut is completed with what is there
// and announces the rest; one cut in its middle waits for another copy.
func TestCut(t *testing.T) {
	p := newPair(Config{})
	p.insert(t, piece{host: 1, octets: text(1, 16), more: true, marks: wire.MarkIPChecksum | wire.MarkRouting}, 0)
	packet, v := p.insert(t, piece{host: 1, off: 16, octets: text(1, 100), cut: 60}, 0)
	if len(packet) != 20+56 || binary.BigEndian.Uint16(packet[2:]) != 20+116 {
		t.Fatalf("%d octets, header %x", len(packet), packet[:20])
	}
	if v.Marks != wire.MarkTruncated|wire.MarkIPChecksum {
		t.Fatalf("marks %b", v.Marks)
	}
	p.insert(t, piece{host: 1, octets: text(1, 16), cut: 4, more: true}, 0)
	if _, v = p.insert(t, piece{host: 1, off: 16, octets: text(1, 8)}, 0); v.Disposition != Held {
		t.Fatalf("a hole in the middle: %+v", v)
	}
	packet, v = p.insert(t, piece{host: 1, octets: text(1, 16), more: true}, 0)
	if len(packet) != 20+24 || v.Marks != 0 || v.Datagram != AnomalyTruncated|AnomalyOverlap {
		t.Fatalf("%d octets, %+v", len(packet), v)
	}
}

// TestCutBehindCut: what comes for the part that the capture cut off the end is
// neither taken nor called a conflict.
func TestCutBehindCut(t *testing.T) {
	p := newPair(Config{})
	p.insert(t, piece{host: 1, off: 16, octets: text(1, 100), cut: 60}, 0)
	if _, v := p.insert(t, piece{host: 1, off: 80, octets: text(1, 16), more: true}, 0); v != (Verdict{Disposition: Duplicate}) {
		t.Fatalf("%+v", v)
	}
}

// TestRFC8200Section4_5Timeout: 60 s after the first fragment that came, to the
// nanosecond, whichever comes next; IPv4 has its own.
func TestRFC8200Section4_5Timeout(t *testing.T) {
	for version, timeout := range map[uint8]time.Duration{4: timeoutV4Default, 6: timeoutV6Default} {
		for late := range 2 {
			p := newPair(Config{})
			c := piece{version: version, host: 1, id: 1}
			start := 1700000000 * second
			c.off, c.octets = 16, text(1, 8)
			p.insert(t, c, start)
			c.off, c.more = 8, true
			p.insert(t, c, start+int64(timeout)/2)
			c.off = 0
			_, v := p.insert(t, c, start+int64(timeout)-1+int64(late))
			want := []Disposition{Completed, Held}[late]
			if s := p.fast.Stats(); v.Disposition != want || s.Expired != uint64(2*late) || s.DatagramsExpired != uint64(late) {
				t.Errorf("version %d, %d ns late: %+v, %+v", version, late, v, s)
			}
		}
	}
}

// TestClockNeverBackwards: a clock that steps back does not make a datagram
// younger than it is.
func TestClockNeverBackwards(t *testing.T) {
	table := New(Config{})
	insert(table, piece{host: 1, octets: text(1, 8), more: true}, 100*second)
	insert(table, piece{host: 2, octets: text(1, 8), more: true}, 90*second)
	table.Expire(129 * second)
	if s := table.Stats(); s.Held != 2 {
		t.Fatalf("%+v", s)
	}
	table.Expire(130 * second)
	if s := table.Stats(); s.Held != 0 || s.Expired != 2 {
		t.Fatalf("%+v", s)
	}
}
