package traffic

import (
	"bytes"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// A crowd's frames are well-formed connections of 16 segments in order, all of
// them open at once.
func TestCrowd(t *testing.T) {
	const conns = 777
	c := CrowdConfig{Seed: 5, Connections: conns}
	s, err := NewCrowd(c)
	if err != nil {
		t.Fatal(err)
	}
	r := newSlowReader(t)
	r.causal = true
	open, most, frames := map[*slowConn]bool{}, 0, 0
	var parser wire.Parser
	var p wire.Packet
	for _, frame := range collect(t, s) {
		frames++
		parser.Parse(&p, wire.LinkEthernet, frame)
		if p.Outcome != wire.Whole || p.Marks != 0 || wire.VerifyTransport(&p, frame) != wire.SumGood {
			t.Fatalf("frame %d: %v, marks %v, checksum %v", frames, p.Outcome, p.Marks, wire.VerifyTransport(&p, frame))
		}
		conn := r.read(frame)
		open[conn] = true
		most = max(most, len(open))
		if conn.segments == crowdSegments {
			delete(open, conn)
		}
	}
	if frames != c.Frames() || len(r.conns) != conns || most != conns || len(open) != 0 {
		t.Errorf("%d frames of %d connections, %d at a time, %d unfinished", frames, len(r.conns), most, len(open))
	}
	for _, conn := range r.conns {
		if conn.fin != [2]bool{true, true} || conn.texts != [2]int{} {
			t.Fatalf("%+v", conn)
		}
	}
	again, _ := NewCrowd(c)
	other, _ := NewCrowd(CrowdConfig{Seed: 6, Connections: conns})
	a, _, _ := again.Next(nil)
	b, _, _ := other.Next(nil)
	first, _ := NewCrowd(c)
	if f, _, _ := first.Next(nil); !bytes.Equal(a, f) || bytes.Equal(a, b) {
		t.Error("a seed does not give its own frames")
	}
}

// Every round goes through all connections, in an order of its own.
func TestPermutation(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 100, 4096, 5000} {
		seen := make([]bool, n)
		p, q := newPermutation(1, 0, n), newPermutation(1, 1, n)
		same := 0
		for i := range n {
			if seen[p.place(i)] {
				t.Fatalf("n = %d: %d comes twice", n, p.place(i))
			}
			seen[p.place(i)] = true
			if (p.place(i)+1)%n == q.place((i+1)%n) {
				same++
			}
		}
		if n > 99 && same > int(n)/10 {
			t.Errorf("n = %d: %d steps are alike in two rounds", n, same)
		}
	}
}

func BenchmarkCrowd(b *testing.B) {
	s, err := NewCrowd(CrowdConfig{Connections: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for b.Loop() {
		buf, _, _ = s.Next(buf[:0])
	}
}
