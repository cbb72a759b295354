package rx

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/mbox-stack/mbox/wire"
)

// drain reads src to its end. Octets are copied, so that a block that comes
// back too early would show.
func drain(t testing.TB, src Source) ([]Frame, error) {
	t.Helper()
	var all []Frame
	var c Chunk
	for {
		err := src.Next(&c)
		for _, f := range c.Frames {
			f.Data = bytes.Clone(f.Data)
			all = append(all, f)
		}
		c.Release()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// bytesCapture returns a capture of data whose blocks are octets long.
func bytesCapture(octets int, data []byte) *Capture {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return newCapture(octets, origin{name: "test", open: open})
}

// sampleFrames returns n frames of up to most octets, from seed.
func sampleFrames(seed uint64, n, most int) []Frame {
	r := rand.New(rand.NewPCG(seed, 7))
	frames := make([]Frame, n)
	now := int64(1_700_000_000_123_456_789)
	for i := range frames {
		data := make([]byte, r.IntN(most+1))
		for j := range data {
			data[j] = byte(r.Uint32())
		}
		now += int64(r.IntN(int(time.Millisecond)))
		frames[i] = Frame{Data: data, Timestamp: now, WireLen: uint32(len(data) + r.IntN(3)), Link: 1}
	}
	return frames
}

func info(f *Frame) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{
		Timestamp:     time.Unix(0, f.Timestamp),
		CaptureLength: len(f.Data),
		Length:        int(f.WireLen),
	}
}

// writePcap writes frames as gopacket does: little-endian.
func writePcap(t testing.TB, frames []Frame, nanoseconds bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if nanoseconds {
		w = pcapgo.NewWriterNanos(&b)
	}
	if err := w.WriteFileHeader(1<<18, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		if err := w.WritePacket(info(&frames[i]), frames[i].Data); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// pack writes a pcap by hand: any order of octets, any magic.
func pack(o binary.AppendByteOrder, magic, link uint32, frames []Frame) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 1<<18)
	b = o.AppendUint32(b, link)
	for _, f := range frames {
		fraction := f.Timestamp % second
		if magic != magicNano {
			fraction /= 1000
		}
		b = o.AppendUint32(b, uint32(f.Timestamp/second))
		b = o.AppendUint32(b, uint32(fraction))
		b = o.AppendUint32(b, uint32(len(f.Data)))
		b = o.AppendUint32(b, f.WireLen)
		if magic == magicModified {
			b = append(b, "ifx pr t"...)
		}
		b = append(b, f.Data...)
	}
	return b
}

// truncated returns frames as a format with this resolution holds them.
func truncated(frames []Frame, unit time.Duration, link wire.LinkType) []Frame {
	out := make([]Frame, len(frames))
	for i, f := range frames {
		f.Timestamp -= f.Timestamp % int64(unit)
		f.Link = link
		out[i] = f
	}
	return out
}

func diff(t *testing.T, got, want []Frame) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if !bytes.Equal(g.Data, w.Data) || g.Timestamp != w.Timestamp || g.WireLen != w.WireLen || g.Link != w.Link {
			t.Fatalf("frame %d: got %d octets of %d, time %d, link %d; want %d of %d, time %d, link %d", i+1,
				len(g.Data), g.WireLen, g.Timestamp, g.Link, len(w.Data), w.WireLen, w.Timestamp, w.Link)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d frames, want %d", len(got), len(want))
	}
}

// TestPcapVariants reads each kind of classic capture, through blocks so short
// that most records straddle two of them.
func TestPcapVariants(t *testing.T) {
	frames := sampleFrames(1, 200, 300)
	little, big := binary.LittleEndian, binary.BigEndian
	for _, tc := range []struct {
		name string
		data []byte
		unit time.Duration
		link wire.LinkType
	}{
		{"gopacket, us", writePcap(t, frames, false), time.Microsecond, 1},
		{"gopacket, ns", writePcap(t, frames, true), time.Nanosecond, 1},
		{"little, us", pack(little, magicMicro, 113, frames), time.Microsecond, 113},
		{"big, us", pack(big, magicMicro, 113, frames), time.Microsecond, 113},
		{"little, ns", pack(little, magicNano, 101, frames), time.Nanosecond, 101},
		{"big, ns", pack(big, magicNano, 101, frames), time.Nanosecond, 101},
		{"little, modified", pack(little, magicModified, 1, frames), time.Microsecond, 1},
		{"big, modified", pack(big, magicModified, 1, frames), time.Microsecond, 1},
		{"FCS bits in the link type", pack(little, magicMicro, 0x24000001, frames), time.Microsecond, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, octets := range []int{100, 512, blockOctets} {
				got, err := drain(t, bytesCapture(octets, tc.data))
				if err != nil {
					t.Fatal(err)
				}
				diff(t, got, truncated(frames, tc.unit, tc.link))
			}
		})
	}
}

// TestGopacketReadsTheSame has pcapgo as the oracle.
func TestGopacketReadsTheSame(t *testing.T) {
	data := writePcap(t, sampleFrames(2, 500, 1600), true)
	r, err := pcapgo.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var want []Frame
	for {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			break
		}
		want = append(want, Frame{Data: data, Timestamp: ci.Timestamp.UnixNano(), WireLen: uint32(ci.Length), Link: wire.LinkType(r.LinkType())})
	}
	got, err := drain(t, bytesCapture(4096, data))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, want)
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data) // to memory: cannot fail
	w.Close()
	return b.Bytes()
}

// TestGzip reads compressed captures, also of several members, and damaged ones.
func TestGzip(t *testing.T) {
	frames := sampleFrames(3, 300, 900)
	data := writePcap(t, frames, true)
	half := len(data) / 2
	members := append(compress(data[:half]), compress(data[half:])...)
	for _, z := range [][]byte{compress(data), members} {
		got, err := drain(t, bytesCapture(1000, z))
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, frames)
	}
	z := compress(data)
	got, err := drain(t, bytesCapture(1000, z[:len(z)/2]))
	if !errors.Is(err, ErrCutShort) || len(got) == 0 {
		t.Fatalf("cut short: %d frames, %v", len(got), err)
	}
	diff(t, got, frames[:len(got)])
	z[len(z)-6] ^= 1 // in the checksum
	got, err = drain(t, bytesCapture(1000, z))
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("bad checksum: %v", err)
	}
	diff(t, got, frames)
	if _, err := drain(t, bytesCapture(1000, compress(compress(data)))); !errors.Is(err, ErrNotCapture) {
		t.Fatalf("compressed twice: %v", err)
	}
}

func save(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSeveralFiles reads files of different kinds as one source; damage in one
// does not keep the next from being read, and is told at the end.
func TestSeveralFiles(t *testing.T) {
	frames := sampleFrames(4, 90, 200)
	a := save(t, "a.pcap", writePcap(t, frames[:30], true))
	damaged := writePcap(t, frames[30:61], true)
	b := save(t, "b.pcap", damaged[:len(damaged)-len(frames[60].Data)])
	c := save(t, "c.pcap.gz", compress(pack(binary.BigEndian, magicNano, 1, frames[60:])))
	src := File(a, b, c)
	if got, want := src.String(), a+" and 2 more"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	got, err := drain(t, src)
	diff(t, got, frames)
	var broke *CaptureError
	if !errors.As(err, &broke) || broke.File != b || broke.Packets != 30 || !errors.Is(err, ErrCutShort) {
		t.Fatalf("error %v", err)
	}
	done, total := src.Progress()
	if done != total || done == 0 {
		t.Errorf("Progress() = %d of %d", done, total)
	}
	if _, again := drain(t, src); again == nil || again.Error() != err.Error() {
		t.Errorf("after the end: %v, want %v", again, err)
	}
}

// TestOneClearError has one line for each thing that is wrong with an input.
func TestOneClearError(t *testing.T) {
	frames := sampleFrames(5, 3, 50)
	good := writePcap(t, frames, false)
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint32(huge[24+8:], 1<<31)
	dir := t.TempDir()
	for _, tc := range []struct {
		name, path, text string
		is               error
	}{
		{"no such file", filepath.Join(dir, "none.pcap"), "none.pcap: no such file", fs.ErrNotExist},
		{"directory", dir, ": is a directory, not a capture", ErrDirectory},
		{"empty", save(t, "empty", nil), "empty: the file is empty", ErrEmpty},
		{"empty, compressed", save(t, "empty.gz", compress(nil)), "empty.gz: the file is empty", ErrEmpty},
		{"three octets", save(t, "tiny", good[:3]), "not a capture", ErrNotCapture},
		{"text", save(t, "text", []byte("hello, world\n")), "not a capture at octet 0: it begins with 68 65 6c 6c", ErrNotCapture},
		{"zstd", save(t, "z", []byte("\x28\xb5\x2f\xfd....")), "with zstd; pipe it in: zstd -dc FILE | mbox ... -r -", ErrNotCapture},
		{"xz", save(t, "x", []byte("\xfd7zXZ\x00....")), "with xz; pipe it in: xz -dc FILE | mbox ... -r -", ErrNotCapture},
		{"bzip2", save(t, "b", []byte("BZh91AY&SY")), "with bzip2; pipe it in: bzip2 -dc FILE | mbox ... -r -", ErrNotCapture},
		{"lz4", save(t, "l", []byte("\x04\x22\x4d\x18....")), "with lz4; pipe it in: lz4 -dc FILE | mbox ... -r -", ErrNotCapture},
		{"only part of a header", save(t, "h", good[:20]), "cut short at octet 20", ErrCutShort},
		{"cut in a record", save(t, "cut.pcap", good[:len(good)-1]), "cut short at octet", ErrCutShort},
		{"claims too much", save(t, "huge.pcap", huge), "damaged at octet 24: the record claims 2147483648 octets, the most is 2097152", ErrDamaged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := drain(t, File(tc.path))
			if err == nil || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %v, want %q", err, tc.text)
			}
			if n := strings.Count(err.Error(), "\n"); n > 0 {
				t.Errorf("%d lines: %v", n+1, err)
			}
		})
	}
}

// TestMissingFileIsToldFirst: nothing is read if one of the files is not there, and
// Check knows.
func TestMissingFileIsToldFirst(t *testing.T) {
	a := save(t, "a.pcap", writePcap(t, sampleFrames(6, 3, 50), false))
	src := File(a, a+".none", t.TempDir())
	first := src.Check()
	got, err := drain(t, src)
	if len(got) > 0 || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrDirectory) || first == nil || first.Error() != err.Error() {
		t.Fatalf("%d frames, error %v, and first %v", len(got), err, first)
	}
	if err := File(a).Check(); err != nil {
		t.Error(err)
	}
}

// TestForbiddenFileIsToldFirst is TestMissingFileIsToldFirst for a file of
// somebody else.
func TestForbiddenFileIsToldFirst(t *testing.T) {
	a := save(t, "a.pcap", writePcap(t, sampleFrames(6, 3, 50), false))
	b := save(t, "b.pcap", writePcap(t, sampleFrames(6, 3, 50), false))
	if err := os.Chmod(b, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(b); err == nil {
		f.Close()
		t.Skip("everything may be read here")
	}
	if got, err := drain(t, File(a, b)); len(got) > 0 || !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("%d frames, error %v", len(got), err)
	}
}

// TestLongFrames: a frame longer than a block gets one of its own size.
func TestLongFrames(t *testing.T) {
	frames := sampleFrames(7, 3, 40)
	frames = append(frames, sampleFrames(8, 1, 1)[0])
	frames[1].Data = bytes.Repeat([]byte("jumbo"), frameMax/5)
	frames[1].WireLen = frameMax
	for i := range frames {
		frames[i].Timestamp = int64(i+1) * second
	}
	for _, octets := range []int{64, blockOctets} {
		src := bytesCapture(octets, pack(binary.LittleEndian, magicNano, 1, frames))
		got, err := drain(t, src)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, frames)
		if src.win.supply.made > blocksMax {
			t.Errorf("%d blocks were made", src.win.supply.made)
		}
	}
}
