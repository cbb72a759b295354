package shard

import (
	"fmt"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// BenchmarkLives takes whole lives of connections through a shard: 16 segments
// each, 1,000 at a time, parsed beforehand. Each turn comes so much later that
// the flows of the one before have been idle for long enough to end.
func BenchmarkLives(b *testing.B) {
	for _, octets := range []int{1, 1400} {
		frames := lives(b, octets)
		for _, m := range modes {
			b.Run(fmt.Sprintf("%s/%d", m.name, octets), func(b *testing.B) {
				s := &steady{pool: buffers.NewBatchPool(128, 1)}
				var ctl controller
				sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
				if err == nil {
					err = m.ask(s, sock)
				}
				if err == nil {
					s.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot())
				}
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					for at := 0; at < len(frames); {
						batch := s.pool.Get()
						n := copy(batch.Frames[:cap(batch.Frames)], frames[at:])
						batch.Frames = batch.Frames[:n]
						at += n
						s.shard.run(batch)
					}
					for i := range frames {
						frames[i].Clock += int64(3 * time.Hour)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/packet")
			})
		}
	}
}

// lives returns the parsed frames of 10,000 connections.
func lives(tb testing.TB, octets int) (frames []buffers.Frame) {
	conns, err := traffic.NewConnections(traffic.Staggered(1, 10_000, 1000, octets))
	if err != nil {
		tb.Fatal(err)
	}
	var parser wire.Parser
	for ns, data := range traffic.All(conns) {
		f := buffers.Frame{Data: append([]byte(nil), data...), Clock: ns, Timestamp: ns, Number: uint64(len(frames) + 1), WireLen: uint32(len(data)), Link: wire.LinkEthernet}
		parser.Parse(&f.Packet, f.Link, f.Data)
		f.Hash = f.Packet.Key.Hash(1)
		frames = append(frames, f)
	}
	return frames
}
