package merge_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/mbox-stack/mbox/internal/merge"
	"github.com/mbox-stack/mbox/uevents"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two shards write at marks; what they wrote comes out in the order of frames.
func Example() {
	w := merge.NewWriter(os.Stdout, 2, merge.InOrder, nil)
	done := make(chan struct{})
	go func() { w.Run(func(error) {}); close(done) }()
	at := func(frame uint64) uevents.Order { return uevents.Order{Phase: uevents.PhaseFrame, Number: frame} }
	w.Append(0, at(1), []byte("one\n"))
	w.Append(1, at(2), []byte("two\n"))
	w.Append(0, at(3), []byte("three\n"))
	w.Flush(0)
	w.Flush(1)
	w.Close()
	<-done
	// Output:
	// one
	// two
	// three
}

// TestOrderDoesNotDependOnShards deals the same entries to 1, 2 and 5 shards
// that run at their own pace.
func TestOrderDoesNotDependOnShards(t *testing.T) {
	const marks, perMark = 40, 25
	write := func(shards int) string {
		var out bytes.Buffer
		w := merge.NewWriter(&out, shards, merge.InOrder, nil)
		var wait, run sync.WaitGroup
		run.Go(func() {
			if err := w.Run(func(error) {}); err != nil {
				t.Error(err)
			}
		})
		for s := range shards {
			wait.Go(func() {
				for m := range marks {
					for i := range perMark {
						n := m*perMark + i
						if n*7919%shards == s {
							o := uevents.Order{Clock: int64(n / 3), Number: uint64(n), Phase: uevents.PhaseFrame}
							w.Append(s, o, fmt.Appendf(nil, "%d\n", n))
						}
					}
					w.Flush(s)
				}
				for i := range 30000 { // the last flows, too many for one part
					if i%shards == s {
						w.Append(s, uevents.Order{Number: uint64(i), Phase: uevents.PhaseEnd}, fmt.Appendf(nil, "end %d %s\n", i, strings.Repeat("-", 100)))
					}
				}
				w.Flush(s)
			})
		}
		wait.Wait()
		w.Close()
		run.Wait()
		return out.String()
	}
	want := write(1)
	if !strings.HasPrefix(want, "0\n1\n2\n") || strings.Count(want, "\n") != marks*perMark+30000 {
		t.Fatalf("one shard wrote %d lines", strings.Count(want, "\n"))
	}
	for _, shards := range []int{2, 5} {
		if write(shards) != want {
			t.Errorf("%d shards wrote otherwise than one", shards)
		}
	}
}

// TestTimersComeBeforeFramesOfTheirTime pins the order itself.
func TestTimersComeBeforeFramesOfTheirTime(t *testing.T) {
	o := func(clock int64, p uevents.Phase, n uint64, sub uint32) uevents.Order {
		return uevents.Order{Clock: clock, Phase: p, Number: n, Sub: sub}
	}
	sorted := []uevents.Order{
		o(5, uevents.PhaseFrame, 9, 0), o(6, uevents.PhaseTimer, 7, 0), o(6, uevents.PhaseTimer, 8, 0),
		o(6, uevents.PhaseFrame, 1, 0), o(6, uevents.PhaseFrame, 1, 1), o(6, uevents.PhaseFrame, 2, 0),
		o(1, uevents.PhaseEnd, 1, 0), o(0, uevents.PhaseEnd, 2, 0),
	}
	for i := range sorted {
		for j := range sorted {
			want := min(max(i-j, -1), 1)
			if got := sorted[i].Compare(sorted[j]); got != want {
				t.Errorf("%v compared with %v is %d, want %d", sorted[i], sorted[j], got, want)
			}
		}
	}
}

// broken fails after a number of octets.
type broken struct{ left int }

var errBroken = errors.New("broken pipe")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestAWriterThatFailsStopsNobody(t *testing.T) {
	for _, mode := range []merge.Mode{merge.InOrder, merge.AsItComes} {
		failOne(t, mode)
	}
}

func failOne(t *testing.T, mode merge.Mode) {
	w := merge.NewWriter(&broken{1 << 17}, 2, mode, nil)
	told := 0
	done := make(chan error)
	go func() { done <- w.Run(func(error) { told++ }) }()
	r := rand.New(rand.NewPCG(1, 1))
	line := bytes.Repeat([]byte("x"), 1000)
	for m := range 2000 {
		for s := range 2 {
			for range r.IntN(3) {
				w.Append(s, uevents.Order{Phase: uevents.PhaseFrame, Number: uint64(m)}, line)
			}
			w.Flush(s)
		}
	}
	w.Close()
	if err := <-done; !errors.Is(err, errBroken) || told != 1 || !errors.Is(w.Err(), errBroken) {
		t.Errorf("Run = %v, told %d times", err, told)
	}
}

// A live source leaves marks out for a shard that has no room: the others are
// not held up for it, and nothing is lost, now or at the end.
func TestShardsThatMissMarksHoldNobodyUp(t *testing.T) {
	const marks = 1000
	var out bytes.Buffer
	w := merge.NewWriter(&out, 3, merge.AsItComes, nil)
	var wait, run sync.WaitGroup
	run.Go(func() {
		if err := w.Run(func(error) {}); err != nil {
			t.Error(err)
		}
	})
	for s := range 3 {
		wait.Go(func() {
			for m := range marks {
				w.Append(s, uevents.Order{Phase: uevents.PhaseFrame, Number: uint64(m)}, fmt.Appendf(nil, "%d %d\n", s, m))
				if s == 0 || m%(100*s) == 0 || m == marks-1 {
					w.Flush(s)
				}
			}
		})
	}
	wait.Wait()
	w.Close()
	run.Wait()
	next := [3]int{}
	for line := range strings.Lines(out.String()) {
		var s, m int
		if _, err := fmt.Sscan(line, &s, &m); err != nil || m != next[s] {
			t.Fatalf("%q, want entry %d of the shard: %v", line, next[s], err)
		}
		next[s]++
	}
	if next != [3]int{marks, marks, marks} {
		t.Errorf("written %v entries of %d each", next, marks)
	}
}

// When a shard fails, those that wait for its part are let go.
func TestStopEndsAWriterThatWaits(t *testing.T) {
	stop := make(chan struct{})
	w := merge.NewWriter(io.Discard, 2, merge.InOrder, stop)
	var wait sync.WaitGroup
	wait.Go(func() { w.Run(func(error) {}) })
	wait.Go(func() {
		for range 100 {
			w.Flush(1) // shard 0 never comes to a mark
		}
	})
	close(stop)
	wait.Wait()
}
