package rx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shard is a fake of what stands behind an Outlet: it notes what it gets and
// releases it.
type shard struct {
	frames []buffers.Frame // Data is a copy
	marks  []Mark
	full   bool // refuses what does not wait
	gone   bool // refuses everything
}

// Batch implements Outlet.
func (s *shard) Batch(b *buffers.Batch, wait bool) bool {
	if s.gone || s.full && !wait {
		return false
	}
	for _, f := range b.Frames {
		f.Data = bytes.Clone(f.Data)
		s.frames = append(s.frames, f)
	}
	b.Release()
	return true
}

// Mark implements Outlet.
func (s *shard) Mark(m Mark, wait bool) bool {
	if s.gone || s.full && !wait {
		return false
	}
	s.marks = append(s.marks, m)
	return true
}

// steps returns the marks that have Step.
func (s *shard) steps() []Mark {
	return slices.DeleteFunc(slices.Clone(s.marks), func(m Mark) bool { return !m.Step })
}

// run has a Receiver take all of src, for n fake shards.
func run(t testing.TB, src Source, n int, o Options, raw bool) ([]*shard, Counters, error) {
	t.Helper()
	shards, outlets := make([]*shard, n), make([]Outlet, n)
	for i := range shards {
		shards[i] = new(shard)
		outlets[i] = shards[i]
	}
	r, err := NewReceiver(src, outlets, o)
	if err != nil {
		t.Fatal(err)
	}
	r.WantRaw(raw)
	err = r.Run(t.Context())
	c := r.Counters()
	balanced(t, &c)
	return shards, c, err
}

// balanced checks that no frame and no datagram has vanished (invariant I9).
func balanced(t testing.TB, c *Counters) {
	t.Helper()
	if c.Disposed() != c.Frames {
		t.Errorf("%d frames received, %d disposed of: %+v", c.Frames, c.Disposed(), c)
	}
	if c.DatagramsDisposed() != c.Fragments.Completed {
		t.Errorf("%d datagrams completed, %d disposed of", c.Fragments.Completed, c.DatagramsDisposed())
	}
}

const start = int64(1_700_000_000) * second

// traffic returns n frames: connections between a few hosts, and every now and
// then ARP, a bad header and a datagram in three fragments.
func traffic(n int) []Frame {
	frames := make([]Frame, 0, n+8)
	add := func(data []byte) {
		at := start + int64(len(frames))*int64(time.Microsecond)
		frames = append(frames, Frame{Data: data, Timestamp: at, WireLen: uint32(len(data)), Link: wire.LinkEthernet})
	}
	text := make([]byte, 1400)
	for i := 0; len(frames) < n; i++ {
		p := flowPath(i % 97)
		if i%2 == 1 {
			p = p.Reverse()
		}
		switch i % 31 {
		case 7:
			add(craft.AppendARP(nil, &p, craft.ARPRequest))
		case 11:
			add(craft.AppendTCP(nil, &p, &craft.TCP{Flags: wire.SYN}, nil)[:25])
		case 13:
			for _, f := range craft.Fragments(&p, wire.ProtoUDP, uint32(i), craft.AppendDatagram(nil, &p, text[:900]), 400) {
				add(f)
			}
		default:
			add(craft.AppendTCP(nil, &p, &craft.TCP{Seq: wire.Seq(i), Flags: wire.ACK, Wnd: 1000}, text[:i%1400]))
		}
	}
	return frames[:n]
}

// flowPath returns the path from the client to the server of flow i.
func flowPath(i int) craft.Path {
	client := netip.AddrFrom4([4]byte{10, 0, byte(i >> 4), byte(i)})
	return craft.Path{
		Src: netip.AddrPortFrom(client, uint16(40000+i)),
		Dst: netip.MustParseAddrPort("192.0.2.80:80"),
	}
}

// TestBatchesAndChunksDoNotMatter (I12): whatever the size of batches and the
// chunks they are cut from, each shard gets the same frames in the same order,
// and the same steps at the same places.
func TestBatchesAndChunksDoNotMatter(t *testing.T) {
	frames := traffic(5000)
	path := save(t, "all.pcap", pack(binary.LittleEndian, magicNano, 1, frames))
	file := func(octets int) Source { return newCapture(octets, fileOrigin(path)) }
	for _, shards := range []int{1, 2, 3, 8} {
		want, counts, err := run(t, NewMemory(slices.Clone(frames)...), shards, Options{BatchFrames: 256}, true)
		if err != nil {
			t.Fatal(err)
		}
		if n := counts.Handed().Frames; n == 0 || counts.Refused[wire.NotIP] == 0 || counts.Handed().Datagrams == 0 {
			t.Fatalf("the traffic lacks something: %+v", counts)
		}
		all := func(*wire.Packet, []byte, uint32) bool { return true } // each frame goes the long way
		for _, alternative := range []struct {
			src    Source
			batch  int
			filter func(*wire.Packet, []byte, uint32) bool
		}{
			{NewMemory(slices.Clone(frames)...), 1, nil},
			{NewMemory(slices.Clone(frames)...), 7, nil},
			{NewMemory(slices.Clone(frames)...), 7, all},
			{file(blockOctets), 0, nil},
			{file(3000), 256, nil},
		} {
			got, _, err := run(t, alternative.src, shards, Options{BatchFrames: alternative.batch, Filter: alternative.filter}, true)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				sameFrames(t, got[i].frames, want[i].frames)
				if !slices.Equal(got[i].steps(), want[i].steps()) {
					t.Errorf("shard %d: steps %v, want %v", i, got[i].steps(), want[i].steps())
				}
				if !slices.Equal(got[i].marks, got[0].marks) {
					t.Errorf("shard %d has other marks than shard 0", i)
				}
			}
		}
	}
}

func sameFrames(t *testing.T, got, want []buffers.Frame) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		g, w := &got[i], &want[i]
		if !bytes.Equal(g.Data, w.Data) || g.Packet != w.Packet || g.Hash != w.Hash || g.Clock != w.Clock ||
			g.Timestamp != w.Timestamp || g.Number != w.Number || g.WireLen != w.WireLen || g.Link != w.Link ||
			g.Role != w.Role || g.ChecksumOffloaded != w.ChecksumOffloaded {
			t.Fatalf("frame %d: got %+v, want %+v", i, g, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d frames, want %d", len(got), len(want))
	}
}

// TestShardsGetWhatIsTheirs: both directions of a flow go to the owner of its
// slot, in order, ahead of the mark that says so.
func TestShardsGetWhatIsTheirs(t *testing.T) {
	frames := traffic(3000)
	const seed = 42
	shards, c, err := run(t, NewMemory(frames...), 3, Options{Seed: seed}, false)
	if err != nil {
		t.Fatal(err)
	}
	table := Spread(3)
	for i, s := range shards {
		last, clock := uint64(0), int64(0)
		for _, f := range s.frames {
			if f.Hash != f.Packet.Key.Hash(seed) || table[wire.SlotOf(f.Hash)] != uint16(i) {
				t.Fatalf("frame %d went to shard %d", f.Number, i)
			}
			if f.Number <= last || f.Clock < clock || f.Clock != frames[f.Number-1].Timestamp {
				t.Fatalf("frame %d at %d follows %d at %d", f.Number, f.Clock, last, clock)
			}
			if f.Role == buffers.RolePacket && !bytes.Equal(f.Data, frames[f.Number-1].Data) {
				t.Fatalf("frame %d has other octets", f.Number)
			}
			last, clock = f.Number, f.Clock
		}
		if end := s.marks[len(s.marks)-1]; end != (Mark{Number: 3000, Clock: frames[2999].Timestamp}) {
			t.Errorf("last mark %+v", end)
		}
	}
	if c.Marks != uint64(len(shards[0].marks)) || c.Steps != uint64(len(shards[0].steps())) || c.Steps == 0 {
		t.Errorf("%d marks and %d steps counted, %d and %d sent", c.Marks, c.Steps, len(shards[0].marks), len(shards[0].steps()))
	}
}

// TestSteps: one at 2048 frames or 1 MiB since the last, whichever is first.
func TestSteps(t *testing.T) {
	var frames []Frame
	for i := range 2048 + 512 {
		n := 60
		if i >= 2048 {
			n = 4096
		}
		frames = append(frames, Frame{Data: make([]byte, n), Timestamp: int64(i + 1), Link: wire.LinkEthernet})
	}
	shards, _, _ := run(t, NewMemory(frames...), 2, Options{}, false)
	for _, s := range shards {
		want := []Mark{{2048, 2048, true}, {2304, 2304, true}, {2560, 2560, true}}
		if !slices.Equal(s.steps(), want) {
			t.Errorf("steps %v, want %v", s.steps(), want)
		}
	}
}

// TestFragments: fragments reach raw sockets singly, in order; the datagram
// follows the last of them under its number, for tracking.
func TestFragments(t *testing.T) {
	p := flowPath(1)
	body := craft.AppendDatagram(nil, &p, make([]byte, 1000))
	var frames []Frame
	for i, data := range craft.Fragments(&p, wire.ProtoUDP, 9, body, 400) {
		frames = append(frames, Frame{Data: data, Timestamp: start + int64(i), Link: wire.LinkEthernet})
	}
	frames = append(frames, frames[0]) // one that never completes
	shards, c, err := run(t, NewMemory(frames...), 1, Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range shards[0].frames {
		got = append(got, fmt.Sprintf("%d:%d:%v", f.Number, f.Role, f.Packet.Outcome))
	}
	want := "1:1:fragment 2:1:fragment 3:1:fragment 3:2:whole 4:1:fragment"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if d := shards[0].frames[3]; !bytes.HasSuffix(d.Data, body) || d.Packet.Key != flowKey(t, &p) {
		t.Errorf("the datagram is not what was sent: %d octets, key %v", len(d.Data), d.Packet.Key)
	}
	f := c.Fragments
	if f.Received != 4 || f.Held != 1 || f.Merged != 2 || f.Completed != 1 || c.Handed() != (Delivery{Datagrams: 1, Raw: 4}) {
		t.Errorf("counters %+v", c)
	}
}

// flowKey returns the key of a UDP packet on path p.
func flowKey(t *testing.T, p *craft.Path) wire.FlowKey {
	var packet wire.Packet
	new(wire.Parser).Parse(&packet, wire.LinkEthernet, craft.AppendUDP(nil, p, nil))
	if packet.Outcome != wire.Whole {
		t.Fatal("not whole")
	}
	return packet.Key
}

// TestNestedFragments: a datagram put together from fragments is a fragment of
// a tunnelled one.
func TestNestedFragments(t *testing.T) {
	inner, outer := flowPath(1), flowPath(2)
	inner.Link = craft.Bare
	body := craft.AppendDatagram(nil, &inner, make([]byte, 1000))
	var frames []Frame
	for i, packet := range craft.Fragments(&inner, wire.ProtoUDP, 9, body, 600) {
		for _, data := range craft.Fragments(&outer, 4, uint32(i+1), packet, 200) {
			frames = append(frames, Frame{Data: data, Timestamp: start, Link: wire.LinkEthernet})
		}
	}
	shards, c, err := run(t, NewMemory(frames...), 1, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(shards[0].frames) != 1 || c.DatagramsNested != 2 || c.Fragments.Completed != 3 {
		t.Fatalf("%d frames, counters %+v", len(shards[0].frames), c)
	}
	if d := shards[0].frames[0]; !bytes.HasSuffix(d.Data, body) || d.Number != uint64(len(frames)) {
		t.Errorf("frame %d with %d octets", d.Number, len(d.Data))
	}
}

// TestRawIsDeliveredIfWanted, and counted as refused all the same.
func TestRawIsDeliveredIfWanted(t *testing.T) {
	for _, raw := range []bool{false, true} {
		shards, c, err := run(t, NewMemory(traffic(500)...), 4, Options{}, raw)
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		for i, s := range shards {
			for _, f := range s.frames {
				if f.Role == buffers.RoleRaw {
					if n++; i != int(Spread(4)[0]) {
						t.Fatalf("raw frame %d at shard %d", f.Number, i)
					}
				}
			}
		}
		untracked := c.Refused[wire.NotIP] + c.Refused[wire.ShortNetwork] + c.Fragments.Received
		if c.Handed().Raw != n || raw && n != untracked || !raw && n != 0 || untracked == 0 {
			t.Errorf("raw %v: %d delivered, %d counted, %d untracked", raw, n, c.Handed().Raw, untracked)
		}
	}
}

// TestFilterTapAndLimit: what the filter rejects is counted, not seen by the
// tap, and keeps its number.
func TestFilterTapAndLimit(t *testing.T) {
	frames := traffic(1000)
	tapped := 0
	o := Options{
		Filter: func(p *wire.Packet, data []byte, _ uint32) bool {
			return p.Outcome == wire.Whole && p.Key.Proto == wire.ProtoTCP
		},
		Tap: func(f *Frame) { tapped++ },
	}
	_, all, err := run(t, NewMemory(slices.Clone(frames)...), 2, o, true)
	if err != nil {
		t.Fatal(err)
	}
	got := all.Handed()
	if all.Filtered == 0 || all.DatagramsFiltered == 0 || all.Frames != 1000 || got.Datagrams != 0 ||
		uint64(tapped) != got.Frames+all.Fragments.Received {
		t.Errorf("%d tapped, %+v", tapped, all)
	}
	tapped, o.Limit = 0, 100
	src := NewMemory(slices.Clone(frames)...)
	shards, c, err := run(t, src, 1, o, true)
	if err != nil {
		t.Fatal(err)
	}
	if tapped != 100 || c.Frames != 100+c.Filtered || !errors.Is(src.Next(new(Chunk)), ErrClosed) {
		t.Errorf("limit: %d tapped, %+v", tapped, c)
	}
	if last := shards[0].frames[len(shards[0].frames)-1]; last.Number != c.Frames {
		t.Errorf("the last frame has number %d of %d", last.Number, c.Frames)
	}
}

// TestOptions: every problem is told at once.
func TestOptions(t *testing.T) {
	table := Spread(2)
	for _, tc := range []struct {
		outlets int
		o       Options
		want    []string
	}{
		{0, Options{BatchFrames: -1}, []string{"0 outlets", "BatchFrames is -1"}},
		{1, Options{Table: table, Fragments: frag.Config{Octets: 1}}, []string{"Table gives slot 1 to shard 1 of 1", "Octets is 1"}},
	} {
		_, err := NewReceiver(NewMemory(), make([]Outlet, tc.outlets), tc.o)
		if !errors.Is(err, ErrOptions) {
			t.Fatal(err)
		}
		for _, w := range tc.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q, want %q in it", err, w)
			}
		}
	}
}

// sink is a shard that only releases.
type sink struct{ frames int }

// Batch implements Outlet.
func (s *sink) Batch(b *buffers.Batch, _ bool) bool {
	s.frames += len(b.Frames)
	b.Release()
	return true
}

// Mark implements Outlet.
func (s *sink) Mark(Mark, bool) bool { return true }

// TestReceiveDoesNotAllocate: from source to mailbox, in the steady state.
func TestReceiveDoesNotAllocate(t *testing.T) {
	var frames []Frame
	for _, f := range traffic(4096) {
		var p wire.Packet
		new(wire.Parser).Parse(&p, f.Link, f.Data)
		if p.Outcome != wire.Fragment { // a datagram has memory of its own
			frames = append(frames, f)
		}
	}
	src := NewMemory(frames...)
	r, err := NewReceiver(src, []Outlet{new(sink), new(sink), new(sink)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.WantRaw(true)
	var c Chunk
	n := testing.AllocsPerRun(20, func() {
		src.Rewind(time.Second)
		for src.Next(&c) == nil {
			r.take(&c)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d frames", n, len(frames))
	}
}

// TestCaptureDoesNotAllocate: reading a longer capture takes no more
// allocations than a shorter one.
func TestCaptureDoesNotAllocate(t *testing.T) {
	data := pack(binary.LittleEndian, magicNano, 1, sampleFrames(1, 3000, 200))
	read := func(n int) float64 {
		in := data[:24+n*(len(data)-24)/8] // cut short: that is fine here
		return testing.AllocsPerRun(5, func() {
			src := bytesCapture(8192, in)
			var c Chunk
			for src.Next(&c) == nil {
				c.Release()
			}
		})
	}
	if short, long := read(1), read(8); long > short+2 {
		t.Errorf("%v allocations for an eighth, %v for all", short, long)
	}
}

// BenchmarkReceiver is a receive goroutine's cost for a packet, with shards
// that only release.
func BenchmarkReceiver(b *testing.B) {
	frames := make([]Frame, 0, 1<<16)
	text := make([]byte, 1400)
	for i := range cap(frames) {
		p := flowPath(i / 4 % 1000)
		data := craft.AppendTCP(nil, &p, &craft.TCP{Seq: wire.Seq(i), Flags: wire.ACK, Opts: wire.OptTimestamp}, text)
		frames = append(frames, Frame{Data: data, Timestamp: start + int64(i), WireLen: uint32(len(data)), Link: wire.LinkEthernet})
	}
	for _, shards := range []int{1, 4} {
		for _, batch := range []int{16, 64, 128, 256, 1024} {
			b.Run(fmt.Sprintf("shards=%d/batch=%d", shards, batch), func(b *testing.B) {
				src := NewMemory(frames...)
				outlets := make([]Outlet, shards)
				for i := range outlets {
					outlets[i] = new(sink)
				}
				r, err := NewReceiver(src, outlets, Options{BatchFrames: batch})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				var c Chunk
				for b.Loop() {
					src.Rewind(time.Second)
					for src.Next(&c) == nil {
						r.take(&c)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(frames)), "ns/packet")
			})
		}
	}
}
