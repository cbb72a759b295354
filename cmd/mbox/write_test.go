package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// openNg opens a file of -w as gopacket reads it.
func openNg(t *testing.T, name string) *pcapgo.NgReader {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWriteNoFrames: a capture of no frames is one that others open.
func TestWriteNoFrames(t *testing.T) {
	name := filepath.Join(t.TempDir(), "w.pcapng")
	pages, err := traffic.NewConnections(traffic.Pages(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	must(t, "flows", "-r", writeCapture(t, pages), "-w", name, "port", "1")
	r := openNg(t, name)
	if _, _, err := r.ReadPacketData(); err != io.EOF || r.LinkType() != layers.LinkTypeEthernet {
		t.Errorf("link type %v, and then %v", r.LinkType(), err)
	}
}

// TestWrite: -w writes the frames that were looked at, as gopacket reads them.
func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "w.pcapng")
	must(t, "demo", "--generated", "-w", name)
	r := openNg(t, name)
	if r.LinkType() != layers.LinkTypeEthernet {
		t.Errorf("link type %v", r.LinkType())
	}
	n := 0
	for ns, want := range traffic.All(traffic.NewDemo()) {
		n++
		data, info, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, want) || info.Timestamp.UnixNano() != ns || info.Length != len(want) {
			t.Fatalf("frame %d: %v, %+v", n, err, info)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("more than %d frames: %v", n, err)
	}

	// What was written is read as what it was made of.
	demo := writeCapture(t, traffic.NewDemo())
	if must(t, "flows", "-r", name, "--format", "jsonl") != must(t, "flows", "-r", demo, "--format", "jsonl") {
		t.Error("the records of what was written differ")
	}
	part := filepath.Join(t.TempDir(), "part.pcapng")
	must(t, "flows", "-r", demo, "-w", part, "-c", "3", "port", "631")
	m, err := rx.Load(rx.File(part))
	if err != nil || m.Len() != 3 {
		t.Errorf("%d frames (%v) of three that match", m.Len(), err)
	}
}

// TestWriteNothing: an input that cannot be read leaves no file, and a file that
// was there stays.
func TestWriteNothing(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "w.pcapng")
	if err := os.WriteFile(name, []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := runArgs("flows", "-r", "/no/such/file", "-w", name); r.status != statusInput {
		t.Errorf("%+v", r)
	}
	runArgs("events", "-r", "/no/such/file", "-w", filepath.Join(dir, "new"), "--on", "nothing")
	runArgs("flows", "-r", "/no/such/file", "-w", filepath.Join(dir, "new"))
	there, err := os.ReadDir(dir)
	if b, _ := os.ReadFile(name); err != nil || len(there) != 1 || string(b) != "dear" {
		t.Errorf("%v (%v), %q", there, err, b)
	}
}

// TestWriteUntilFull: frames of an interface do not come again, so what was written
// before the disk was full is kept, in whole frames, and that is said at once. Of a
// capture nothing is kept.
func TestWriteUntilFull(t *testing.T) {
	for _, live := range []bool{true, false} {
		for _, room := range []int{0, 27, writeBuffer - 1, writeBuffer, 3*writeBuffer - 5, 5 * writeBuffer} {
			name, said := filepath.Join(t.TempDir(), "w.pcapng"), 0
			c := &capture{name: name}
			if live {
				c.early = func(error) { said++ }
			}
			if err := c.create(); err != nil {
				t.Fatal(err)
			}
			c.flush()
			c.to.Reset(&narrow{c.file, room})
			data := bytes.Repeat([]byte("frame"), 300)
			for i := range 1000 {
				c.frame(&rx.Frame{Data: data, WireLen: uint32(len(data)), Timestamp: int64(i), Link: wire.LinkEthernet})
			}
			err := c.close(nil)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("room for %d: %v", room, err)
			}
			if _, err := os.Stat(c.part); err == nil {
				t.Errorf("%s is left", c.part)
			}
			n := 0
			if m, err := rx.Load(rx.File(name)); err == nil {
				n = m.Len()
			} else if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("room for %d: %v", room, err)
			}
			least, most := (room-writeBuffer)/(len(data)+32), room/len(data) // what waited in the buffer is lost
			if !live {
				least, most = 0, 0
			}
			if n < least || n > most || live != (said == 1) {
				t.Errorf("room for %d: %d frames, not %d to %d; said %d times", room, n, least, most, said)
			}
		}
	}
}

// narrow is a file with room for so many octets.
type narrow struct {
	to   io.Writer
	room int
}

func (n *narrow) Write(b []byte) (int, error) {
	k, err := n.to.Write(b[:min(len(b), n.room)])
	if n.room -= k; err == nil && k < len(b) {
		err = syscall.ENOSPC
	}
	return k, err
}

// TestWriteElsewhere: what is there and no regular file is not replaced by one: a
// link leads to the capture, a socket stays, a folder is refused.
func TestWriteElsewhere(t *testing.T) {
	demo, dir := writeCapture(t, traffic.NewDemo()), t.TempDir()
	target, link, sock := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "s")
	if err := errors.Join(os.WriteFile(target, []byte("old"), 0o600), os.Symlink(target, link)); err != nil {
		t.Skip("no links here: ", err)
	}
	must(t, "flows", "-r", demo, "-w", link)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v %v", info, err)
	}
	if m, err := rx.Load(rx.File(target)); err != nil || m.Len() == 0 {
		t.Errorf("%v (%v) is where the link leads", m, err)
	}
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Skip("no sockets here: ", err)
	}
	defer l.Close()
	for name, want := range map[string]string{sock: "open " + sock, dir: dir + ": is a directory"} {
		if r := runArgs("flows", "-r", demo, "-w", name); r.status != statusInput || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("-w %s: %+v", name, r)
		}
	}
	if info, err := os.Lstat(sock); err != nil || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("the socket is none any more: %v %v", info, err)
	}
}

// TestLinkTypes: each link type has an interface of its own in the file, also
// one that does not fit eight bits.
func TestLinkTypes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "w.pcapng")
	c := &capture{name: name}
	if err := c.create(); err != nil {
		t.Fatal(err)
	}
	want := []rx.Frame{
		{Data: []byte{1}, WireLen: 1, Timestamp: 1e18 + 1, Link: 1},
		{Data: []byte{1, 2, 3}, WireLen: 70, Timestamp: 1e18 + 2, Link: 276},
		{Data: []byte{1, 2, 3, 4}, WireLen: 4, Timestamp: 1e18 + 3, Link: 1},
	}
	for i := range want {
		c.frame(&want[i])
	}
	if err := c.close(nil); err != nil {
		t.Fatal(err)
	}
	m, err := rx.Load(rx.File(name))
	if err != nil {
		t.Fatal(err)
	}
	var got rx.Chunk
	if err := m.Next(&got); err != nil || len(got.Frames) != len(want) {
		t.Fatalf("%d frames, %v", len(got.Frames), err)
	}
	for i, f := range got.Frames {
		w := want[i]
		if !bytes.Equal(f.Data, w.Data) || f.WireLen != w.WireLen || f.Timestamp != w.Timestamp || f.Link != w.Link {
			t.Errorf("frame %d is %+v, want %+v", i, f, w)
		}
	}
}

// TestLateFrames: what several rings bring in the order of each is written in
// the order of all, and what is held has a bound.
func TestLateFrames(t *testing.T) {
	const window = 100
	var want, got []int64
	check := func(when string, times []int64, octets int) {
		name := filepath.Join(t.TempDir(), "w.pcapng")
		c := &capture{name: name, window: window}
		if err := c.create(); err != nil {
			t.Fatal(err)
		}
		for _, at := range times {
			c.frame(&rx.Frame{Data: make([]byte, octets), WireLen: uint32(octets), Timestamp: 1e18 + at, Link: 1})
			if c.late.octets > lateMax {
				t.Fatalf("%s: %d octets are held", when, c.late.octets)
			}
		}
		if err := c.close(nil); err != nil {
			t.Fatal(err)
		}
		m, err := rx.Load(rx.File(name))
		if err != nil {
			t.Fatal(err)
		}
		var all rx.Chunk
		got = got[:0]
		for m.Next(&all) == nil {
			for _, f := range all.Frames {
				got = append(got, f.Timestamp-1e18)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: written in the order %v, want %v", when, got, want)
		}
	}
	want = []int64{1, 2, 3, 4, 50, 51, 52, 300, 301}
	check("two rings", []int64{1, 3, 50, 52, 2, 4, 51, 300, 301}, 60)
	times := []int64{1}
	for at := int64(20); at < 20+64; at++ {
		times = append(times, at)
	}
	want = append([]int64{1, 0}, times[1:]...)
	check("more than may be held", append(times, 0), lateMax/64)
}
