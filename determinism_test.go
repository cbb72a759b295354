package mbox_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/witness"
	"github.com/mbox-stack/mbox/rx"
)

// way is how a capture is played. What comes out must not depend on it.
type way struct {
	shards, batch, procs int
}

var ways = []way{{1, 128, 2}, {1, 128, 2}, {1, 1, 1}, {2, 256, 1}, {3, 1, 2}, {8, 256, 2}}

// framesMany is from how many frames on a few ways must do.
const framesMany = 10_000

// waysFew are for what there is much of.
var waysFew = []way{{1, 128, 2}, {3, 1, 2}, {8, 256, 2}}

// The same capture gives the same events in the same order, octet for octet,
// for any number of shards, any batches and from run to run: with timers that
// fire, flows that are evicted, stream memory that runs short, and handlers that
// interfere (invariants I11 and I12).
func TestEventsDoNotDependOnTheWay(t *testing.T) {
	for _, c := range captures() {
		t.Run(c.name, func(t *testing.T) {
			frames := c.frames(t)
			open := func() rx.Source { return rx.NewMemory(frames...) }
			all, most := ways, framesMany
			if testing.Short() { // as under the race detector, where a frame takes many times as long
				if most = framesMany / 2; len(frames) > most {
					t.Skipf("%d frames: not with -short", len(frames))
				}
				all = waysFew
			}
			if len(frames) > most {
				all = waysFew
			}
			if st := sameOnAllWays(t, all, c.memory, 0, open); !c.shows(&st) {
				t.Errorf("the capture does not show what it is for: %+v", st.Total())
			}
			if !testing.Short() {
				sameOnAllWays(t, waysFew, c.memory, 9, open)
			}
		})
	}
}

// The same on captures of others, where there are any: MBOX_CONFORMANCE names a
// directory with captures in it.
func TestEventsOfACorpusDoNotDependOnTheWay(t *testing.T) {
	eachOfCorpus(t, func(path string) {
		sameOnAllWays(t, waysFew, 0, 0, func() rx.Source { return rx.File(path) })
	})
}

// eachOfCorpus calls f with the captures that MBOX_CONFORMANCE has.
func eachOfCorpus(t *testing.T, f func(path string)) {
	t.Helper()
	dir := os.Getenv("MBOX_CONFORMANCE")
	if dir == "" || testing.Short() {
		t.Skip("MBOX_CONFORMANCE names no directory of captures")
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(filepath.Base(path), ".pcap") && !strings.HasSuffix(path, ".cap") {
			return err
		}
		f(path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sameOnAllWays plays a source in all ways and returns what the first one did.
func sameOnAllWays(t *testing.T, ways []way, memory, seed uint64, open func() rx.Source) (first mbox.Stats) {
	t.Helper()
	var sum []byte
	for i, w := range ways {
		log := sha256.New()
		st := w.play(t, open(), memory, seed, log)
		if i == 0 {
			first, sum = st, log.Sum(nil)
			continue
		}
		if !bytes.Equal(log.Sum(nil), sum) {
			t.Errorf("nuisance %d: %+v differs from %+v:\n%s", seed, w, ways[0], difference(t, ways[0], w, memory, seed, open))
			return first
		}
	}
	return first
}

// play runs a stack over a source, watched and audited.
func (w way) play(t *testing.T, src rx.Source, memory, seed uint64, log io.Writer) mbox.Stats {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(w.procs))
	st, err := witness.Play(mbox.Config{Shards: w.shards, Batch: w.batch, Memory: memory}, src, seed, log)
	if err != nil {
		t.Errorf("%+v, nuisance %d: %v", w, seed, err)
	}
	return st
}

// difference plays a source in two ways again and returns where the journals
// part.
func difference(t *testing.T, a, b way, memory, seed uint64, open func() rx.Source) string {
	t.Helper()
	var logs [2]bytes.Buffer
	for i, w := range []way{a, b} {
		w.play(t, open(), memory, seed, &logs[i])
	}
	x, y := strings.SplitAfter(logs[0].String(), "\n"), strings.SplitAfter(logs[1].String(), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d\n\tbefore %s\t%s\tor     %s", i+1, x[max(0, i-1)], x[i], y[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}
