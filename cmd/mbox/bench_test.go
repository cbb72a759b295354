package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

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
		got.Seconds, got.Packets, got.NsMid, got.NsMean, got.NsBest, got.NsCPU = 0, 0, 0, 0, 0, 0
		got.Gbit, got.Allocs, got.Memory, got.Process = 0, 0, 0, 0
		if got != want || f.Octets == 0 || f.Seconds <= 0 || f.NsBest > f.NsMean || f.NsBest > f.NsMid || f.NsCPU < 0 || f.Memory == 0 || f.Process < f.Memory {
			t.Errorf("%+v, want %+v and what is measured", f, want)
		}
		for _, want := range []string{"frames received", strconv.Itoa(3 * 349), "\nflows", strconv.Itoa(3 * flows), "both ledgers balance"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%s: %q is missing in\n%s", mode, want, r.stderr)
			}
		}
	}
}

// TestMedian: the turn in the middle, or between the two there.
func TestMedian(t *testing.T) {
	for want, sorted := range map[time.Duration][]time.Duration{3: {3}, 4: {3, 5}, 5: {3, 5, 90}, 6: {3, 5, 7, 90}} {
		if got := median(sorted); got != want {
			t.Errorf("%v: %v, want %v", sorted, got, want)
		}
	}
}

// TestBenchGenerated: without a capture it plays traffic of its own, and says
// what it measured.
func TestBenchGenerated(t *testing.T) {
	out := must(t, "bench", "--turns", "1", "--connections", "100", "--shards", "1")
	if first, _, _ := strings.Cut(out, "\n"); !strings.HasPrefix(first, "a packet ") || !strings.Contains(first, "in the median turn") {
		t.Errorf("the first line is %s", first)
	}
	for _, want := range []string{"\nworkload      generated, 100 connections, 1600 frames", ", 1 shard, ", "\nturns         1 in ", "\npackets ", "\nallocations "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
