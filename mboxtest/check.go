package mboxtest

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// rewrite makes Check write what happened into the transcripts.
var rewrite = flag.Bool("rewrite", false, "write what happened into the transcripts; read the difference before you commit it")

// Check plays the transcript in a file through a stack of its own, and fails
// the test where states or events differ from what the lines say. With the
// flag -rewrite the file is written anew instead.
//
// The transcript is played several times, and must come out the same each time:
// frame by frame and all frames in one batch, on one shard and on three, and
// with sequence numbers that wrap around at other places.
func Check(t testing.TB, path string) {
	t.Helper()
	s, err := ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.play(how{perChunk: 1, shards: 1, batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(first.render(s)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	s.compare(t, &first)
	for _, h := range s.ways(t) {
		again, err := s.play(h)
		if err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%s: played another way (%+v) it comes out otherwise:\n%s", path, h, again.render(s))
		}
	}
}

// ways returns the ways to play a script that must make no difference.
func (s *Script) ways(t testing.TB) []how {
	all := []how{
		{perChunk: 1 << 20, shards: 1, batch: 256},
		{perChunk: 3, shards: 3, batch: 2},
	}
	seed := rand.Uint64()
	t.Logf("shifts of sequence numbers by seed %d", seed)
	for _, sh := range s.shifts(rand.New(rand.NewPCG(seed, 0))) {
		all = append(all, how{perChunk: 1 << 20, shards: 1, batch: 256, shift: sh})
	}
	return all
}

// shifts returns shifts of sequence numbers by which each segment in turn is the
// one at which its direction's numbers wrap around: its last octet, SYN or FIN has
// the largest number there is, and, once for each segment with text, an octet
// within. Both directions wrap around in the same play.
func (s *Script) shifts(r *rand.Rand) []shift {
	var of [2][]wire.Seq
	add := func(d wire.Dir, zero wire.Seq) {
		if !slices.Contains(of[d], -zero) {
			of[d] = append(of[d], -zero)
		}
	}
	for i := range s.lines {
		l := &s.lines[i]
		if l.kind != kindSegment {
			continue
		}
		end := l.tcp.Seq.Add(uint32(l.len))
		if l.tcp.Flags&wire.SYN != 0 {
			end++
		}
		if l.tcp.Flags&wire.FIN != 0 {
			end++
		}
		add(l.dir, end)
		if l.len > 1 {
			add(l.dir, l.tcp.Seq.Add(uint32(1+r.IntN(l.len-1))))
		}
	}
	all := []shift{{1 << 31, 1 << 31}}
	for i := range max(len(of[0]), len(of[1])) {
		sh := shift{wire.Seq(r.Uint32()), wire.Seq(r.Uint32())}
		for d := range of {
			if i < len(of[d]) {
				sh[d] = of[d][i]
			}
		}
		all = append(all, sh)
	}
	return all
}

// compare reports the lines at which something else happened.
func (s *Script) compare(t testing.TB, o *outcome) {
	t.Helper()
	for i := range s.lines {
		l := &s.lines[i]
		if l.kind == kindText {
			continue
		}
		if !l.marked {
			t.Errorf("%s:%d: the line does not say what it expects", s.name, l.number)
			continue
		}
		if got := o.states[i]; got != l.states {
			t.Errorf("%s:%d: %s\n\tstates %q\n\twant   %q", s.name, l.number, l.input, got, l.states)
		}
		if got := strings.Join(o.events[i], ", "); got != l.events {
			t.Errorf("%s:%d: %s\n\tevents %s\n\twant   %s", s.name, l.number, l.input, got, l.events)
		}
	}
}

// CheckAll runs Check on every transcript that the pattern matches, each as a
// test of its own, and fails if there is none.
func CheckAll(t *testing.T, pattern string) {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts at %s (%v)", pattern, err)
	}
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".txt"), func(t *testing.T) {
			t.Parallel()
			Check(t, p)
		})
	}
}
