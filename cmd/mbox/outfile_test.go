package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
)

// TestOutputFile: what goes to -o FILE is what would have gone to standard output.
func TestOutputFile(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	for _, args := range []string{"flows", "flows --format csv", "flows --format jsonl --active-timeout 1m", "events", "events --format jsonl"} {
		args := append(strings.Fields(args), "-r", demo)
		want := must(t, args...)
		for _, how := range []string{"", "--when-full drop"} {
			name := filepath.Join(t.TempDir(), "out")
			if out := must(t, append(append(args, "-o", name), strings.Fields(how)...)...); out != "" {
				t.Errorf("%v: standard output has %q", args, out)
			}
			got, err := os.ReadFile(name)
			if line, g, w := firstDifference(string(got), want); err != nil || line > 0 {
				t.Errorf("%v %s: %v, line %d is\n%s\nwant\n%s", args, how, err, line, g, w)
			}
		}
		if out := must(t, append(args, "-o", "-", "--when-full", "drop")...); out != want {
			t.Errorf("%v: -o - is not standard output", args)
		}
	}
}

// TestRotation: rotated files hold all lines in whole, each with the head of CSV.
func TestRotation(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	dir := t.TempDir()
	name := filepath.Join(dir, "out.csv")
	args := []string{"flows", "-r", demo, "--format", "csv"}
	must(t, append(args, "-o", name, "--rotate-size", "2KiB")...)
	head, rest, _ := strings.Cut(must(t, args...), "\n")
	files, err := filepath.Glob(name + ".*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	var got strings.Builder
	for i := range len(files) + 1 {
		file := name
		if i < len(files) {
			file += "." + string(rune('1'+i))
		}
		b, err := os.ReadFile(file)
		text, ok := strings.CutPrefix(string(b), head+"\n")
		if err != nil || !ok || len(b) > 2048 || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s: %v, %d octets that begin with the head: %v", file, err, len(b), ok)
		}
		got.WriteString(text)
	}
	if got.String() != rest {
		t.Error("the files together are not what standard output has")
	}
}

// TestDurationOfWaiting: a run that waits for a full disk ends when its time is
// over, and says what was lost.
func TestDurationOfWaiting(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no ", full, " here")
	}
	r := runArgs("flows", "-r", writeCapture(t, traffic.NewDemo()), "-o", full, "--duration", "100ms")
	if r.status != statusInput || !strings.Contains(r.stderr, "mbox: /dev/full: no room for the last ") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

// TestDroppedLines: lines for which a device has no room are counted, in --stats
// and at the end.
func TestDroppedLines(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("no ", full, " here")
	}
	demo := writeCapture(t, traffic.NewDemo())
	lines := strings.Count(must(t, "flows", "-r", demo, "--format", "jsonl"), "\n")
	r := runArgs("flows", "-r", demo, "--format", "jsonl", "-o", full, "--when-full", "drop", "--stats")
	for _, want := range []string{"no space left on device; lines are dropped until there is\n",
		"mbox: /dev/full had no room for " + strconv.Itoa(lines) + " lines, which were dropped\n", "  output lines dropped"} {
		if r.status != statusOK || strings.Count(r.stderr, want) != 1 {
			t.Errorf("status %d, %q is not there once:\n%s", r.status, want, r.stderr)
		}
	}
	var stderr bytes.Buffer
	device, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if status := run([]string{"flows", "-r", demo, "--when-full", "drop"}, device, &stderr); status != statusOK || !strings.Contains(stderr.String(), "standard output had no room for") {
		t.Errorf("standard output that is full: status %d, %s", status, &stderr)
	}
}
