package mbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

var (
	floodFull  = flag.Bool("flood.full", false, "floods of five million frames under 256 MiB, not of 120,000 under 32 MiB")
	floodChild = flag.String("flood.child", "", "for TestFloodChild alone: the flood to run, as JSON")
)

// flood is a flood and the connections that must survive it.
type flood struct {
	Kind        traffic.FloodKind
	Frames      uint64 // 0: no flood at all
	Connections int
	Memory      uint64
	Shards      int
}

// floodResult is what became of it.
type floodResult struct {
	Resident uint64   // octets, the most there were at a time
	Lost     []string // connections whose octets are not those that were sent
	Read     int      // connections whose octets are
	Started  int      // of them, those that began while the flood was on
	Evicted  uint64   // flows
	Fragment uint64   // fragments evicted
	Balanced bool
	Seconds  float64 // of the traffic
}

var floodKinds = []struct {
	name string
	kind traffic.FloodKind
}{{"syn", traffic.FloodSYN}, {"udp", traffic.FloodUDP}, {"fragment", traffic.FloodFragment}}

// Under a flood, memory stays within its limit and a tenth, and connections that
// were there before it or begin during it lose no octet.
func TestFloods(t *testing.T) {
	if testing.Short() {
		t.Skip("floods take seconds")
	}
	f := flood{Frames: 120_000, Connections: 600, Memory: 32 << 20, Shards: 2}
	if *floodFull {
		f = flood{Frames: 5_000_000, Connections: 10_000, Memory: 256 << 20, Shards: 2}
	}
	calm := f
	calm.Frames = 0
	if r := runFlood(t, calm); len(r.Lost) > 0 || r.Read != f.Connections {
		t.Fatalf("without a flood, %d of %d connections lose octets: %v", len(r.Lost), f.Connections, few(r.Lost))
	}
	for _, k := range floodKinds {
		f.Kind = k.kind
		r := runFlood(t, f)
		t.Logf("%s: %.0f MiB resident at most, %d connections intact, %d of them began during the flood; %d flows, %d fragments evicted",
			k.name, float64(r.Resident)/(1<<20), r.Read, r.Started, r.Evicted, r.Fragment)
		if len(r.Lost) > 0 || r.Read != f.Connections {
			t.Errorf("%s: %d connections lose octets, %d of %d are intact: %v", k.name, len(r.Lost), r.Read, f.Connections, few(r.Lost))
		}
		if r.Started < f.Connections/2 {
			t.Errorf("%s: only %d connections began during the flood", k.name, r.Started)
		}
		if !r.Balanced || r.Evicted+r.Fragment == 0 {
			t.Errorf("%s: balanced %v, %d flows and %d fragments evicted", k.name, r.Balanced, r.Evicted, r.Fragment)
		}
		// The program itself, its code and its runtime, is a tenth of 256 MiB.
		most := f.Memory + max(f.Memory/10, 26<<20)
		if r.Resident > most && !assert.Enabled { // checked builds have other memory beside
			t.Errorf("%s: %d octets were resident, the limit is %d", k.name, r.Resident, most)
		}
	}
}

// few cuts a list to what a person reads.
func few(all []string) []string { return all[:min(len(all), 3)] }

// runFlood runs a flood in a program of its own, whose memory can be told apart.
func runFlood(t *testing.T, f flood) (r floodResult) {
	t.Helper()
	what, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestFloodChild$", "-flood.child="+string(what))
	out, err := cmd.CombinedOutput()
	_, answer, found := bytes.Cut(out, []byte(floodAnswer))
	if err != nil || !found {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
	if err := json.NewDecoder(bytes.NewReader(answer)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// floodAnswer is what a child's answer stands behind.
const floodAnswer = "\nflood result: "

// TestFloodChild is not a test but the program that TestFloods runs.
func TestFloodChild(t *testing.T) {
	if *floodChild == "" {
		t.Skip("TestFloods runs it")
	}
	var f flood
	if err := json.Unmarshal([]byte(*floodChild), &f); err != nil {
		t.Fatal(err)
	}
	debug.SetMemoryLimit(int64(f.Memory)) // as the command line does
	r := f.run(t)
	answer, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s%s\n", floodAnswer, answer)
}

// legitimate describes the connections that a flood must not harm: pages over a
// path that loses and reorders, spread over the five seconds of a full flood.
func (f *flood) legitimate() traffic.Config {
	return traffic.Config{
		Seed: 7, Connections: f.Connections, Concurrent: f.Connections / 20, Exchanges: 2, AckEvery: 2,
		Lost: 0.01, Reordered: 0.05, Turn: time.Duration(max(f.Frames, 100_000)) * 4 * time.Nanosecond,
	}
}

func (f *flood) run(t *testing.T) (r floodResult) {
	conns, err := traffic.NewConnections(f.legitimate())
	if err != nil {
		t.Fatal(err)
	}
	stream := traffic.Merge(conns)
	if f.Frames > 0 {
		frames, err := traffic.NewFlood(traffic.FloodConfig{Kind: f.Kind, Frames: f.Frames, Octets: 64})
		if err != nil {
			t.Fatal(err)
		}
		stream = traffic.Merge(frames, conns)
	}
	s := stack(t, mbox.Config{Memory: f.Memory, Shards: f.Shards})
	h := hashFlows(t, s)
	src := newStreamSource(stream)
	if err := s.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	got := h.sums(t, s)
	for flow := range conns.Flows() {
		g := got[flow.Client]
		if g == nil || g.sum[0] != flow.SHA256(wire.ToServer) || g.sum[1] != flow.SHA256(wire.ToClient) {
			r.Lost = append(r.Lost, fmt.Sprintf("%v: %v", flow.Client, g))
			continue
		}
		r.Read++
		if began := g.began - src.first; began > 0 && uint64(began) < f.Frames*uint64(time.Microsecond) {
			r.Started++
		}
	}
	st := s.Stats()
	total := st.Total()
	r.Balanced, r.Evicted, r.Fragment = st.Balanced(), total.Ended[mbox.EndEvicted], st.Sources[0].Fragments.Evicted
	r.Seconds = float64(src.last-src.first) / 1e9
	if r.Resident, err = sys.PeakResident(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	return r
}

// hasher hashes both streams of the connections to port 80.
type hasher struct {
	key  mbox.Key[[2]hash.Hash]
	done *mbox.Local[map[netip.AddrPort]*hashed]
}

// hashed is what a connection's streams held.
type hashed struct {
	sum    [2][sha256.Size]byte
	reason string
	gaps   uint64
	began  int64
}

// String says what speaks against the octets.
func (h *hashed) String() string {
	if h == nil {
		return "not there"
	}
	return fmt.Sprintf("ended %s, %d octets missing", h.reason, h.gaps)
}

func hashFlows(t *testing.T, s *mbox.Stack) *hasher {
	h := &hasher{key: mbox.NewKey[[2]hash.Hash](),
		done: mbox.NewLocal(s, func() map[netip.AddrPort]*hashed { return map[netip.AddrPort]*hashed{} })}
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
		if c.Conn() == nil {
			return
		}
		both := h.key.Of(c)
		if both[c.Side()] == nil {
			both[c.Side()] = sha256.New()
		}
		both[c.Side()].Write(c.Payload())
	})
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		both := h.key.Get(c)
		if both == nil {
			return
		}
		ends := &hashed{reason: c.Reason().String(), gaps: c.Evidence().GapOctets, began: c.FirstSeen().UnixNano()}
		for d, one := range both {
			if one != nil {
				one.Sum(ends.sum[d][:0])
			}
		}
		(*h.done.Of(c))[c.Flow().Client()] = ends
	})
	return h
}

// sums returns what was hashed, by client.
func (h *hasher) sums(t *testing.T, s *mbox.Stack) map[netip.AddrPort]*hashed {
	all := map[netip.AddrPort]*hashed{}
	err := h.done.Fold(func(part *map[netip.AddrPort]*hashed) {
		for client, sums := range *part {
			all[client] = sums
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// streamSource plays a generated stream without having it in memory.
type streamSource struct {
	stream      traffic.Stream
	free        chan *buffers.Block
	frames      []rx.Frame
	first, last int64 // times
}

// streamBlockOctets and streamFrames bound a chunk.
const (
	streamBlockOctets = 256 << 10
	streamFrames      = 1024
)

func newStreamSource(s traffic.Stream) *streamSource {
	return &streamSource{stream: s, free: make(chan *buffers.Block, 16)}
}

// Next implements rx.Source.
func (s *streamSource) Next(c *rx.Chunk) error {
	var block *buffers.Block
	select {
	case block = <-s.free:
	default:
		block = buffers.NewBlock(make([]byte, 0, streamBlockOctets+1<<16), func(b *buffers.Block) {
			select {
			case s.free <- b:
			default: // enough are kept
			}
		})
	}
	block.Retain()
	mem := block.Mem[:0]
	s.frames = s.frames[:0]
	for len(s.frames) < streamFrames && len(mem) < streamBlockOctets {
		frame, ns, ok := s.stream.Next(mem)
		if !ok {
			break
		}
		mem = mem[:len(mem)+len(frame)]
		s.frames = append(s.frames, rx.Frame{Data: frame[:len(frame):len(frame)], Timestamp: ns, WireLen: uint32(len(frame)), Link: wire.LinkEthernet})
		if s.first == 0 {
			s.first = ns
		}
		s.last = ns
	}
	if len(s.frames) == 0 {
		block.Release()
		return io.EOF
	}
	*c = rx.Chunk{Frames: s.frames, Block: block}
	return nil
}

// Close implements rx.Source.
func (s *streamSource) Close() error { return nil }
