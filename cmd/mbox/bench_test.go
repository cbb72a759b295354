package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
)

// TestBench: each turn starts from an empty table, so that every one has the
// flows of the first, and figures are of the frames that were played.
func TestBench(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	flows := strings.Count(must(t, "flows", "-r", demo, "--format", "jsonl", "--idle-timeout", "0"), "\n")
	for _, mode := range []string{"track", "events", "read", "history"} {
		r := runArgs("bench", "-r", demo, "--turns", "2", "--mode", mode, "--format", "json", "--stats", "--shards", "2", "--idle-timeout", "3h")
		var f figures
		if err := json.Unmarshal([]byte(r.stdout), &f); err != nil || r.status != statusOK {
			t.Fatalf("%+v, %v", r, err)
		}
		want := figures{Source: demo, Mode: mode, Shards: 2, CPUs: f.CPUs, Frames: 349, Octets: f.Octets, Turns: 2}
		got := f
		got.Seconds, got.Packets, got.NsMean, got.NsBest, got.Gbit, got.Allocs, got.Memory, got.Process = 0, 0, 0, 0, 0, 0, 0, 0
		if got != want || f.Octets == 0 || f.Seconds <= 0 || f.NsBest > f.NsMean || f.Memory == 0 || f.Process < f.Memory {
			t.Errorf("%+v, want %+v and what is measured", f, want)
		}
		for _, want := range []string{"frames received", strconv.Itoa(3 * 349), "\nflows", strconv.Itoa(3 * flows), "both ledgers balance"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%s: %q is missing in\n%s", mode, want, r.stderr)
			}
		}
	}
}

// TestBenchGenerated: without a capture it plays traffic of its own, and says
// what it measured.
func TestBenchGenerated(t *testing.T) {
	out := must(t, "bench", "--turns", "1", "--connections", "100")
	for _, want := range []string{"workload      generated, 100 connections, 1600 frames", "\nturns         1 in ", "\na packet ", "\nallocations "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
