package wire

import (
	"math/rand/v2"
	"testing"
)

// TestRFC9293SequenceSpace has §3.4's circle: order holds between numbers less
// than 2^31 apart, wherever they wrap.
func TestRFC9293SequenceSpace(t *testing.T) {
	tests := []struct {
		a, b Seq
		less bool
		diff int32
	}{
		{0, 1, true, -1},
		{1, 0, false, 1},
		{7, 7, false, 0},
		{0xffffffff, 0, true, -1},
		{0xffffff00, 0x100, true, -0x200},
		{0, 0x7fffffff, true, -0x7fffffff},
		{0x80000001, 0, true, -0x7fffffff},
		{0x7fffffff, 0, false, 0x7fffffff},
	}
	for _, test := range tests {
		a, b := test.a, test.b
		if a.Less(b) != test.less || a.LessEq(b) != (test.less || a == b) || a.Diff(b) != test.diff {
			t.Errorf("%x and %x: less %v, difference %d", a, b, a.Less(b), a.Diff(b))
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		s, n := Seq(r.Uint32()), r.Uint32()>>1
		if e := s.Add(n); e.Diff(s) != int32(n) || !s.LessEq(e) || n > 0 && e.Less(s) {
			t.Fatalf("%x + %x", s, n)
		}
	}
}

// TestRFC9293SegLen: SYN and FIN occupy one number each (§3.4).
func TestRFC9293SegLen(t *testing.T) {
	tests := []struct {
		flags     Flags
		len       uint32
		text, end Seq
	}{
		{ACK, 0, 100, 100},
		{ACK | PSH, 10, 100, 110},
		{SYN, 0, 101, 101},
		{SYN | ACK, 5, 101, 106},
		{FIN | ACK, 0, 100, 101},
		{SYN | FIN | RST, 3, 101, 105},
	}
	for _, test := range tests {
		s := Segment{Seq: 100, Flags: test.flags, Len: test.len}
		if s.TextSeq() != test.text || s.End() != test.end {
			t.Errorf("%v of %d: text at %d, end %d", test.flags, test.len, s.TextSeq(), s.End())
		}
	}
	if s := (Segment{Seq: 0xffffffff, Flags: SYN, Len: 1}); s.End() != 1 {
		t.Errorf("end %x across the wrap", s.End())
	}
}

func TestNames(t *testing.T) {
	tests := []struct{ got, want string }{
		{Flags(0).String(), "0"},
		{(SYN | ACK).String(), "SA"},
		{(FIN | PSH | ACK).String(), "FPA"},
		{(AE | CWR | ECE | URG | RST).String(), "RUEWe"},
		{ToServer.String(), "client"},
		{ToClient.String(), "server"},
		{ToServer.Reverse().String(), "server"},
		{ProtoTCP.String(), "tcp"},
		{ProtoICMPv6.String(), "icmp6"},
		{Proto(0).String(), "0"},
		{Proto(255).String(), "255"},
		{LinkEthernet.String(), "ethernet"},
		{LayerGTPU.String(), "gtpu"},
		{Layer(255).String(), "layer-255"},
		{Outcome(200).String(), "outcome-200"},
		{Sum(9).String(), "sum-9"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
	for l := range layerCount {
		if l.String() == "" {
			t.Errorf("layer %d has no name", l)
		}
	}
}

// TestHashSpreads: flows that differ in one port go to slots of their own.
func TestHashSpreads(t *testing.T) {
	slots := map[Slot]bool{}
	for port := range uint16(1000) {
		k := FlowKey{Port: [2]uint16{port, 443}, Proto: ProtoTCP, Version: 4}
		slots[SlotOf(k.Hash(1))] = true
		if k.Hash(1) == k.Hash(2) {
			t.Fatal("the seed does not count")
		}
		scoped := k
		scoped.Scope = 1
		if k.Hash(1) == scoped.Hash(1) {
			t.Fatal("the scope does not count")
		}
	}
	// 1000 balls in 4096 boxes leave about 888 boxes with one or more.
	if len(slots) < 800 {
		t.Errorf("1000 flows in %d slots", len(slots))
	}
}
