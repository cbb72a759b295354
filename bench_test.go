package mbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/craft"
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
	f, err := traffic.NewFlood(traffic.FloodConfig{Frames: uint64(flows)})
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

// BenchmarkMoveSlots: what a flow costs that moves to another shard and back, in
// a slot of many and in one of few, without anything beside its record, with a
// value of a handler, and with octets that wait in its stream.
func BenchmarkMoveSlots(b *testing.B) {
	for _, c := range []struct {
		name  string
		flows int
		value bool
		holes bool
	}{{"tracked", 4096, false, false}, {"tracked", 400_000, false, false}, {"value", 400_000, true, false}, {"holes", 40_000, false, true}} {
		b.Run(fmt.Sprintf("%s/%d", c.name, c.flows), func(b *testing.B) {
			frames := ahead(b, c.flows, c.holes)
			s, err := mbox.New(mbox.Config{Shards: 2, Checksums: mbox.ChecksumsOff})
			if err != nil {
				b.Fatal(err)
			}
			sock, value := s.Monitor(mbox.Stream), mbox.NewKey[int]()
			if c.value {
				err = sock.Handle(mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { *value.Of(c)++ })
			} else if c.holes {
				err = sock.Handle(mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) {})
			}
			if err != nil {
				b.Fatal(err)
			}
			open, done := make(chan struct{}), make(chan error)
			go func() {
				done <- s.Run(context.Background(), &gate{Source: frames, before: map[int]chan struct{}{(frames.Len() + 2047) / 2048: open}})
			}()
			for st := s.Stats(); st.Total().Live < uint64(c.flows); st = s.Stats() {
				if err := s.Ping(); err != nil {
					b.Fatal(err)
				}
			}
			all := allSlots()
			if err := s.MoveSlots(0, all...); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			begin, known := sys.CPUTime()
			for b.Loop() {
				if err := errors.Join(s.MoveSlots(1, all...), s.MoveSlots(0, all...)); err != nil {
					b.Fatal(err)
				}
			}
			end, _ := sys.CPUTime()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N*c.flows), "ns/flow")
			if known == nil {
				b.ReportMetric(float64((end-begin).Nanoseconds())/float64(2*b.N*c.flows), "cpu-ns/flow")
			}
			close(open)
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// ahead is a connection's SYN each, and with holes a segment of 1,000 octets
// behind a missing one.
func ahead(b *testing.B, flows int, holes bool) *rx.Memory {
	b.Helper()
	f, err := traffic.NewFlood(traffic.FloodConfig{Frames: uint64(flows)})
	if err != nil {
		b.Fatal(err)
	}
	if !holes {
		return memory(b, f)
	}
	var frames []rx.Frame
	var p wire.Parser
	for ns, data := range traffic.All(f) {
		data = append([]byte(nil), data...)
		var packet wire.Packet
		p.Parse(&packet, wire.LinkEthernet, data)
		path := craft.Path{Src: packet.Key.Endpoint(packet.Sender), Dst: packet.Key.Endpoint(packet.Sender ^ 1)}
		text := craft.AppendTCP(nil, &path, &craft.TCP{Seq: packet.Segment.Seq.Add(100), Ack: 1, Flags: wire.ACK | wire.PSH, Wnd: 65535}, make([]byte, 1000))
		frames = append(frames, frameAt(ns, data), frameAt(ns, text))
	}
	return rx.NewMemory(frames...)
}
