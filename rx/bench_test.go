package rx

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/gopacket/pcapgo"
)

// benchFrames and benchMean make a capture of about 64 MB, of the sizes that
// packets have on the wire: a third is small, a third is full.
const (
	benchFrames = 90_000
	benchOctets = 64 << 20
)

// benchCapture is the capture that the benchmarks read.
var benchCapture = sync.OnceValue(func() []byte {
	r := rand.New(rand.NewPCG(1, 1))
	block := make([]byte, 1500)
	for i := range block {
		block[i] = byte(r.Uint32())
	}
	frames := make([]Frame, 0, benchFrames)
	for octets := 0; octets < benchOctets; {
		n := [...]int{66, 66 + r.IntN(1400), 1500}[r.IntN(3)]
		frames = append(frames, Frame{Data: block[:n], Timestamp: int64(len(frames)+1) * 1000, WireLen: uint32(n)})
		octets += n + pcapRecordOctets
	}
	return pack(binary.LittleEndian, magicMicro, 1, frames)
})

func benchFile(b *testing.B) string {
	path := filepath.Join(b.TempDir(), "bench.pcap")
	if err := os.WriteFile(path, benchCapture(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// touch looks at the headers of each frame, as a parser does.
func touch(frames []Frame) (n int, sum byte) {
	for i := range frames {
		if d := frames[i].Data; len(d) > 54 {
			sum += d[12] + d[30] + d[54]
		}
	}
	return len(frames), sum
}

func benchSource(b *testing.B, open func() Source) {
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		src := open()
		var c Chunk
		for {
			if err := src.Next(&c); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			n, _ := touch(c.Frames)
			packets += n
			c.Release()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}

// BenchmarkCapture reads the capture as File does, through blocks of several
// lengths: how blockOctets was chosen.
func BenchmarkCapture(b *testing.B) {
	path := benchFile(b)
	for _, bc := range []struct {
		name   string
		octets int
	}{{"64KiB", 64 << 10}, {"256KiB", 256 << 10}, {"512KiB", 512 << 10}, {"1MiB", 1 << 20}, {"2MiB", 2 << 20}, {"4MiB", 4 << 20}} {
		b.Run(bc.name, func(b *testing.B) {
			benchSource(b, func() Source { return newCapture(bc.octets, fileOrigin(path)) })
		})
	}
}

// BenchmarkPcapgo reads the same capture with gopacket's reader, and bufio in
// front of it.
func BenchmarkPcapgo(b *testing.B) {
	path := benchFile(b)
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		r, err := pcapgo.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, _, err := r.ZeroCopyReadPacketData(); err != nil {
				break
			}
			packets++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
