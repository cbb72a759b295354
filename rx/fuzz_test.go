package rx

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/frag"
)

// checkTwin holds what Capture makes of data, an octet at a time through short
// blocks and at once through longer ones, against the slow twin.
func checkTwin(t *testing.T, data []byte) {
	t.Helper()
	want, whole := slowRead(data)
	for i, octets := range []int{64, 4 << 10} {
		var r io.Reader = bytes.NewReader(data)
		if i == 0 {
			r = iotest.DataErrReader(iotest.OneByteReader(r))
		}
		src := newCapture(octets, origin{name: "test", open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }})
		got, err := drain(t, src)
		if (err == nil) != whole {
			t.Fatalf("blocks of %d: error %v, the twin says whole: %v", octets, err, whole)
		}
		diff(t, got, want)
		for n := src.win.supply.made; n > 0; n-- {
			if b := <-src.win.supply.free; len(b.Mem) > max(octets, recordMax) {
				t.Fatalf("a block of %d octets", len(b.Mem))
			}
		}
	}
}

// seeds are small captures of every kind.
func seeds(t testing.TB) [][]byte {
	frames := sampleFrames(21, 4, 40)
	ng, _ := everything()
	return [][]byte{
		nil,
		[]byte("GET / HTTP/1.1\r\n"),
		writePcap(t, frames, false),
		writePcap(t, frames, true),
		pack(binary.BigEndian, magicMicro, 1, frames),
		pack(binary.LittleEndian, magicModified, 113, frames),
		ng,
		compress(writePcap(t, frames, true)),
		compress(ng),
	}
}

// FuzzCapture reads arbitrary octets: it never panics, ends, takes bounded
// memory, and reads what the slow twin reads.
func FuzzCapture(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, magicGzip) && len(data) > 1<<14 {
			t.Skip("the twin would hold all of what may be a bomb")
		}
		checkTwin(t, data)
	})
}

// TestCutAnywhere cuts captures of every kind short after each octet.
func TestCutAnywhere(t *testing.T) {
	for _, data := range seeds(t) {
		step := 1 + len(data)/500 // each octet of most of them
		for n := 0; n < len(data); n += step {
			checkTwin(t, data[:n])
		}
	}
}

// TestSpoiltAnywhere changes each octet.
func TestSpoiltAnywhere(t *testing.T) {
	for _, data := range seeds(t) {
		step := 1 + len(data)/500
		for n := 0; n < len(data); n += step {
			for _, bit := range []byte{0x01, 0xff} {
				data[n] ^= bit
				checkTwin(t, data)
				data[n] ^= bit
			}
		}
	}
}

// FuzzReceive takes arbitrary octets as a capture all the way to the shards: no
// frame vanishes, and each shard gets its frames in order.
func FuzzReceive(f *testing.F) {
	frames := traffic(40)
	f.Add(pack(binary.LittleEndian, magicNano, 1, frames))
	f.Add(pack(binary.LittleEndian, magicNano, 101, frames))
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{BatchFrames: 3, Fragments: frag.Config{Datagrams: 2, Fragments: 4}}
		shards, _, _ := run(t, bytesCapture(1000, data), 2, o, true) // balanced checks the counters
		for _, s := range shards {
			for i := 1; i < len(s.frames); i++ {
				a, b := &s.frames[i-1], &s.frames[i]
				inOrder := a.Number < b.Number || a.Number == b.Number && a.Role == buffers.RoleRaw && b.Role == buffers.RoleDatagram
				if !inOrder || b.Clock < a.Clock {
					t.Fatalf("frame %d (%d) at %d follows %d (%d) at %d", b.Number, b.Role, b.Clock, a.Number, a.Role, a.Clock)
				}
			}
		}
	})
}
