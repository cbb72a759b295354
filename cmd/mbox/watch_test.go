package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// paced is a live source: frames come with the time of the clock, and time goes
// on when there are none, for a while.
type paced struct {
	frames [][]byte
	bare   []rx.Frame
	ticks  int // that are still to come behind the frames
}

func newPaced(t *testing.T, s traffic.Stream, ticks int) *paced {
	t.Helper()
	p := &paced{ticks: ticks}
	for _, f := range traffic.All(s) {
		p.frames = append(p.frames, bytes.Clone(f))
	}
	return p
}

// Live implements rx.Live.
func (p *paced) Live() bool { return true }

// Next implements rx.Source: a few frames each millisecond, or a tick.
func (p *paced) Next(c *rx.Chunk) error {
	*c = rx.Chunk{}
	time.Sleep(time.Millisecond)
	if len(p.frames) == 0 {
		if p.ticks == 0 {
			return io.EOF
		}
		p.ticks--
		c.Clock = time.Now().UnixNano()
		return nil
	}
	n := min(16, len(p.frames))
	p.bare = p.bare[:0]
	for _, f := range p.frames[:n] {
		p.bare = append(p.bare, rx.Frame{Data: f, Timestamp: time.Now().UnixNano(), WireLen: uint32(len(f)), Link: wire.LinkEthernet})
	}
	c.Frames, p.frames = p.bare, p.frames[n:]
	return nil
}

// Close implements rx.Source.
func (p *paced) Close() error { return nil }

// TestWebOfALiveSource: seconds end by the clock, also those in which nothing
// happens, and add up to the total, which is that of a capture of the same frames.
func TestWebOfALiveSource(t *testing.T) {
	pages := func() traffic.Stream {
		s, err := traffic.NewConnections(traffic.Pages(3, 40))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr}
	o := newOptions()
	src := newPaced(t, pages(), 200) // ticks of a millisecond: a few seconds of 20 ms without a frame
	s, err := p.sessionOver(src, o, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &webOptions{mode: choice{value: modeStream}, format: choice{value: "jsonl"}, sort: choice{value: "bytes"}, rows: 3, every: interval(20 * time.Millisecond)}
	if _, err := s.playWeb(context.Background(), w, nil, false); err != nil || stderr.Len() > 0 {
		t.Fatalf("%v, %s", err, &stderr)
	}
	checkSeconds(t, stdout.String(), must(t, "web", "-r", writeCapture(t, pages()), "--format", "jsonl", "--rows", "3"))
}

// totals are what objects of web have in common, by name.
func totals(t *testing.T, line string) (total bool, n map[string]float64) {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	n = map[string]float64{}
	for _, name := range []string{"opened", "closed", "failed", "gap"} {
		n[name] = o[name].(float64)
	}
	for _, side := range sideNames {
		for name, v := range o[side].(map[string]any) {
			n[side+"."+name] = v.(float64)
		}
	}
	return o["total"].(bool), n
}

func checkSeconds(t *testing.T, live, capture string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(capture), "\n")
	_, want := totals(t, lines[len(lines)-1])
	sum, silent := map[string]float64{}, 0
	for line := range strings.Lines(live) {
		total, n := totals(t, line)
		if total {
			if fmt.Sprint(n) != fmt.Sprint(want) {
				t.Errorf("in all\n%v, and of a capture\n%v", n, want)
			}
			continue
		}
		if n["c2s.packets"] == 0 {
			silent++
		}
		for name, v := range n {
			sum[name] += v
		}
	}
	if fmt.Sprint(sum) != fmt.Sprint(want) || silent == 0 {
		t.Errorf("the seconds add up to\n%v, want\n%v; %d of them were silent", sum, want, silent)
	}
}

// TestRollIsTheFirst: what is left of many flows are those that a sort of all of
// them puts first, whatever the order in which they come.
func TestRollIsTheFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, column := range []string{"bytes", "packets/s", "idle"} {
		k := &ranks{order: flowColumnOf(column).order(column == "idle"), rows: 10}
		var all []sight
		var got roll
		for i := range 5000 {
			s := sight{flow: mbox.Flow{ID: mbox.FlowID(r.Uint64())}, octets: [2]uint64{r.Uint64N(50), uint64(i % 7)}, rate: [2]uint64{r.Uint64N(9), 0}, idle: time.Duration(r.IntN(100))}
			all = append(all, s)
			got.add(&s, k)
		}
		got.cut(k)
		slices.SortFunc(all, func(a, b sight) int { return k.compare(&a, &b) })
		if got.count != len(all) || !slices.Equal(got.first, all[:k.rows]) {
			t.Errorf("%s: of %d flows the first are\n%v, want\n%v", column, got.count, got.first, all[:k.rows])
		}
	}
}
