package traffic

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/mbox-stack/mbox/wire"
)

// workloads are small versions of all there are.
func workloads() map[string]Config {
	six := Lossy(7, 10)
	six.IPv6, six.Timestamps, six.Exchanges, six.ResponseOctets = true, true, 2, 10_000
	awful := Config{Seed: 3, Connections: 5, AckEvery: 1, SegmentOctets: 100, Lost: 0.4, Reordered: 0.5}
	silent := Config{Seed: 4, Connections: 5, Lost: 0.3, Reordered: 0.3, SegmentOctets: 700}
	return map[string]Config{
		"default": {Connections: 10}, "staggered": Staggered(1, 60, 20, 1400), "bare": Staggered(6, 60, 20, 0), "pages": Pages(2, 20), "bulk": Bulk(3, 2, 100_000),
		"lossy": Lossy(5, 10), "ipv6": six, "awful": awful, "silent": silent,
		"tiny": {Seed: 9, Connections: 4, RequestOctets: 1, ResponseOctets: 3, SegmentOctets: 1, Exchanges: 5},
	}
}

func mustConnections(t testing.TB, c Config) *Connections {
	t.Helper()
	s, err := NewConnections(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustFlood(t testing.TB, c FloodConfig) *Flood {
	t.Helper()
	f, err := NewFlood(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// collect returns all frames of a stream, and checks that time never goes back.
func collect(t testing.TB, s Stream) (frames [][]byte) {
	t.Helper()
	last := int64(0)
	for ns, frame := range All(s) {
		if ns < last {
			t.Fatalf("frame %d: time goes back by %d ns", len(frames), last-ns)
		}
		last = ns
		frames = append(frames, bytes.Clone(frame))
	}
	return frames
}

// checkFlows compares what a slow reader found with what a workload promises.
func checkFlows(t *testing.T, r *slowReader, flows iter.Seq[Flow]) {
	t.Helper()
	left := slices.Clone(r.conns)
	for f := range flows {
		i := slices.IndexFunc(left, func(c *slowConn) bool { return c.ends == [2]netip.AddrPort{f.Client, f.Server} })
		if i < 0 {
			t.Fatalf("%v -> %v is not in the frames", f.Client, f.Server)
		}
		for _, d := range []wire.Dir{wire.ToServer, wire.ToClient} {
			got := left[i].stream(d)
			if want := f.AppendStream(nil, d); !bytes.Equal(got, want) || uint64(len(got)) != f.Octets[d] {
				t.Errorf("%v -> %v (%s): the %v's %d octets are not the %d promised", f.Client, f.Server, f.Note, d, len(got), f.Octets[d])
			}
			if f.SHA256(d) != sha256.Sum256(got) {
				t.Errorf("%v -> %v: the %v's hash differs", f.Client, f.Server, d)
			}
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		t.Errorf("%d connections in the frames that nobody promised", len(left))
	}
}

func TestConnectionsHoldWhatTheyPromise(t *testing.T) {
	for name, c := range workloads() {
		t.Run(name, func(t *testing.T) {
			s, r := mustConnections(t, c), newSlowReader(t)
			r.causal = true
			for _, frame := range collect(t, s) {
				r.read(frame)
			}
			checkFlows(t, r, s.Flows())
		})
	}
}

func TestSameSeedSameFrames(t *testing.T) {
	for name, c := range workloads() {
		a, b := collect(t, mustConnections(t, c)), collect(t, mustConnections(t, c))
		c.Seed += 100
		other := collect(t, mustConnections(t, c))
		if !slices.EqualFunc(a, b, bytes.Equal) {
			t.Errorf("%s: two runs differ", name)
		}
		if slices.EqualFunc(a, other, bytes.Equal) {
			t.Errorf("%s: another seed gives the same frames", name)
		}
	}
	if !slices.EqualFunc(collect(t, NewDemo()), collect(t, NewDemo()), bytes.Equal) {
		t.Error("two demos differ")
	}
}

// With everything late, planning a long stream still takes linear time: a test
// that hangs says otherwise.
func TestAllLate(t *testing.T) {
	c := Config{Seed: 1, Connections: 1, ResponseOctets: 1 << 18, SegmentOctets: 2, AckEvery: 2, Lost: 0.5, Reordered: 0.5}
	s, n := mustConnections(t, c), 0
	for range All(s) {
		n++
	}
	if least := 1 << 18 / 2; n < least {
		t.Errorf("%d frames, want at least %d", n, least)
	}
}

// What the figures of the benchmarks stand on: 3 + 10 + 3 segments, full ones,
// and as many connections open as was asked for.
func TestStaggeredShape(t *testing.T) {
	for _, text := range []int{0, 1000} {
		t.Run(fmt.Sprint(text), func(t *testing.T) { checkStaggered(t, text) })
	}
}

func checkStaggered(t *testing.T, text int) {
	const conns, concurrent = 120, 30
	texts := [2]int{2, 8}
	if text == 0 {
		texts = [2]int{}
	}
	r := newSlowReader(t)
	open, most, changes := map[*slowConn]bool{}, 0, 0
	var last *slowConn
	for _, frame := range collect(t, mustConnections(t, Staggered(1, conns, concurrent, text))) {
		c := r.read(frame)
		if c != last {
			changes++
		}
		last, open[c] = c, true
		most = max(most, len(open))
		if c.segments == 16 {
			delete(open, c)
		}
	}
	if most < concurrent*9/10 || most > concurrent {
		t.Errorf("up to %d connections at a time, want %d", most, concurrent)
	}
	for _, c := range r.conns {
		if c.segments != 16 || c.texts != texts || len(c.octets[0]) != 2*text || len(c.octets[1]) != 8*text {
			t.Errorf("%v: %d segments, %v with text, %d and %d octets", c.ends, c.segments, c.texts, len(c.octets[0]), len(c.octets[1]))
		}
	}
	if len(r.conns) != conns || changes < conns*16*9/10 {
		t.Errorf("%d connections; %d of %d frames follow one of another", len(r.conns), changes, conns*16)
	}
}

func TestLossyShares(t *testing.T) {
	r := newSlowReader(t)
	for _, frame := range collect(t, mustConnections(t, Lossy(11, 20))) {
		r.read(frame)
	}
	texts, late := 0, 0
	for _, c := range r.conns {
		texts, late = texts+c.texts[1], late+c.late[1]
	}
	// 6 of 100 are out of turn; a late one that two others overtake counts once.
	if share := float64(late) / float64(texts); share < 0.04 || share > 0.08 {
		t.Errorf("%d of %d segments come late: %.3f", late, texts, share)
	}
}

// RFC 9112: what the streams hold are requests and responses that net/http
// reads, back to back, each of the size that was asked for.
func TestStreamsAreHTTP(t *testing.T) {
	for _, size := range []int{300, 301, 1000, 1159, 1160, 1161, 8192, 100_133} {
		s := mustConnections(t, Config{Connections: 3, Exchanges: 3, RequestOctets: 400, ResponseOctets: size, AckEvery: 2})
		for f := range s.Flows() {
			reqs := bufio.NewReader(bytes.NewReader(f.AppendStream(nil, wire.ToServer)))
			ress := bufio.NewReader(bytes.NewReader(f.AppendStream(nil, wire.ToClient)))
			for range 3 {
				req, err := http.ReadRequest(reqs)
				if err != nil || !strings.HasPrefix(req.URL.Path, "/site/") || len(req.Cookies()) != 1 {
					t.Fatalf("request: %v, %v", req, err)
				}
				res, err := http.ReadResponse(ress, req)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(res.Body); err != nil || int64(len(body)) != res.ContentLength {
					t.Fatalf("body of %d octets, announced %d: %v", len(body), res.ContentLength, err)
				}
			}
			if reqs.Buffered()+ress.Buffered() != 0 {
				t.Errorf("size %d: octets behind the last message", size)
			}
		}
	}
}

// Any piece of a stream is the piece of the whole stream.
func TestTextByPieces(t *testing.T) {
	s := mustConnections(t, Config{Connections: 2, Exchanges: 3, RequestOctets: 310, ResponseOctets: 70_000, AckEvery: 1})
	for f := range s.Flows() {
		for _, d := range []wire.Dir{wire.ToServer, wire.ToClient} {
			whole := f.AppendStream(nil, d)
			for step := uint64(1); step < 4000; step += 97 {
				for off := step % 13; off < f.Octets[d]; off += 8191 {
					n := min(step, f.Octets[d]-off)
					if got := f.text.appendText(nil, d, off, n); !bytes.Equal(got, whole[off:off+n]) {
						t.Fatalf("%v: octets %d to %d differ", d, off, off+n)
					}
				}
			}
		}
	}
}

func TestFloodsNeverRepeat(t *testing.T) {
	type source struct {
		addr netip.Addr
		id   uint32
	}
	for kind := range floodKinds {
		for _, six := range []bool{false, true} {
			seen := map[source]bool{}
			f := mustFlood(t, FloodConfig{Kind: kind, Seed: 5, Frames: 5000, IPv6: six})
			for _, frame := range collect(t, f) {
				pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
				src, _ := addrs(pkt)
				seen[source{src, floodID(t, pkt, kind)}] = true
			}
			if len(seen) != 5000 {
				t.Errorf("flood %d, IPv6 %v: %d sources in 5000 frames", kind, six, len(seen))
			}
		}
	}
	seen := make(map[uint64]bool, 200_000)
	for n := range uint64(200_000) {
		seen[scatter(99, n)] = true
	}
	if len(seen) != 200_000 {
		t.Errorf("scatter gives %d values for 200,000", len(seen))
	}
}

// floodID returns what tells a flood's frame apart from others of its source,
// and checks that the frame is of its kind.
func floodID(t *testing.T, pkt gopacket.Packet, kind FloodKind) uint32 {
	t.Helper()
	if kind == FloodFragment {
		if l, ok := pkt.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); ok {
			if l.MoreFragments == (l.FragmentOffset > 0) {
				t.Fatalf("neither a first nor a last fragment: %+v", l)
			}
			return l.Identification
		}
		ip := pkt.NetworkLayer().(*layers.IPv4)
		if (ip.Flags&layers.IPv4MoreFragments != 0) == (ip.FragOffset > 0) {
			t.Fatalf("neither a first nor a last fragment: %+v", ip)
		}
		return uint32(ip.Id)
	}
	switch l := pkt.TransportLayer().(type) {
	case *layers.TCP:
		if kind != FloodSYN || !l.SYN || l.ACK {
			t.Fatalf("flood %d: %+v", kind, l)
		}
		return uint32(l.SrcPort)
	case *layers.UDP:
		if kind != FloodUDP || len(l.Payload) != 32 {
			t.Fatalf("flood %d: %+v", kind, l)
		}
		return uint32(l.SrcPort)
	}
	t.Fatalf("flood %d: no transport header", kind)
	return 0
}

// A flood does not change what the connections within it hold.
func TestMerge(t *testing.T) {
	conns := mustConnections(t, Pages(1, 20))
	flood := mustFlood(t, FloodConfig{Frames: 2000, Gap: 30 * time.Microsecond})
	r := newSlowReader(t)
	frames := collect(t, Merge(flood, conns))
	syns, mixed := 0, 0
	for i, frame := range frames {
		if frame[26] == 100 {
			syns++
			continue
		}
		if i > 0 && frames[i-1][26] == 100 {
			mixed++
		}
		r.read(frame)
	}
	checkFlows(t, r, conns.Flows())
	if syns != 2000 || mixed < 100 {
		t.Errorf("%d frames of the flood, %d times followed by another", syns, mixed)
	}
	if n := len(collect(t, Merge())); n != 0 {
		t.Errorf("%d frames from nothing", n)
	}
}

func TestSitesDoNotMeet(t *testing.T) {
	a, b := Pages(1, 6000), Pages(1, 6000)
	b.Site = 1
	seen := map[[2]netip.AddrPort]bool{}
	for _, c := range []Config{a, b} {
		for f := range mustConnections(t, c).Flows() {
			seen[[2]netip.AddrPort{f.Client, f.Server}] = true
		}
	}
	if len(seen) != 12_000 {
		t.Errorf("%d pairs of endpoints for 12,000 connections", len(seen))
	}
	last := a.endpoints(connectionsMax)
	if first := a.endpoints(connectionsMax % (hostsPerSite * portsPerHost)); last[0].Port() != first[0].Port() || last == first {
		t.Errorf("the last connection is between %v", last)
	}
}

// The demo's promises, and that it is small enough to look at.
func TestDemo(t *testing.T) {
	d, r := NewDemo(), newSlowReader(t)
	frames := collect(t, d)
	for _, frame := range frames {
		r.read(frame)
	}
	checkFlows(t, r, d.Flows())
	if len(frames) < 200 || len(frames) > 500 {
		t.Errorf("%d frames", len(frames))
	}
	for f := range d.Flows() {
		if f.Note == "" {
			t.Errorf("%v has no note", f.Client)
		}
	}
}

// RFC 9293 §3.10.7.4, fifth step: in whatever order pieces arrive, what is
// acknowledged is all that has come without a hole.
func TestTalkAcknowledgesWhatHasArrived(t *testing.T) {
	for order := range 4 * 4 * 4 * 4 {
		talk := (&script{}).talk(0, at(ada, 1), at(news, 2), "")
		talk.mss = 10
		pieces := talk.cut(wire.ToServer, make([]byte, 35))
		first, came := pieces[0].seq, [4]bool{}
		for _, i := range [4]int{order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6} {
			talk.put(pieces[i])
			came[i] = true
			want := first
			for n, c := range pieces {
				if !came[n] {
					break
				}
				want = c.end()
			}
			if got := talk.got[wire.ToClient]; got != want {
				t.Fatalf("order %08b: %d octets acknowledged, want %d", order, got.Diff(first), want.Diff(first))
			}
		}
	}
}

// RFC 1035 §4: gopacket reads the demo's questions and answers.
func TestDNS(t *testing.T) {
	q := dnsQuestion{id: 7, name: "news.example", qtype: dnsA}
	var m layers.DNS
	if err := m.DecodeFromBytes(q.appendAnswer(nil, []byte{192, 0, 2, 80}, []byte{192, 0, 2, 81}), gopacket.NilDecodeFeedback); err != nil {
		t.Fatal(err)
	}
	if len(m.Answers) != 2 || m.Answers[1].IP.String() != "192.0.2.81" || string(m.Answers[0].Name) != "news.example" || !m.QR {
		t.Errorf("%+v", m)
	}
	if err := m.DecodeFromBytes(q.appendQuery(nil), gopacket.NilDecodeFeedback); err != nil || m.QR || len(m.Questions) != 1 {
		t.Errorf("%v, %+v", err, m)
	}
}

func TestWriteCapture(t *testing.T) {
	for _, snaplen := range []int{0, 96} {
		var file bytes.Buffer
		n, err := WriteCapture(&file, NewDemo(), snaplen)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		want := NewDemo()
		for i := range n {
			frame, ns, _ := want.Next(nil)
			data, info, err := r.ReadPacketData()
			if err != nil || info.Timestamp.UnixNano() != ns || info.Length != len(frame) {
				t.Fatalf("frame %d: %+v, %v", i, info, err)
			}
			if snaplen > 0 {
				frame = frame[:min(len(frame), snaplen)]
			}
			if !bytes.Equal(data, frame) {
				t.Fatalf("frame %d differs", i)
			}
		}
		if _, _, ok := want.Next(nil); ok {
			t.Error("frames are missing")
		}
	}
}

// failing is a disk that is full.
type failing struct{}

var errFull = errors.New("full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestWriteCaptureReportsErrors(t *testing.T) {
	if _, err := WriteCapture(failing{}, NewDemo(), 0); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	lossy := Lossy(1, 100_000)
	lossy.Concurrent = 10
	conns := mustConnections(t, lossy)
	buf := make([]byte, 0, 2048)
	for range 50_000 { // until plans have found their size
		buf, _, _ = conns.Next(buf[:0])
	}
	merged := Merge(conns, mustFlood(t, FloodConfig{Kind: FloodUDP}), mustFlood(t, FloodConfig{Kind: FloodFragment}))
	allocs := testing.AllocsPerRun(5000, func() { buf, _, _ = merged.Next(buf[:0]) })
	if allocs != 0 {
		t.Errorf("%v allocations a frame", allocs)
	}
}

func TestBadConfigs(t *testing.T) {
	for want, c := range map[string]Config{
		"Connections":    {Connections: -1, Concurrent: 1},
		"Concurrent":     {Concurrent: -1},
		"Exchanges":      {Exchanges: -1},
		"RequestOctets":  {RequestOctets: -1},
		"ResponseOctets": {ResponseOctets: windowOctets + 1},
		"SegmentOctets":  {SegmentOctets: 70_000},
		"AckEvery":       {AckEvery: 1000},
		"Lost":           {Lost: 0.6},
		"Reordered":      {Reordered: -1},
		"Turn":           {Turn: -time.Second},
	} {
		if _, err := NewConnections(c); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, c := range map[string]FloodConfig{
		"number": {Kind: floodKinds}, "Frames": {Frames: 1 << 40}, "Octets": {Octets: 5000}, "Gap": {Gap: -1},
	} {
		if _, err := NewFlood(c); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	_, err := NewConnections(Config{Lost: 2, Reordered: 2})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not every problem at once: %v", err)
	}
}

// FuzzConnections runs whatever description is accepted and reads it back.
func FuzzConnections(f *testing.F) {
	f.Add(uint64(1), 2, 400, 8192, 1460, 2, uint8(10), uint8(50), false)
	f.Add(uint64(2), 1, 1, 9, 2, 0, uint8(255), uint8(255), true)
	f.Fuzz(func(t *testing.T, seed uint64, exchanges, request, response, segment, ackEvery int, lost, reordered uint8, six bool) {
		c := Config{
			Seed: seed, Connections: 3, Exchanges: exchanges % 4, RequestOctets: request % 5000, ResponseOctets: response % 20_000,
			SegmentOctets: segment, AckEvery: ackEvery, Lost: float64(lost) / 512, Reordered: float64(reordered) / 512,
			IPv6: six, Timestamps: six,
		}
		s, err := NewConnections(c)
		if err != nil {
			return
		}
		r := newSlowReader(t)
		r.causal = true
		for _, frame := range collect(t, s) {
			r.read(frame)
		}
		checkFlows(t, r, s.Flows())
	})
}

func BenchmarkStaggered(b *testing.B) {
	s := mustConnections(b, Staggered(1, 1<<30, 1000, 1400))
	var buf []byte
	for b.Loop() {
		buf, _, _ = s.Next(buf[:0])
	}
}

func BenchmarkFloodSYN(b *testing.B) {
	s := mustFlood(b, FloodConfig{Frames: 1 << floodBits})
	var buf []byte
	for b.Loop() {
		buf, _, _ = s.Next(buf[:0])
	}
}
