package frag

import (
	"bytes"
	"testing"
)

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
		p := newPair(Config{PolicyV4: policy, Datagrams: 4})
		clock := int64(0)
		play := func(sequence ...piece) {
			clock += int64(timeoutV4Default)
			for n, c := range sequence {
				c.octets = bytes.Repeat([]byte{byte('a' + n)}, len(c.octets))
				p.insert(t, c, clock)
			}
			p.insert(t, piece{off: units * 8, octets: []byte("z")}, clock)
		}
		for _, a := range chunks {
			for _, b := range chunks {
				for _, c := range chunks {
					play(a, b, c)
				}
			}
		}
	}
}

// TestOverlapNovak plays the case of Novak 2005: fragments 1 to 6, the last three
// of which lie over the first three, and the answers of the families.
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
