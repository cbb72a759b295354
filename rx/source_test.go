package rx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"
	"unsafe"
)

// TestSizes: chunkFrames was chosen for frames of this size.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Frame{}); n != 40 {
		t.Errorf("a Frame takes %d octets", n)
	}
	if n := unsafe.Sizeof(Totals{}) % 8; n != 0 {
		t.Errorf("Totals is not made of words: %d octets left", n)
	}
}

// TestMemory: frames are loaded, measured, played and played again later.
func TestMemory(t *testing.T) {
	frames := sampleFrames(31, 3000, 100)
	m, err := Load(Reader("a", bytes.NewReader(pack(binary.BigEndian, magicNano, 1, frames))))
	if err != nil {
		t.Fatal(err)
	}
	octets := int64(0)
	for _, f := range frames {
		octets += int64(len(f.Data))
	}
	if span := frames[2999].Timestamp - frames[0].Timestamp; m.Len() != 3000 || m.Octets() != octets || m.Span() != time.Duration(span) {
		t.Errorf("%d frames, %d octets, %v", m.Len(), m.Octets(), m.Span())
	}
	for range 2 {
		got, err := drain(t, m)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, frames)
		m.Close()
		if err := m.Next(new(Chunk)); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		m.Rewind(time.Hour)
		for i := range frames {
			frames[i].Timestamp += int64(time.Hour)
		}
	}
}

// TestLoadKeepsWhatWasGood before the damage.
func TestLoadKeepsWhatWasGood(t *testing.T) {
	frames := sampleFrames(32, 10, 100)
	data := pack(binary.BigEndian, magicNano, 1, frames)
	m, err := Load(Reader("a", bytes.NewReader(append(data, 1))))
	if m.Len() != 10 || !errors.Is(err, ErrCutShort) {
		t.Errorf("%d frames, error %v", m.Len(), err)
	}
}

// TestStandardInput is read under the name "-", as it comes.
func TestStandardInput(t *testing.T) {
	frames := sampleFrames(33, 40, 100)
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	os.Stdin = from
	data := pack(binary.LittleEndian, magicNano, 1, frames)
	src := File("-")
	var c Chunk
	for got, sent := 0, 0; got < len(frames); c.Release() {
		if sent < len(data) {
			end := min(sent+500, len(data)) // what comes is there before the rest
			if _, err := to.Write(data[sent:end]); err != nil {
				t.Fatal(err)
			}
			sent = end
			if sent < 1000 {
				continue
			}
		}
		if err := src.Next(&c); err != nil {
			t.Fatal(err)
		}
		diff(t, c.Frames, frames[got:got+len(c.Frames)])
		got += len(c.Frames)
	}
	to.Write([]byte{1})
	to.Close()
	want := "standard input: cut short at octet"
	if _, err := drain(t, src); err == nil || err.Error()[:len(want)] != want {
		t.Errorf("error %v, want %q...", err, want)
	}
	src.Close()
	from.Close()
}

// TestCloseAtAnyTime: Next says so, from the next call on, and again.
func TestCloseAtAnyTime(t *testing.T) {
	path := save(t, "a.pcap", pack(binary.LittleEndian, magicNano, 1, sampleFrames(34, 100, 100)))
	for _, calls := range []int{0, 1, 3} {
		src := newCapture(2000, fileOrigin(path))
		var c Chunk
		for range calls {
			if err := src.Next(&c); err != nil {
				t.Fatal(err)
			}
		}
		var before []Frame
		for _, f := range c.Frames {
			f.Data = bytes.Clone(f.Data)
			before = append(before, f)
		}
		if err := errors.Join(src.Close(), src.Close()); err != nil {
			t.Fatal(err)
		}
		diff(t, c.Frames, before) // what is lent stays as it was
		c.Release()
		for range 2 {
			if err := src.Next(&c); !errors.Is(err, ErrClosed) || len(c.Frames) > 0 {
				t.Fatalf("%d frames, error %v", len(c.Frames), err)
			}
		}
	}
}
