package tcpfsm

import (
	"testing"
	"unsafe"

	"github.com/mbox-stack/mbox/wire"
)

// TestSizes pins what every connection costs.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"tcb", unsafe.Sizeof(tcb{}), 32},
		{"rest", unsafe.Sizeof(rest{}), 32},
		{"Conn", unsafe.Sizeof(Conn{}), 136},
		{"Look", unsafe.Sizeof(Look{}), 32},
		{"Delta", unsafe.Sizeof(Delta{}), 24},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d octets, want %d", c.name, c.got, c.want)
		}
	}
}

// life is a connection's segments: open, data, a hole, close.
var life = []struct {
	wire.Segment
	d wire.Dir
}{
	{wire.Segment{Seq: 100, Flags: wire.SYN, Wnd: 65535}, wire.ToServer},
	{wire.Segment{Seq: 300, Ack: 101, Flags: wire.SYN | wire.ACK, Wnd: 65535}, wire.ToClient},
	{wire.Segment{Seq: 101, Ack: 301, Flags: wire.ACK, Wnd: 65535}, wire.ToServer},
	{wire.Segment{Seq: 101, Ack: 301, Flags: wire.ACK, Wnd: 65535, Len: 10}, wire.ToServer},
	{wire.Segment{Seq: 301, Ack: 111, Flags: wire.ACK, Wnd: 65535, Len: 10}, wire.ToClient},
	{wire.Segment{Seq: 121, Ack: 311, Flags: wire.ACK, Wnd: 65535, Len: 10}, wire.ToServer},
	{wire.Segment{Seq: 111, Ack: 311, Flags: wire.ACK, Wnd: 65535, Len: 10}, wire.ToServer},
	{wire.Segment{Seq: 131, Ack: 311, Flags: wire.ACK | wire.FIN, Wnd: 65535}, wire.ToServer},
	{wire.Segment{Seq: 311, Ack: 132, Flags: wire.ACK | wire.FIN, Wnd: 65535}, wire.ToClient},
	{wire.Segment{Seq: 132, Ack: 312, Flags: wire.ACK, Wnd: 65535}, wire.ToServer},
}

// up returns a connection after its handshake.
func up() (c Conn) {
	for i := range life[:3] {
		c.Step(&life[i].Segment, &life[i].Segment, life[i].d, Rules{})
	}
	return c
}

func TestStepDoesNotAllocate(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		var c Conn
		for i := range life {
			s := &life[i]
			look := c.Look(&s.Segment, s.d, Rules{Strict: i%2 == 0})
			delta := c.Step(&s.Segment, &s.Segment, s.d, Rules{Strict: i%2 == 0})
			if look.Anomalies != delta.Anomalies {
				t.Fatal(i, look, delta)
			}
		}
		c.Expire(wire.ToServer)
	})
	if n != 0 {
		t.Errorf("allocs = %v, want 0", n)
	}
}

var sink uint64

func BenchmarkStep(b *testing.B) {
	b.Run("data", func(b *testing.B) {
		c, seg := up(), life[3].Segment
		ack := wire.Segment{Seq: 301, Flags: wire.ACK, Wnd: 65535}
		seg.Len = 1448
		for i := 0; b.Loop(); i++ {
			sink += uint64(c.Step(&seg, &seg, wire.ToServer, Rules{}).Anomalies)
			seg.Seq = seg.Seq.Add(seg.Len)
			if i%32 == 31 { // else the window would be full
				ack.Ack = seg.Seq
				c.Step(&ack, &ack, wire.ToClient, Rules{})
			}
		}
	})
	b.Run("ack", func(b *testing.B) {
		c, seg := up(), life[2].Segment
		for b.Loop() {
			sink += uint64(c.Step(&seg, &seg, wire.ToServer, Rules{}).Anomalies)
		}
	})
	b.Run("look", func(b *testing.B) {
		c, seg := up(), life[3].Segment
		for b.Loop() {
			sink += uint64(c.Look(&seg, wire.ToServer, Rules{}).Anomalies)
		}
	})
	b.Run("retransmission", func(b *testing.B) {
		c, seg := up(), life[3].Segment
		for b.Loop() {
			sink += uint64(c.Step(&seg, &seg, wire.ToServer, Rules{}).Anomalies)
		}
	})
	b.Run("lifecycle", func(b *testing.B) {
		for b.Loop() {
			var c Conn
			for i := range life {
				sink += uint64(c.Step(&life[i].Segment, &life[i].Segment, life[i].d, Rules{}).Anomalies)
			}
		}
	})
}

// TestScalesAreApart: an endpoint's window scale and the one that its SYN offered
// share an octet, and neither is what the other was set to, or what it was before.
func TestScalesAreApart(t *testing.T) {
	var e tcb
	for shift := range uint8(wscaleMax + 1) {
		for offered := range uint8(wscaleMax + 1) {
			e.setShift(wscaleMax - shift)
			e.setWScale(wscaleMax - offered)
			e.setWScale(offered)
			e.setShift(shift)
			if e.shift() != shift || e.wscale() != offered {
				t.Fatalf("shift %d, offered %d: read %d, %d", shift, offered, e.shift(), e.wscale())
			}
		}
	}
}
