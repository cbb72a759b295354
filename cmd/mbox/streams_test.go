package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/wire"
)

// manyStreams returns a capture of connections that are all open at once, and
// what they say.
func manyStreams(t *testing.T) (capture string, flows []traffic.Flow) {
	t.Helper()
	s, err := traffic.NewConnections(traffic.Config{Connections: 60, Exchanges: 3, ResponseOctets: 4000})
	if err != nil {
		t.Fatal(err)
	}
	for f := range s.Flows() {
		flows = append(flows, f)
	}
	return writeCapture(t, s), flows
}

// checkStreams compares the files in dir with the octets of the flows.
func checkStreams(t *testing.T, dir string, flows []traffic.Flow) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2*len(flows) {
		t.Fatalf("%d files of %d flows (%v)", len(files), len(flows), err)
	}
	for _, f := range flows {
		ends := [2]netip.AddrPort{f.Client, f.Server}
		for d := range wire.Dir(2) {
			name := endpointName(ends[d]) + "-" + endpointName(ends[d.Reverse()])
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !bytes.Equal(got, f.AppendStream(nil, d)) {
				t.Errorf("%s: %d octets that differ from the %d of the stream (%v)", name, len(got), f.Octets[d], err)
			}
		}
	}
}

// TestStreams: each file holds the octets of its stream.
func TestStreams(t *testing.T) {
	capture, flows := manyStreams(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	out := must(t, "streams", "-r", capture, "-d", dir)
	checkStreams(t, dir, flows)
	if n := strings.Count(out, "\n"); n != 2*len(flows) {
		t.Errorf("%d lines of %d streams:\n%s", n, 2*len(flows), out)
	}
}

// TestStreamsOfTheDemo: names of IPv6 and of ports that are used again, and
// gaps, which leave no trace in the file but are told.
func TestStreamsOfTheDemo(t *testing.T) {
	dir := t.TempDir()
	out := must(t, "streams", "-r", writeCapture(t, traffic.NewDemo()), "-d", dir)
	for _, line := range []string{
		"2001_0db8_000a_0000_0000_0000_0000_0011.41010-2001_0db8_0080_0000_0000_0000_0000_0001.00080 octets=76 end=fin\n",
		"010.001.000.031.43002-198.051.100.021.08080 octets=8 end=fin\n",
		"010.001.000.031.43002-198.051.100.021.08080_2 octets=8 end=fin\n",
		"192.000.002.080.00080-010.001.000.011.41040 octets=5840 end=fin gaps=1 gap=2920+1460\n",
		"198.051.100.021.00080-010.001.000.012.42020 octets=14600 end=rst\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is missing in\n%s", line, out)
		}
		name, _, _ := strings.Cut(line, " ")
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*"+partSuffix)); parts != nil {
		t.Errorf("left behind: %v", parts)
	}
	for f := range traffic.NewDemo().Flows() {
		if f.Note == "eight segments arrive out of order" {
			got, _ := os.ReadFile(filepath.Join(dir, endpointName(f.Server)+"-"+endpointName(f.Client)))
			if !bytes.Equal(got, f.AppendStream(nil, wire.ToClient)) {
				t.Errorf("%s: the file differs", f.Note)
			}
		}
	}
}

// TestFileCache: the file that was written to longest ago is closed first.
func TestFileCache(t *testing.T) {
	dir := t.TempDir()
	k := fileCache{limit: 2}
	fs := make([]streamFile, 3)
	for i := range fs {
		fs[i].path = filepath.Join(dir, string(rune('a'+i)))
	}
	write := func(i int, open ...bool) {
		t.Helper()
		if err := k.append(&fs[i], []byte{byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
		for j, want := range open {
			if got := fs[j].file != nil; got != want {
				t.Errorf("after writing to %d: %d is open: %v", i, j, got)
			}
		}
	}
	write(0, true, false, false)
	write(1, true, true, false)
	write(0, true, true, false)
	write(2, true, false, true)
	write(1, false, true, true)
	write(0, true, true, false)
	for i, want := range []string{"000", "11", "2"} {
		if err := k.finish(&fs[i]); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(fs[i].path); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", fs[i].path, got, err, want)
		}
	}
	if k.open != 0 || k.oldest != nil || k.newest != nil {
		t.Errorf("%d files are left in the cache", k.open)
	}
}
