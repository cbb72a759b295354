package mbox_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/wire"
)

// modes are what a stack may be asked to do, each more than the one before.
var modes = []struct {
	name string
	ask  func(*mbox.Socket) error
}{
	// track follows both endpoints of every connection for its record alone.
	{"track", func(s *mbox.Socket) error {
		return s.Handle(mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
	}},
	// events tells of every packet, before and after.
	{"events", func(s *mbox.Socket) error {
		if err := s.Handle(mbox.OnPacket, mbox.PreTCP, func(*mbox.Context) {}); err != nil {
			return err
		}
		return s.Handle(mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) {})
	}},
	// read puts both streams of every connection in order and counts them.
	{"read", func(s *mbox.Socket) error {
		octets := 0
		return s.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { octets += len(c.Payload()) })
	}},
}

// memory generates frames into memory.
func memory(tb testing.TB, s traffic.Stream) *rx.Memory {
	tb.Helper()
	var frames []rx.Frame
	for ns, frame := range traffic.All(s) {
		frames = append(frames, rx.Frame{Data: append([]byte(nil), frame...), Timestamp: ns, WireLen: uint32(len(frame)), Link: wire.LinkEthernet})
	}
	return rx.NewMemory(frames...)
}

// BenchmarkStack runs whole stacks of one shard from memory: receiving, parsing,
// hand-over, tracking, handlers. Tables grow from nothing in every run.
func BenchmarkStack(b *testing.B) {
	for _, octets := range []int{64, 1400} {
		conns, err := traffic.NewConnections(traffic.Staggered(1, 5000, 1000, octets))
		if err != nil {
			b.Fatal(err)
		}
		src := memory(b, conns)
		for _, m := range modes {
			b.Run(fmt.Sprintf("%s/%d", m.name, octets), func(b *testing.B) {
				b.ReportAllocs()
				begin, known := sys.CPUTime()
				for b.Loop() {
					src.Rewind(0)
					stack, err := mbox.New(mbox.Config{Shards: 1, Checksums: mbox.ChecksumsOff})
					if err != nil {
						b.Fatal(err)
					}
					if err := m.ask(stack.Monitor(mbox.Stream)); err != nil {
						b.Fatal(err)
					}
					if err := stack.Run(context.Background(), src); err != nil {
						b.Fatal(err)
					}
				}
				end, _ := sys.CPUTime()
				packets := float64(b.N * src.Len())
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/packets, "ns/packet")
				if known == nil {
					b.ReportMetric(float64((end-begin).Nanoseconds())/packets, "cpu-ns/packet")
				}
				b.SetBytes(src.Octets())
			})
		}
	}
}

// BenchmarkCensus: what it costs to count flows by their state, a flow.
func BenchmarkCensus(b *testing.B) {
	const flows = 500_000
	f, err := traffic.NewFlood(traffic.FloodConfig{Frames: flows})
	if err != nil {
		b.Fatal(err)
	}
	src := memory(b, f)
	s, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		b.Fatal(err)
	}
	s.Monitor(mbox.Stream)
	open := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- s.Run(context.Background(), &gate{Source: src, before: map[int]chan struct{}{(flows + 2047) / 2048: open}})
	}()
	for st := s.Stats(); len(st.Shards) == 0 || st.Shards[0].Live < flows; st = s.Stats() {
		if err := s.Ping(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if c, err := s.Census(); err != nil || c.Flows[shard.PhaseEmbryonic] != flows {
			b.Fatal(c, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/flows, "ns/flow")
	close(open)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
