package assembler_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/adapter/assembler"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
)

// recorder is a Stream, and the factory of its kind: it writes down what it is
// given, in a form that does not depend on how octets were cut into calls.
type recorder struct {
	*book
	name     string
	reverse  bool // the first packet came from the server
	text     [2][]byte
	kept     [2][]byte
	accepted int
	complete int
}

// book has all recorders of a run, by the name of their connection.
type book struct {
	t       *testing.T
	streams map[string]*recorder
	keep    bool // ask for some octets again
	check   bool // ask reassembly's own checks in Accept
}

func (b *book) New(network, transport gopacket.Flow, tcp *layers.TCP, ac reassembly.AssemblerContext) reassembly.Stream {
	r := &recorder{book: b, name: fmt.Sprint(network, " ", transport), reverse: transport.Src().String() == "80"}
	if r.reverse {
		r.name = fmt.Sprint(network.Reverse(), " ", transport.Reverse())
	}
	for b.streams[r.name] != nil {
		r.name += " again"
	}
	b.streams[r.name] = r
	if !b.check {
		return r
	}
	return &checked{r, reassembly.NewTCPSimpleFSM(reassembly.TCPSimpleFSMOptions{}), reassembly.NewTCPOptionCheck()}
}

func (r *recorder) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	r.accepted++
	return true
}

func (r *recorder) ReassembledSG(sg reassembly.ScatterGather, ac reassembly.AssemblerContext) {
	dir, start, end, skip := sg.Info()
	side := 0
	if (dir == reassembly.TCPDirServerToClient) != r.reverse {
		side = 1
	}
	length, saved := sg.Lengths()
	octets := bytes.Clone(sg.Fetch(length))
	if !bytes.Equal(octets[:saved], r.kept[side]) {
		r.t.Errorf("%s: %d octets come again, not the %d that were kept", r.name, saved, len(r.kept[side]))
	}
	text := &r.text[side]
	if start {
		*text = append(*text, "[start]"...)
	}
	if skip != 0 {
		*text = fmt.Appendf(*text, "[skip %d]", skip)
	}
	*text = append(*text, octets[saved:]...)
	if end {
		*text = append(*text, "[end]"...)
	}
	r.kept[side] = nil
	if r.keep && length%3 > 0 {
		r.kept[side] = octets[length-length%3:]
		sg.KeepFrom(length - length%3)
	}
	if length > 0 && sg.CaptureInfo(length-1).Timestamp.IsZero() || !sg.CaptureInfo(length).Timestamp.IsZero() {
		r.t.Errorf("%s: every octet comes from a packet, and none beyond", r.name)
	}
}

func (r *recorder) ReassemblyComplete(reassembly.AssemblerContext) bool {
	r.complete++
	return false // or gopacket takes the last acknowledgement for a new connection
}

// checked is a recorder that refuses what reassembly's own checks refuse, as the
// programs that come with gopacket do.
type checked struct {
	*recorder
	fsm     *reassembly.TCPSimpleFSM
	options reassembly.TCPOptionCheck
}

func (s *checked) Accept(tcp *layers.TCP, ci gopacket.CaptureInfo, dir reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, ac reassembly.AssemblerContext) bool {
	s.recorder.Accept(tcp, ci, dir, next, start, ac)
	return s.fsm.CheckState(tcp, dir) && s.options.Accept(tcp, ci, dir, next, start) == nil
}

// simpleContext is what programs on gopacket pass.
type simpleContext gopacket.CaptureInfo

func (c *simpleContext) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(*c) }

// byGopacket runs the book's streams on gopacket's own assembler.
func byGopacket(t *testing.T, b *book, frames []rx.Frame) *book {
	a := reassembly.NewAssembler(reassembly.NewStreamPool(b))
	for _, f := range frames {
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
		tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			t.Fatal("gopacket finds no TCP in a frame")
		}
		a.AssembleWithContext(p.NetworkLayer().NetworkFlow(), tcp, &simpleContext{
			Timestamp: time.Unix(0, f.Timestamp), CaptureLength: len(f.Data), Length: len(f.Data),
		})
	}
	a.FlushAll()
	return b
}

// byMbox runs them on mbox.
func byMbox(t *testing.T, b *book, frames []rx.Frame) *book {
	stack, err := mbox.New(mbox.Config{Shards: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := assembler.Attach(stack, stack.Monitor(mbox.Stream), b); err != nil {
		t.Fatal(err)
	}
	if err := stack.Run(context.Background(), rx.NewMemory(frames...)); err != nil {
		t.Fatal(err)
	}
	return b
}

// frames returns a stream's frames, but for a share of them that is lost.
func frames(t *testing.T, c traffic.Config, lost float64) (all []rx.Frame) {
	t.Helper()
	s, err := traffic.NewConnections(c)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	for ns, frame := range traffic.All(s) {
		if rng.Float64() >= lost {
			all = append(all, rx.Frame{Data: bytes.Clone(frame), Timestamp: ns, WireLen: uint32(len(frame)), Link: 1})
		}
	}
	return all
}

// TestAsGopacket: a stream gets from mbox what it gets from gopacket.
func TestAsGopacket(t *testing.T) {
	ipv6 := traffic.Pages(4, 5)
	ipv6.IPv6 = true
	for _, test := range []struct {
		name        string
		traffic     traffic.Config
		lost        float64
		keep, check bool
	}{
		{name: "in order", traffic: traffic.Pages(1, 20)},
		{name: "IPv6", traffic: ipv6},
		{name: "kept", traffic: traffic.Pages(1, 20), keep: true},
		{name: "checked", traffic: traffic.Pages(1, 20), check: true},
		{name: "retransmitted and out of order", traffic: traffic.Lossy(2, 20)},
		{name: "retransmitted, out of order, kept", traffic: traffic.Lossy(2, 20), keep: true},
		{name: "with gaps", traffic: traffic.Lossy(3, 40), lost: 0.02},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := frames(t, test.traffic, test.lost)
			gaps := test.lost > 0
			want := byGopacket(t, &book{t: t, streams: map[string]*recorder{}, keep: test.keep, check: test.check}, fs)
			got := byMbox(t, &book{t: t, streams: map[string]*recorder{}, keep: test.keep, check: test.check}, fs)
			if names := slices.Sorted(maps.Keys(want.streams)); !slices.Equal(names, slices.Sorted(maps.Keys(got.streams))) {
				t.Fatalf("gopacket has %d connections, mbox %d", len(names), len(got.streams))
			}
			skipped := false
			for name, w := range want.streams {
				compare(t, got.streams[name], w, gaps)
				skipped = skipped || bytes.Contains(slices.Concat(w.text[:]...), []byte("[skip "))
			}
			if skipped != gaps {
				t.Errorf("octets were skipped: %v, want %v", skipped, gaps)
			}
		})
	}
}

// compare compares what two streams of a connection were given. With gaps,
// gopacket tells nothing of an end that it has reached by flushing.
func compare(t *testing.T, got, want *recorder, gaps bool) {
	t.Helper()
	for side := range want.text {
		g, w := got.text[side], want.text[side]
		if gaps {
			g, w = bytes.TrimSuffix(g, []byte("[end]")), bytes.TrimSuffix(w, []byte("[end]"))
		}
		if !bytes.Equal(g, w) {
			at := 0
			for at < len(g) && at < len(w) && g[at] == w[at] {
				at++
			}
			t.Errorf("%s, side %d: %d octets, want %d; from octet %d\n got %.60q\nwant %.60q", want.name, side, len(g), len(w), at, g[at:], w[at:])
		}
	}
	if got.accepted != want.accepted || got.complete != 1 || want.complete != 1 {
		t.Errorf("%s: accepted %d, completed %d; want %d, %d", want.name, got.accepted, got.complete, want.accepted, want.complete)
	}
}
