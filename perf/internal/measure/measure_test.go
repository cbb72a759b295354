package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
)

// fake is a peer that has its results told.
type fake struct {
	turn    int
	results []Result
	err     error // of the last turn
	frames  int   // of the latest turn
	lastNs  int64
	t       *testing.T
}

func (f *fake) Run(src Source) error {
	f.frames = 0
	return Each(src, func(frame *rx.Frame) error {
		if frame.Timestamp < f.lastNs {
			f.t.Errorf("turn %d goes back in time", f.turn)
		}
		f.lastNs = frame.Timestamp
		f.frames++
		return nil
	})
}

func (f *fake) End(after int64) (Result, error) {
	if after <= f.lastNs {
		f.t.Errorf("turn %d ends before its last frame", f.turn)
	}
	f.lastNs = after
	f.turn++
	if f.turn == len(f.results) {
		return Result{}, f.err
	}
	return f.results[f.turn], nil
}

// A peer is ready with the workload, and then answers once for each time it is
// asked: with an error where it has not counted what the workload holds.
func TestServe(t *testing.T) {
	s := Setup{Workload: Workload{Name: "w1", Payload: 1400, Connections: 10_000, Seed: 1}, Mode: Read}
	l, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if want := (Totals{10_000 * 2 * 1400, 10_000 * 8 * 1400}); l.Text != want || l.Frames != 160_000 || l.Flows != 10_000 {
		t.Fatalf("%d frames with %v octets of text, want 160000 with %v", l.Frames, l.Text, want)
	}
	good := Result{Flows: 10_000, Text: l.Text}
	f := &fake{t: t, err: io.ErrUnexpectedEOF, results: []Result{{}, good, good,
		{Text: Totals{1, 2}}, {Flows: 3, Text: l.Text}, {Unordered: true}}}
	wants := []string{"", "counted 1 and 2 octets", "saw 3 flows", "", "unexpected EOF"}
	var out bytes.Buffer
	err = serve(strings.NewReader(strings.Repeat(Ask, len(wants))), &out, s, func(Setup) (Peer, error) { return f, nil })
	if err != nil {
		t.Fatal(err)
	}
	said := json.NewDecoder(&out)
	var ready Ready
	if err := said.Decode(&ready); err != nil || ready != (Ready{l.Frames, l.Octets}) || f.frames != l.Frames {
		t.Errorf("ready: %+v, %v", ready, err)
	}
	for _, want := range wants {
		var s Sample
		if err := said.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if s.WallNs <= 0 || !strings.Contains(s.Error, want) || want == "" && s.Error != "" {
			t.Errorf("%+v, want the error %q", s, want)
		}
	}
}

// Every workload can be made, and says how many flows it has.
func TestWorkloads(t *testing.T) {
	for _, k := range kinds {
		w := Workload{Name: k.name, Payload: -1, Connections: 3, Seed: 1}
		l, err := w.Load()
		if crowd := k.config == nil; err != nil || crowd != (l.Text[0] == 0) || crowd != (l.Text[1] == 0) || l.Flows != uint64(3+3*k.flood+min(1, k.elephant)) || w.Open() != int(l.Flows) {
			t.Errorf("%s: %v", k.name, err)
		}
	}
	for _, w := range []Workload{{Name: "novel", Connections: 1}, {Name: "w4", Connections: -1}} {
		if _, err := w.Load(); !errors.Is(err, ErrWorkload) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	if _, err := (Workload{Name: "w1", Connections: 1}).Load(); err != nil {
		t.Error(err)
	}
}

// Reading is of every octet: changing any one changes the sum.
func TestSum(t *testing.T) {
	b := make([]byte, 79)
	for i := range b {
		b[i] = 1
		if Sum(b) == 0 {
			t.Errorf("octet %d is not read", i)
		}
		b[i] = 0
	}
}

// Growth says what a peer took, and checks it as any turn.
func TestGrowth(t *testing.T) {
	s := Setup{Workload: Workload{Name: "w3", Connections: 100, Seed: 1}, Mode: Track, Variant: Growth}
	l, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, results: []Result{{}, {Flows: 100}, {Flows: 99}}}
	g := turns{peer: f, load: l, setup: s, src: l.Source}
	var out bytes.Buffer
	if err := g.growth(&out); err != nil {
		t.Fatal(err)
	}
	var m Memory
	if err := json.Unmarshal(out.Bytes(), &m); err != nil || m.Flows != 100 || m.PauseNs <= 0 || m.CollectNs <= 0 || f.frames != 1600 {
		t.Errorf("%+v, %v", m, err)
	}
	if err := g.growth(&out); err == nil {
		t.Error("99 flows of 100 will do")
	}
}

// Captures are read whole, as gopacket reads them.
func TestEachOf(t *testing.T) {
	s, err := Workload{Name: "w1", Payload: 9, Connections: 3, Seed: 1}.Stream()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "w1.pcap")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = traffic.WriteCapture(out, s, 0)
	frames := 0
	err = errors.Join(err, out.Close(), EachOf(name, func([]byte, gopacket.CaptureInfo) error { frames++; return nil }))
	if err != nil || frames != 3*16 {
		t.Errorf("%d frames: %v", frames, err)
	}
	if err := EachOf(name, func([]byte, gopacket.CaptureInfo) error { return io.ErrShortWrite }); err != io.ErrShortWrite {
		t.Errorf("what f returns is lost: %v", err)
	}
}
