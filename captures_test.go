package mbox_test

import (
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// capture is traffic of our own that shows something.
type capture struct {
	name   string
	memory uint64 // of the stack
	frames func(testing.TB) []rx.Frame
	shows  func(*mbox.Stats) bool
}

// memoryLeast is the least that a stack may have.
const memoryLeast = 32 << 20

func captures() []capture {
	return []capture{
		{"lossy", 0, func(t testing.TB) []rx.Frame {
			return generate(t, traffic.Lossy(1, 25))
		}, func(st *mbox.Stats) bool { return st.Total().Ended[mbox.EndFIN] == 25 && st.Total().Gaps == 0 }},
		{"timers", 0, func(t testing.TB) []rx.Frame {
			// Pauses of minutes: most connections fall silent for longer than they may.
			return generate(t, traffic.Config{Seed: 2, Connections: 120, Exchanges: 3, Turn: 4 * time.Minute, Gap: time.Minute, AckEvery: 2})
		}, func(st *mbox.Stats) bool { return st.Total().Timers > 120 && st.Total().Ended[mbox.EndIdle] > 20 }},
		{"eviction", memoryLeast, evicting,
			func(st *mbox.Stats) bool { return st.Total().Ended[mbox.EndEvicted] > 20 && st.Total().Timers > 100 }},
		{"pressure", memoryLeast, holes,
			func(st *mbox.Stats) bool { return st.Total().Pressed > 0 && st.Total().Gaps > 100 }},
		{"fragments", 0, fragments, func(st *mbox.Stats) bool {
			f := st.Sources[0].Fragments
			return f.Completed > 100 && f.Merged > 100 && f.Expired+f.Evicted+f.Held > 100
		}},
		{"midstream", 0, func(t testing.TB) []rx.Frame {
			all := generate(t, traffic.Staggered(5, 120, 100, 1400))
			return all[len(all)/3:]
		}, func(st *mbox.Stats) bool { return st.Total().Flows > 80 }},
		{"demo", 0, func(t testing.TB) []rx.Frame { return framesOf(traffic.NewDemo()) },
			func(st *mbox.Stats) bool { return st.Total().Raised > 0 && st.Total().Gaps > 0 }},
	}
}

// framesOf generates a stream into memory.
func framesOf(s traffic.Stream) (frames []rx.Frame) {
	for ns, frame := range traffic.All(s) {
		frames = append(frames, frameAt(ns, append([]byte(nil), frame...)))
	}
	return frames
}

func frameAt(ns int64, data []byte) rx.Frame {
	return rx.Frame{Data: data, Timestamp: ns, WireLen: uint32(len(data)), Link: wire.LinkEthernet}
}

func generate(t testing.TB, c traffic.Config) []rx.Frame {
	t.Helper()
	s, err := traffic.NewConnections(c)
	if err != nil {
		t.Fatal(err)
	}
	return framesOf(s)
}

func pour(t testing.TB, c traffic.FloodConfig) traffic.Stream {
	t.Helper()
	s, err := traffic.NewFlood(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// evicting is a flood that fills some slots, so slow that timers empty others.
func evicting(t testing.TB) []rx.Frame {
	conns, err := traffic.NewConnections(traffic.Pages(3, 150))
	if err != nil {
		t.Fatal(err)
	}
	return framesOf(traffic.Merge(conns,
		pour(t, traffic.FloodConfig{Kind: traffic.FloodSYN, Seed: 1, Frames: 16_000, Gap: 4100 * time.Microsecond}),
		pour(t, traffic.FloodConfig{Kind: traffic.FloodUDP, Seed: 2, Frames: 5000, Gap: 13 * time.Millisecond, IPv6: true})))
}

// holes are downloads of which the first segment is missing, and whose receivers
// are not heard: all octets behind it wait for ever.
func holes(t testing.TB) []rx.Frame {
	var p wire.Parser
	first := map[wire.FlowKey]bool{}
	var left []rx.Frame
	for _, f := range generate(t, traffic.Bulk(4, 80, 96<<10)) {
		var packet wire.Packet
		p.Parse(&packet, f.Link, f.Data)
		server := packet.Key.Endpoint(packet.Sender).Port() == 80
		switch {
		case packet.Segment.Flags.Has(wire.SYN):
		case !server:
			continue
		case packet.PayloadLen > 0 && !first[packet.Key]:
			first[packet.Key] = true
			continue
		}
		left = append(left, f)
	}
	return left
}

// fragments are pages whose packets are cut in pieces, some of which come in
// another order, twice or not at all, among others that never complete.
func fragments(t testing.TB) []rx.Frame {
	conns, err := traffic.NewConnections(traffic.Pages(6, 40))
	if err != nil {
		t.Fatal(err)
	}
	flood := pour(t, traffic.FloodConfig{Kind: traffic.FloodFragment, Frames: 3000, Gap: 20 * time.Millisecond})
	var p wire.Parser
	var cut []rx.Frame
	for ns, data := range traffic.All(traffic.Merge(conns, flood)) {
		var packet wire.Packet
		data = append([]byte(nil), data...)
		p.Parse(&packet, wire.LinkEthernet, data)
		if packet.Outcome != wire.Whole || packet.PayloadLen < 200 {
			cut = append(cut, frameAt(ns, data))
			continue
		}
		n := uint32(len(cut))
		path := craft.Path{Src: packet.Key.Endpoint(packet.Sender), Dst: packet.Key.Endpoint(packet.Sender ^ 1)}
		pieces := craft.Fragments(&path, packet.Key.Proto, n, data[packet.TransportOff:], 400)
		switch n % 8 {
		case 0:
			pieces[0], pieces[1] = pieces[1], pieces[0]
		case 1:
			pieces = append(pieces[:1:1], pieces...)
		case 2:
			if n%3 == 0 {
				pieces = pieces[1:]
			}
		}
		for _, piece := range pieces {
			cut = append(cut, frameAt(ns, piece))
		}
	}
	return cut
}
