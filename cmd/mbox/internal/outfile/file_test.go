package outfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opened returns a file that has been opened.
func opened(t *testing.T, c Config) *File {
	t.Helper()
	f := New(c)
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", text, n, err)
	}
}

func closed(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// holds compares files with what they should hold; "-" is no file.
func holds(t *testing.T, want map[string]string) {
	t.Helper()
	for name, text := range want {
		got, err := os.ReadFile(name)
		if err != nil {
			got = []byte("-")
		}
		if string(got) != text {
			t.Errorf("%s holds %q, want %q", filepath.Base(name), got, text)
		}
	}
}

// TestRotatesBySize: files end with whole lines and do not grow beyond the size,
// but for a line that is longer itself; the head is repeated.
func TestRotatesBySize(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f := opened(t, Config{Path: name, RotateSize: 12})
	f.Repeat("#h\n")
	for _, piece := range []string{"on", "e\ntwo\nthr", "ee\nfour, which is long\nfive\n", "six"} {
		write(t, f, piece)
	}
	closed(t, f)
	holds(t, map[string]string{name + ".1": "one\ntwo\n", name + ".2": "#h\nthree\n",
		name + ".3": "#h\nfour, which is long\n", name: "#h\nfive\nsix\n", name + ".4": "-"})
	if c := f.Counters(); c.Lines != 6+3 || c.Rotations != 3 || c.Dropped != 0 {
		t.Errorf("%+v", c)
	}
}

// TestRotatesWhatIsThere: numbers go on behind those of an earlier run, and only
// so many files are kept.
func TestRotatesWhatIsThere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	for _, there := range []string{"", ".7", ".8", ".x"} {
		if err := os.WriteFile(name+there, []byte("old"+there+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := opened(t, Config{Path: name, RotateSize: 4, Keep: 2})
	write(t, f, "1\n2\n3\n4\n")
	closed(t, f)
	holds(t, map[string]string{name: "3\n4\n", name + ".10": "1\n2\n", name + ".9": "old\n", name + ".8": "-", name + ".7": "-", name + ".x": "old.x\n"})
}

// TestRotatesByTime: a file begins at multiples of the interval, at its first
// line, and no empty one is rotated.
func TestRotatesByTime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	now := time.Date(2026, 1, 1, 0, 0, 50, 0, time.UTC)
	f := opened(t, Config{Path: name, RotateEvery: time.Minute, Now: func() time.Time { return now }})
	for i, after := range []time.Duration{0, 9 * time.Second, 2 * time.Second, 3 * time.Minute} {
		now = now.Add(after)
		write(t, f, fmt.Sprintf("%d\n", i))
	}
	closed(t, f)
	holds(t, map[string]string{name + ".1": "0\n1\n", name + ".2": "2\n", name: "3\n"})
}

// TestReopens: a file that was moved away is left alone after Reopen, at once.
func TestReopens(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f := opened(t, Config{Path: name})
	f.Repeat("#h\n")
	write(t, f, "one\ntw")
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "o\n")
	f.Reopen()
	holds(t, map[string]string{name: ""})
	write(t, f, "three\n")
	closed(t, f)
	holds(t, map[string]string{name + ".old": "one\ntwo\n", name: "#h\nthree\n"})
}

// TestGoesOnWithTheOldFile: where no new one can be had, lines go on and it is said.
func TestGoesOnWithTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var said []string
	f := opened(t, Config{Path: filepath.Join(dir, "log"), RotateSize: 4, Log: func(s string) { said = append(said, s) }})
	write(t, f, "one\n")
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two\n")
	f.Reopen()
	write(t, f, "three\n")
	closed(t, f)
	holds(t, map[string]string{filepath.Join(dir+".moved", "log"): "one\ntwo\nthree\n"})
	if len(said) < 2 || !strings.Contains(said[0], "cannot be rotated, and goes on") || !strings.Contains(strings.Join(said, "\n"), "cannot be opened again") {
		t.Errorf("said %q", said)
	}
}

// disk is a writer with little room: each write takes part of what it is given.
type disk struct {
	bytes.Buffer
	room int
	err  error
	hit  func()
}

func (d *disk) Write(b []byte) (int, error) {
	if len(b) <= d.room {
		d.room -= len(b)
		return d.Buffer.Write(b)
	}
	n, _ := d.Buffer.Write(b[:d.room])
	d.room = 0
	if d.hit != nil {
		d.hit()
	}
	return n, d.err
}

// TestWaitsForRoom: without Drop not an octet is lost while a disk is full.
func TestWaitsForRoom(t *testing.T) {
	d := &disk{room: 5, err: syscall.ENOSPC}
	d.hit = func() { d.room = 3 }
	var said []string
	f := opened(t, Config{To: d, Log: func(s string) { said = append(said, s) }})
	write(t, f, "one\ntwo\nthree\n")
	closed(t, f)
	if d.String() != "one\ntwo\nthree\n" || f.Counters() != (Counters{Lines: 3, Octets: 14}) || len(said) != 1 || !strings.Contains(said[0], "waiting until there is") {
		t.Errorf("%q, %+v, said %q", d, f.Counters(), said)
	}
}

// TestStopsWaiting: when the program is to end, what has no room is given up, in
// whole lines as far as can be, and that is an error.
func TestStopsWaiting(t *testing.T) {
	d := &disk{room: 5, err: syscall.ENOSPC}
	f := opened(t, Config{To: d})
	d.hit = f.Stop
	write(t, f, "one\ntwo\nthree\n")
	if err := f.Close(); err == nil || !strings.Contains(err.Error(), "no room for the last 1 lines") {
		t.Errorf("Close = %v", err)
	}
	if d.String() != "one\nt" || f.Counters().Dropped != 1 || f.Counters().Lines != 2 {
		t.Errorf("%q, %+v", d, f.Counters())
	}
}

// TestOwesTheEndOfALine: on what cannot be cut, a line begun is ended before
// another begins.
func TestOwesTheEndOfALine(t *testing.T) {
	d := &disk{room: 6, err: syscall.ENOSPC}
	f := New(Config{To: d, Drop: true})
	f.sink.to = d
	for _, step := range []struct {
		room int
		text string
	}{{6, "one\ntwo\nthree\n"}, {1, "four\nfive\n"}, {0, "six\n"}, {99, "seven\n"}} {
		d.room = step.room
		if err := f.sink.write([]byte(step.text)); err != nil {
			t.Fatal(err)
		}
	}
	if d.String() != "one\ntwo\nseven\n" || f.Counters() != (Counters{Lines: 3, Octets: 14, Dropped: 4}) {
		t.Errorf("%q, %+v", d, f.Counters())
	}
}

// TestCutsALineOff: a file loses the beginning of a line that has no room.
func TestCutsALineOff(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f := opened(t, Config{Path: name})
	f.sink.to = &cutDisk{f.sink.file, 6}
	f.cfg.Drop = true
	if err := f.sink.write([]byte("one\ntwo\n")); err != nil {
		t.Fatal(err)
	}
	f.sink.to = f.sink.file
	write(t, f, "three\n")
	closed(t, f)
	holds(t, map[string]string{name: "one\nthree\n"})
	if f.Counters() != (Counters{Lines: 2, Octets: 10, Dropped: 1}) {
		t.Errorf("%+v", f.Counters())
	}
}

// cutDisk is a disk with room for a few more octets of a file.
type cutDisk struct {
	*os.File
	room int
}

func (c *cutDisk) Write(b []byte) (int, error) {
	n, err := c.File.Write(b[:min(len(b), c.room)])
	if c.room -= n; n < len(b) && err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}

// slow is a reader that takes nothing until it is let.
type slow struct {
	bytes.Buffer
	asked, let chan struct{}
}

func (s *slow) Write(b []byte) (int, error) {
	s.asked <- struct{}{}
	<-s.let
	return s.Buffer.Write(b)
}

// TestDropsForASlowReader: the writer never waits; what does not fit the queue
// is dropped in whole lines, and every line is counted once.
func TestDropsForASlowReader(t *testing.T) {
	s := &slow{asked: make(chan struct{}, 1<<16), let: make(chan struct{})}
	f := opened(t, Config{To: s, Drop: true})
	line := strings.Repeat("x", 1023) + "\n"
	write(t, f, line)
	<-s.asked
	const more = 3 * queueMax >> 10
	for range more {
		write(t, f, line)
	}
	close(s.let)
	closed(t, f)
	c := f.Counters()
	if c.Lines+c.Dropped != more+1 || c.Dropped < more-queueMax>>10-1 || uint64(s.Len()) != c.Lines<<10 || c.Lines < 2 {
		t.Errorf("%+v of %d lines, and %d octets", c, more+1, s.Len())
	}
}

// TestErrorsThatDoNotPass: they end the writing.
func TestErrorsThatDoNotPass(t *testing.T) {
	for _, drop := range []bool{false, true} {
		f := opened(t, Config{To: &disk{err: syscall.EPIPE}, Drop: drop})
		_, err := f.Write([]byte("one\n"))
		if e := f.Close(); err == nil {
			err = e
		}
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("drop %v: %v", drop, err)
		}
		if _, err := f.Write([]byte("two\n")); drop && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("a write after that: %v", err)
		}
	}
}

// TestFullDevice: the device that is always full, where there is one.
func TestFullDevice(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no ", full, " here")
	}
	f := opened(t, Config{Path: full, Drop: true})
	write(t, f, "one\ntwo\n")
	closed(t, f)
	if f.Counters() != (Counters{Dropped: 2}) {
		t.Errorf("%+v", f.Counters())
	}
	if err := New(Config{Path: full, RotateSize: 1}).Open(); err == nil || !strings.Contains(err.Error(), "cannot be rotated") {
		t.Errorf("rotating it: %v", err)
	}
}

func TestCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "is a directory", filepath.Join(dir, "no", "such"): "no such file"} {
		for _, size := range []uint64{0, 1} {
			if err := New(Config{Path: path, RotateSize: size}).Open(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func Example() {
	f := New(Config{To: os.Stdout})
	if err := f.Open(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(f, "lines come ")
	fmt.Fprint(f, "in pieces\nand go whole\n")
	fmt.Println(f.Close(), f.Counters().Lines)
	// Output:
	// lines come in pieces
	// and go whole
	// <nil> 2
}

// TestReopensAfterALine: who asks for the file anew while a line is written need not
// wait for the next line, which may be long in coming.
func TestReopensAfterALine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	amid := func() {}
	f := opened(t, Config{Path: name, RotateEvery: time.Hour, Now: func() time.Time { amid(); return time.Unix(1e9, 0) }})
	write(t, f, "one\n")
	amid = func() { // once the second line has a file
		amid = func() {}
		if err := os.Rename(name, name+".old"); err != nil {
			t.Error(err)
		}
		f.Reopen()
	}
	write(t, f, "two\n")
	holds(t, map[string]string{name + ".old": "one\ntwo\n", name: ""})
	closed(t, f)
	f.Reopen() // too late for anything
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	f.Reopen()
	holds(t, map[string]string{name: "-"})
}
