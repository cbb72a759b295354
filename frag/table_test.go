package frag

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

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

// TestOverlapExhaustive lays every sequence of up to three chunks over four
// units, under every policy, against the twin. The chunks' octets differ.
func TestOverlapExhaustive(t *testing.T) {
	const units = 4
	var chunks []piece
	for from := range units {
		for to := from + 1; to <= units; to++ {
			chunks = append(chunks, piece{off: from * 8, octets: make([]byte, (to-from)*8), more: true})
		}
	}
	for policy := range policyCount {
		p := newPair(Config{PolicyV4: policy, PolicyV6: policy})
		id := uint32(0)
		play := func(sequence ...piece) {
			id++
			for n, c := range sequence {
				c.id, c.host = id, 1
				c.octets = bytes.Repeat([]byte{byte('a' + n)}, len(c.octets))
				p.insert(t, c, 0)
			}
			p.insert(t, piece{id: id, host: 1, off: units * 8, octets: []byte("z")}, 0)
		}
		for _, a := range chunks {
			for _, b := range chunks {
				for _, c := range chunks {
					play(a, b, c)
				}
			}
			clear(p.slow.datagrams)
			p.fast, p.slow.stats = New(Config{PolicyV4: policy}), Stats{}
		}
	}
}

// TestOverlapNovak plays the case of Novak 2005 figure 2: fragments 1 to 6, the
// last three of which lie over the first three, and the answers of the families.
func TestOverlapNovak(t *testing.T) {
	sequence := []struct {
		name     byte
		off, len int
	}{
		{'1', 0, 3}, {'2', 4, 2}, {'3', 6, 3}, {'4', 1, 4}, {'5', 6, 3}, {'6', 9, 3},
	}
	for policy, want := range map[Policy]string{
		First: "111422333666",
		BSD:   "111442333666",
		Linux: "111442555666",
		Last:  "144442555666",
	} {
		p := newPair(Config{PolicyV4: policy})
		var packet []byte
		for _, s := range sequence {
			packet, _ = p.insert(t, piece{
				host: 1, id: 1, off: s.off * 8, more: s.name != '6',
				octets: bytes.Repeat([]byte{s.name}, s.len*8),
			}, 0)
		}
		var got []byte
		for i := 20; i < len(packet); i += 8 {
			got = append(got, packet[i])
		}
		if string(got) != want {
			t.Errorf("%v: %s, want %s", policy, got, want)
		}
	}
}

// TestOverlapAcrossPages lays long fragments over pages, where pieces go on.
func TestOverlapAcrossPages(t *testing.T) {
	for policy := range policyCount {
		for shift := -16; shift <= 16; shift += 8 {
			p := newPair(Config{PolicyV4: policy})
			for n, c := range []piece{
				{off: 512, octets: text(1, 2*pageOctets), more: true},
				{off: pageOctets + shift, octets: text(2, 3*pageOctets), more: true},
				{off: 512 + 2*pageOctets + shift, octets: text(3, 2048), more: true},
				{off: 0, octets: text(4, 512), more: true},
				{off: 4*pageOctets + shift, octets: text(5, 1001)},
			} {
				c.id = 1
				c.host = 1
				p.insert(t, c, int64(n))
			}
		}
	}
}

// TestRFC5722DiscardsOverlaps: no octet of a datagram with overlapping fragments
// comes out, also not of fragments that come later; exact repeats do no harm.
func TestRFC5722DiscardsOverlaps(t *testing.T) {
	p := newPair(Config{PolicyV6: Discard})
	put := func(off, n int, seed byte, more bool) Verdict {
		_, v := p.insert(t, piece{version: 6, host: 1, id: 1, off: off, octets: text(seed, n), more: more}, second)
		return v
	}
	put(0, 16, 1, true)
	if v := put(0, 16, 1, true); v.Disposition != Duplicate || v.Anomalies != 0 {
		t.Fatalf("a repeat: %+v", v)
	}
	if v := put(8, 16, 1, true); v.Disposition != Bad || v.Anomalies&AnomalyOverlap == 0 {
		t.Fatalf("an overlap: %+v", v)
	}
	if v := put(24, 8, 1, false); v.Disposition != Bad {
		t.Fatalf("a fragment after an overlap: %+v", v)
	}
	if s := p.fast.Stats(); s.Bad != 3 || s.Held != 0 || s.Octets != 0 || s.Datagrams != 1 {
		t.Fatalf("%+v", s)
	}
	p.fast.Expire(second + int64(timeoutV6Default))
	p.slow.expire(second + int64(timeoutV6Default))
	if s := p.fast.Stats(); s.Datagrams != 0 {
		t.Fatalf("the tombstone outlives the timeout: %+v", s)
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

// TestEndConflict: the first fragment without More decides where the datagram
// ends; octets behind it never come out.
func TestEndConflict(t *testing.T) {
	for name, c := range map[string]struct {
		sequence []piece
		payload  int
	}{
		"a later, larger end": {[]piece{
			{off: 16, octets: text(1, 8)}, {off: 16, octets: text(1, 16)}, {octets: text(1, 16), more: true},
		}, 24},
		"a later, smaller end": {[]piece{
			{off: 16, octets: text(1, 8)}, {off: 8, octets: text(1, 8)}, {octets: text(1, 16), more: true},
		}, 24},
		"octets held behind the end": {[]piece{
			{off: 8, octets: text(1, 3000), more: true}, {off: 1016, octets: text(1, 8)}, {octets: text(1, 8), more: true},
		}, 1024},
		"octets held in pages behind the end": {[]piece{
			{off: 8, octets: text(1, 4000), more: true}, {off: 1000, octets: text(1, 9)}, {octets: text(1, 8), more: true},
		}, 1009},
		"an empty end behind the end": {[]piece{
			{off: 8, octets: text(1, 8)}, {off: 64}, {octets: text(1, 8), more: true},
		}, 16},
		"octets that come behind the end": {[]piece{
			{off: 8, octets: text(1, 8)}, {off: 16, octets: text(1, 8), more: true}, {octets: text(1, 24), more: true},
		}, 16},
	} {
		for policy := range Discard {
			p := newPair(Config{PolicyV4: policy})
			var packet []byte
			var v Verdict
			for _, f := range c.sequence {
				f.host = 1
				if got, gotVerdict := p.insert(t, f, 0); got != nil {
					packet, v = got, gotVerdict
				}
			}
			if len(packet) != 20+c.payload || (v.Datagram&AnomalySizeConflict == 0 && p.fast.Stats().Anomalies[5] == 0) {
				t.Errorf("%s, %v: %d octets, %+v", name, policy, len(packet), v)
			}
		}
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

func TestLimits(t *testing.T) {
	flood := func(table *Table, n int, c piece) {
		for i := range n {
			c.id, c.host, c.scope = uint32(i)&0xffff, uint8(i>>16), uint64(i>>24)
			insert(table, c, int64(i))
		}
		table.check(t)
	}
	t.Run("octets", func(t *testing.T) {
		table := New(Config{Octets: 100 * pageBytes})
		flood(table, 5000, piece{off: 8, octets: text(1, 1480), more: true})
		s := table.Stats()
		if s.Octets != 100*pageBytes || s.Datagrams != 50 || s.OctetsFull != 4950 || s.Evicted != 4950 || s.Disposed() != 5000 {
			t.Fatalf("%+v", s)
		}
		if table.families[0].oldest == 0 || table.datagrams.at(table.families[0].oldest).born != 4950 {
			t.Fatal("not the oldest were evicted")
		}
	})
	t.Run("datagrams", func(t *testing.T) {
		table := New(Config{Datagrams: 10})
		flood(table, 1000, piece{version: 6, off: 8, octets: text(1, 8), more: true})
		if s := table.Stats(); s.Datagrams != 10 || s.DatagramsFull != 990 || s.Evicted != 990 {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("fragments", func(t *testing.T) {
		table := New(Config{Fragments: 3})
		for n := range 5 {
			insert(table, piece{off: 8 + 16*n, octets: text(1, 8), more: true}, 0)
		}
		if s := table.Stats(); s.Held != 3 || s.Bad != 2 || s.Anomalies[7] != 2 {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("chain", func(t *testing.T) {
		table := New(Config{Datagrams: 4096})
		table.shift = 63 // all keys in two buckets, as one who knows the seed can have it
		table.buckets = table.buckets[:2]
		flood(table, 1000, piece{off: 8, octets: text(1, 8), more: true})
		if s := table.Stats(); s.Datagrams != 2*chainMax || s.ChainFull != 1000-2*chainMax {
			t.Fatalf("%+v", s)
		}
	})
}

// TestLimitSparesTheNewest: the datagram that a fragment belongs to is not
// evicted for it, be it the oldest, and the other family's is if it is older.
func TestLimitSparesTheNewest(t *testing.T) {
	table := New(Config{Octets: octetsMin})
	half := pagesPerDatagram / 2 * pageOctets
	insert(table, piece{version: 6, host: 1, octets: text(1, 8), more: true}, 1)
	insert(table, piece{host: 2, off: 8, octets: text(1, half-8), more: true}, 2)
	insert(table, piece{host: 3, off: 8, octets: text(1, 8), more: true}, 3)
	insert(table, piece{version: 6, host: 1, off: 8, octets: text(1, half+1024), more: true}, 4)
	s := table.Stats()
	if s.OctetsFull != 1 || s.Held != 3 || s.Datagrams != 2 {
		t.Fatalf("%+v", s)
	}
	table.check(t)
}

// TestLimitEvictsTheOldest of both families.
func TestLimitEvictsTheOldest(t *testing.T) {
	for _, versions := range [][3]uint8{{4, 6, 4}, {4, 6, 6}, {6, 4, 4}, {6, 4, 6}} {
		table := New(Config{Datagrams: 2})
		for i, version := range versions {
			insert(table, piece{version: version, host: uint8(i), octets: text(1, 8), more: true}, int64(i))
		}
		p, data := piece{version: versions[0], host: 0, off: 8, octets: text(1, 8)}.make()
		if packet, _ := table.Insert(&p, data, 3); packet != nil {
			t.Errorf("%v: the oldest was not evicted", versions)
		}
		p, data = piece{version: versions[2], host: 2, off: 8, octets: text(1, 8)}.make()
		if packet, _ := table.Insert(&p, data, 3); packet == nil {
			t.Errorf("%v: the youngest was evicted", versions)
		}
	}
}

// TestRandomUnderLimits inserts fragments of many datagrams, out of order and
// repeated, into tables that are too small for them: the table stays consistent,
// and what comes out is what went in.
func TestRandomUnderLimits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	completed := 0
	for round := range 8 {
		table := New(Config{Octets: octetsMin, Datagrams: 8 << (round % 3), Fragments: 12, Seed: uint64(round)})
		for i := range 4000 {
			id := random.Uint32N(24)
			whole := text(byte(id), 8+int(id)*700)
			pieces := split(piece{version: 4 + uint8(id)%2*2, host: uint8(id), id: id}, whole, 8*(1+int(id)*12))
			packet, _ := insert(table, pieces[random.IntN(len(pieces))], int64(i)*second/50)
			if packet != nil {
				completed++
				if !bytes.HasSuffix(packet, whole) || len(packet) != len(whole)+20+20*int(id%2) {
					t.Fatalf("datagram %d comes out as %d octets", id, len(packet))
				}
			}
			if s := table.Stats(); s.Received != s.Disposed() || s.Octets > octetsMin {
				t.Fatalf("%+v", s)
			}
			if i%32 == 0 {
				table.check(t)
			}
		}
	}
	if completed < 100 {
		t.Errorf("only %d datagrams completed", completed)
	}
}

// TestFloodSparesOthers: datagrams that come while a flood of fragments that
// never complete goes on are completed as without it, and the flood takes no
// more memory than the limits say.
func TestFloodSparesOthers(t *testing.T) {
	const rounds = 20000
	table := New(Config{})
	whole := text(9, 2800)
	completed := 0
	for i := range rounds {
		clock := int64(i) * 1000
		insert(table, piece{host: 7, id: uint32(i), scope: uint64(i >> 16), octets: text(1, 512), more: true}, clock)
		if i%100 == 0 {
			for _, c := range split(piece{host: 1, id: uint32(i / 100)}, whole, 1400) {
				insert(table, piece{host: 8, id: uint32(i), scope: uint64(c.off), off: 8, octets: text(1, 8), more: true}, clock)
				if packet, _ := insert(table, c, clock); packet != nil && bytes.Equal(packet[20:], whole) {
					completed++
				}
			}
		}
	}
	if completed != rounds/100 {
		t.Errorf("completed %d of %d", completed, rounds/100)
	}
	memory := len(table.pages.chunks)*slabChunk*pageBytes + len(table.datagrams.chunks)*slabChunk*int(unsafe.Sizeof(datagram{}))
	if limit := octetsDefault + datagramsDefault*400; memory > limit {
		t.Errorf("slabs of %d octets, limit %d", memory, limit)
	}
	table.check(t)
}

// TestInsertDoesNotAllocate: a fragment that completes nothing allocates nothing
// in a table that has reached its size; one that does allocates its datagram.
func TestInsertDoesNotAllocate(t *testing.T) {
	table := New(Config{Octets: octetsMin, Datagrams: 16})
	p, data := piece{host: 1, off: 8, octets: text(1, 1480), more: true}.make()
	id := uint32(0)
	held := func() {
		id++
		p.Frag.ID = id
		table.Insert(&p, data, int64(id))
	}
	for range 1000 {
		held()
	}
	if n := testing.AllocsPerRun(1000, held); n != 0 {
		t.Errorf("a fragment that is held allocates %v times", n)
	}
	first, firstData := piece{host: 2, octets: text(1, 1480), more: true}.make()
	last, lastData := piece{host: 2, off: 1480, octets: text(1, 99)}.make()
	if n := testing.AllocsPerRun(1000, func() {
		id++
		first.Frag.ID, last.Frag.ID = id, id
		table.Insert(&first, firstData, int64(id))
		if packet, _ := table.Insert(&last, lastData, int64(id)); packet == nil {
			t.Fatal("not completed")
		}
	}); n != 1 {
		t.Errorf("a datagram allocates %v times", n)
	}
}

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(page{}); n != pageBytes {
		t.Errorf("a page has %d octets, pageBytes is %d", n, pageBytes)
	}
	if n := unsafe.Sizeof(key{}); n != 48 {
		t.Errorf("a key has %d octets", n)
	}
	if n := unsafe.Sizeof(datagram{}); n > 368 {
		t.Errorf("a datagram has %d octets", n)
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Fatal(err)
	}
	err := Config{
		Octets: 1000, Datagrams: -1, Fragments: 1, TimeoutV4: -1, TimeoutV6: 48 * time.Hour,
		PolicyV4: policyCount, PolicyV6: 200,
	}.Validate()
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("%v", err)
	}
	want := `frag: bad config: Octets is 1000, not within 83200 and 1099511627776
frag: bad config: Datagrams is -1, not within 1 and 16777216
frag: bad config: Fragments is 1, not within 2 and 8192
frag: bad config: TimeoutV4 is -1ns, not within 0 and 24h0m0s
frag: bad config: TimeoutV6 is 48h0m0s, not within 0 and 24h0m0s
frag: bad config: PolicyV4 is policy(5)
frag: bad config: PolicyV6 is policy(200)`
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestNames(t *testing.T) {
	if anomalyEnd != 1<<AnomalyCount {
		t.Error("AnomalyCount is not the number of anomalies")
	}
	all := fmt.Sprint(First, Last, BSD, Linux, Discard, Held, Completed, Duplicate, Bad, AnomalyTooLarge|AnomalyOverlap)
	if all != "first last bsd linux discard held completed duplicate bad frag_pkt_too_large,frag_overlap" {
		t.Error(all)
	}
}

// TestOctetSet compares every operation with a set of one octet a bool.
func TestOctetSet(t *testing.T) {
	places := []uint32{0, 1, 62, 63, 64, 65, 127, 128, 500, 1023, 1024}
	for _, a := range places {
		for _, b := range places {
			if a >= b {
				continue
			}
			var s octetSet
			s.add(a, b)
			for _, c := range places[:len(places)-1] {
				if s.has(c) != (c >= a && c < b) {
					t.Fatalf("add(%d, %d): has(%d) is %v", a, b, c, s.has(c))
				}
				want := b
				if c < a {
					want = a
				} else if c >= b {
					want = pageOctets
				}
				if end, in := s.run(c, pageOctets); end != want || in != s.has(c) {
					t.Fatalf("add(%d, %d): run from %d to %d, %v", a, b, c, end, in)
				}
				first := max(a, c)
				if first >= b {
					first = pageOctets
				}
				if got := s.next(c, pageOctets); got != first {
					t.Fatalf("add(%d, %d): next after %d is %d", a, b, c, got)
				}
			}
			middle := (a + b) / 2
			if n := s.remove(middle, pageOctets); n != b-middle {
				t.Fatalf("add(%d, %d): remove from %d on: %d", a, b, middle, n)
			}
		}
	}
}
