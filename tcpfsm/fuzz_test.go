package tcpfsm

import (
	"encoding/binary"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// fuzzStep is one segment, or one of the caller's own steps, of FuzzStep.
type fuzzStep struct {
	seg    wire.Segment
	d      wire.Dir
	strict bool
	way    uint8 // 0 to 4: arrives; 5: dropped; 6: trimmed; 7: see act
}

// fuzzOctets is how many octets of input make a fuzzStep.
const fuzzOctets = 12

// decode reads a step. Numbers are small, around a base that is next to the wrap,
// so that segments meet each other; every eighth is anywhere.
func decode(b []byte) fuzzStep {
	near := func(hi, lo byte) wire.Seq {
		v := binary.BigEndian.Uint16([]byte{hi, lo})
		if v&7 == 7 {
			return wire.Seq(uint32(v)<<16 | uint32(v))
		}
		return wire.Seq(uint32(int32(int16(v)) >> 3))
	}
	s := fuzzStep{d: wire.Dir(b[0] & 1), strict: b[0]&2 != 0, way: b[0] >> 2 & 7}
	s.seg = wire.Segment{
		Flags: wire.Flags(b[1]) & (wire.FIN | wire.SYN | wire.RST | wire.PSH | wire.ACK | wire.URG),
		Opts:  wire.Options(b[2]),
		Seq:   near(b[3], b[4]),
		Ack:   near(b[5], b[6]),
		Len:   uint32(b[7]) >> 2,
		Wnd:   uint16(b[8]) << (b[8] & 7),
		TSVal: uint32(b[9]) << 24 >> (b[9] & 24),
		MSS:   uint16(b[10]), WScale: b[11] & 15,
	}
	if b[7]&3 == 3 {
		s.seg.Len = uint32(b[7]) << 7
	}
	return s
}

// encode is the inverse of decode for what transcripts hold, as good as it gets.
func encode(s *step) []byte {
	b := make([]byte, fuzzOctets)
	b[0] = byte(s.dir)
	if s.dropped {
		b[0] |= 5 << 2
	}
	if s.verb == "expire" || s.verb == "untrack" {
		b[0] |= 7 << 2
	}
	b[1], b[2] = byte(s.seg.Flags), byte(s.seg.Opts)
	binary.BigEndian.PutUint16(b[3:], uint16(s.seg.Seq-300)<<3)
	binary.BigEndian.PutUint16(b[5:], uint16(s.seg.Ack-300)<<3)
	b[7], b[8], b[9], b[11] = byte(min(s.seg.Len, 63)<<2), byte(min(s.seg.Wnd, 0xf8)), byte(s.seg.TSVal), s.seg.WScale
	return b
}

// FuzzStep feeds arbitrary segments. The oracle is what must hold whatever comes:
// Look changes nothing and promises what Step does; the short way leaves what the
// long one leaves; the invariants of the connection.
func FuzzStep(f *testing.F) {
	for _, tr := range readTranscripts(f) {
		var b []byte
		for i := range tr.steps {
			switch tr.steps[i].verb {
			case "segment", "expire", "untrack":
				b = append(b, encode(&tr.steps[i])...)
			}
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Conn
		for ; len(b) >= fuzzOctets; b = b[fuzzOctets:] {
			s := decode(b)
			fuzzOne(t, &c, &s, b[10])
		}
	})
}

func fuzzOne(t *testing.T, c *Conn, s *fuzzStep, spare byte) {
	before := *c
	if s.way == 7 && spare&1 == 1 {
		if spare&6 == 6 {
			c.Untrack(s.d)
		} else {
			delta := c.Expire(s.d)
			checkConn(t, &before, c, &delta)
		}
		return
	}
	rules := Rules{Strict: s.strict}
	look := c.Look(&s.seg, s.d, rules)
	if *c != before {
		t.Fatal("Look has changed the connection")
	}
	if look.Renews {
		if look != (Look{Renews: true}) {
			t.Fatalf("a segment of another connection is described: %+v", look)
		}
		if spare&2 == 0 {
			*c, before = Conn{}, Conn{}
			s.d, _ = Orient(&s.seg)
			look = c.Look(&s.seg, s.d, rules)
		}
	}
	received, trimmed := &s.seg, s.seg
	switch s.way {
	case 5:
		received = nil
	case 6:
		if trimmed.Len > 1 && trimmed.Flags&wire.SYN == 0 {
			trimmed.Seq, trimmed.Len = trimmed.Seq+1, trimmed.Len-1
		}
		received = &trimmed
	}
	delta := c.Step(&s.seg, received, s.d, rules)
	checkConn(t, &before, c, &delta)
	checkLook(t, &s.seg, &look)
	if received == &s.seg {
		long := before
		var longDelta Delta
		var longLook Look
		long.step(&longDelta, &longLook, &s.seg, &s.seg, s.d, rules)
		if long != *c || longDelta != delta || longLook != look && !longLook.Renews {
			t.Fatalf("the short way differs:\n%+v\n%+v\n%+v\n%+v\n%+v %+v", *c, long, delta, longDelta, look, longLook)
		}
		if !look.Renews && look.Anomalies != delta.Anomalies {
			t.Fatalf("Look saw %v, Step %v", look.Anomalies, delta.Anomalies)
		}
	}
}

// checkLook checks that what Look says of the text lies within the text.
func checkLook(t *testing.T, seg *wire.Segment, look *Look) {
	if look.OldOff+look.OldLen > seg.Len || look.TakeOff+look.TakeLen > seg.Len {
		t.Fatalf("beyond the text of %d octets: %+v", seg.Len, *look)
	}
	whole := look.TakeOff == 0 && look.TakeLen == seg.Len
	switch {
	case look.Renews:
	case look.Text == Take && !whole,
		look.Text == TakeTrimmed && (whole || look.TakeLen == 0),
		look.Text == Ignore && look.TakeLen != 0,
		look.Rexmit.Has(RexmitText) != (look.OldLen > 0),
		(look.KeepAlive || look.WindowProbe) && look.Rexmit != 0:
		t.Fatalf("contradicts itself: %+v", *look)
	}
}
