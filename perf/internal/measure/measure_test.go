package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/rx"
)

// A peer is ready with the workload, and then answers once for each time it is
// asked: with an error where it has not counted what the workload holds.
func TestServe(t *testing.T) {
	w := Workload{Name: "staggered", Connections: 20, Seed: 1}
	l, err := w.Load()
	if err != nil {
		t.Fatal(err)
	}
	if want := (Totals{20 * 2 * 1400, 20 * 8 * 1400}); l.Text != want || len(l.Frames) != 20*16 {
		t.Fatalf("%d frames with %v octets of text, want %d with %v", len(l.Frames), l.Text, 20*16, want)
	}
	answers := []struct {
		text Totals
		err  error
		want string
	}{{l.Text, nil, ""}, {Totals{1, 2}, nil, "counted 1 and 2 octets"}, {l.Text, io.ErrUnexpectedEOF, "unexpected EOF"}}
	turns := 0
	var out bytes.Buffer
	err = serve(strings.NewReader(strings.Repeat(Ask, len(answers))), &out, w, func(frames []rx.Frame) (Totals, error) {
		if len(frames) != len(l.Frames) {
			t.Errorf("a turn gets %d frames", len(frames))
		}
		turns++
		return answers[turns-1].text, answers[turns-1].err
	})
	if err != nil {
		t.Fatal(err)
	}
	said := json.NewDecoder(&out)
	var ready Ready
	if err := said.Decode(&ready); err != nil || ready != (Ready{len(l.Frames), l.Octets}) {
		t.Errorf("ready: %+v, %v", ready, err)
	}
	for _, a := range answers {
		var s Sample
		if err := said.Decode(&s); err != nil {
			t.Fatal(err)
		}
		if s.WallNs <= 0 || !strings.Contains(s.Error, a.want) || a.want == "" && s.Error != "" {
			t.Errorf("%+v, want the error %q", s, a.want)
		}
	}
}

// Every workload can be made.
func TestWorkloads(t *testing.T) {
	for _, k := range kinds {
		l, err := Workload{Name: k.name, Connections: 3, Seed: 1}.Load()
		if err != nil || len(l.Frames) == 0 || l.Text[0] == 0 || l.Text[1] == 0 {
			t.Errorf("%s: %v", k.name, err)
		}
	}
	for _, w := range []Workload{{Name: "novel", Connections: 1}, {Name: "pages", Connections: -1}} {
		if _, err := w.Load(); !errors.Is(err, ErrWorkload) {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
