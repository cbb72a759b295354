package mboxtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// verdict is a testing.TB that keeps what it is told.
type verdict struct {
	testing.TB // of the real test: for what is not about failing
	said       []string
	fatal      bool
}

func (v *verdict) Helper()                   {}
func (v *verdict) Logf(string, ...any)       {}
func (v *verdict) Errorf(f string, a ...any) { v.said = append(v.said, fmt.Sprintf(f, a...)) }
func (v *verdict) Fatalf(f string, a ...any) {
	v.Errorf(f, a...)
	v.fatal = true
	runtime.Goexit()
}
func (v *verdict) Fatal(a ...any) { v.Fatalf("%s", fmt.Sprint(a...)) }

// judge returns what a test that calls f is told.
func judge(t *testing.T, f func(testing.TB)) *verdict {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(v)
	}()
	<-done
	return v
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const right = `# RFC 9293 §3.5: as it is.
> S  100   0  0                  | SYN-SENT     SYN-RECEIVED | start syn, client SYN-SENT, server SYN-RECEIVED
< SA 300 101  0                  | ESTABLISHED  SYN-RECEIVED | client ESTABLISHED
> PA 101 301  - data="a|b \"c\\" | ESTABLISHED  ESTABLISHED  | server ESTABLISHED, established, data client 0+7

> PA 101 301 50 frag=24/lost     |                           |
> PA 101 301  5 drop             | -            -            |
> U  20                          |                           | start datagram, data client 0+20
wait 3m                          |                           | end idle-timeout
end                              | -            -            | end shutdown
`

func TestCheckPassesWhatIsRight(t *testing.T) {
	path := write(t, right)
	if v := judge(t, func(tb testing.TB) { Check(tb, path) }); len(v.said) > 0 {
		t.Errorf("said: %s", strings.Join(v.said, "\n"))
	}
}

// Every single line that says something else than what happens fails, by its
// number.
func TestCheckFailsWhatIsWrong(t *testing.T) {
	lines := strings.Split(right, "\n")
	for i, l := range lines {
		input, expected, marked := strings.Cut(l, " | ")
		if !marked {
			continue
		}
		states, events, _ := strings.Cut(expected, "|")
		for _, wrong := range []string{
			input + " | CLOSED LISTEN |" + events,
			input + " | " + states + "| established",
			input,
		} {
			if wrong == l {
				continue
			}
			changed := append([]string(nil), lines...)
			changed[i] = wrong
			path := write(t, strings.Join(changed, "\n"))
			v := judge(t, func(tb testing.TB) { Check(tb, path) })
			if want := fmt.Sprintf("%s:%d:", path, i+1); len(v.said) != 1 || !strings.HasPrefix(v.said[0], want) {
				t.Errorf("%s\n\tsaid %q, want one complaint about %s", wrong, v.said, want)
			}
		}
	}
}

func TestCheckFailsWithoutATranscript(t *testing.T) {
	if v := judge(t, func(tb testing.TB) { Check(tb, "testdata/none.txt") }); !v.fatal {
		t.Error("a file that is not there passed")
	}
	path := write(t, "> S 100 0\n")
	if v := judge(t, func(tb testing.TB) { Check(tb, path) }); !v.fatal || !strings.Contains(v.said[0], path+":1:") {
		t.Errorf("a transcript that cannot be read passed: %q", v.said)
	}
}

// What -rewrite writes is what happens, in columns, and writing it again changes
// nothing.
func TestRewrite(t *testing.T) {
	var bare strings.Builder
	for _, l := range strings.Split(strings.TrimRight(right, "\n"), "\n") {
		input, _, _ := strings.Cut(l, " | ")
		bare.WriteString(strings.TrimRight(input, " ") + "\n")
	}
	path := write(t, bare.String())
	*rewrite = true
	defer func() { *rewrite = false }()
	for range 2 {
		if v := judge(t, func(tb testing.TB) { Check(tb, path) }); len(v.said) > 0 {
			t.Fatal(v.said)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != right {
			t.Errorf("%v:\n%s\nwant\n%s", err, b, right)
		}
	}
}

// The transcripts of the whole stack are written as -rewrite writes them, so that
// its differences are only those that matter.
func TestTranscriptsAreInColumns(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(path, string(b))
		if err != nil {
			t.Fatal(err)
		}
		o := outcome{states: map[int]string{}, events: map[int][]string{}}
		for i := range s.lines {
			o.states[i], o.events[i] = s.lines[i].states, []string{s.lines[i].events}
		}
		if got := o.render(s); got != string(b) {
			t.Errorf("%s: written anew it is\n%s", path, got)
		}
	}
}

// RFC 9293 §3.4: SYN, FIN and text are each once where the numbers wrap around.
func TestShiftsWrapEverySegment(t *testing.T) {
	s, err := Parse("t", "> S 100 0 0\n< SA 300 101 0\n> FPA 101 301 10\n< PA 301 112 20\n")
	if err != nil {
		t.Fatal(err)
	}
	const largest = ^wire.Seq(0)
	syn, fin, synack, text := false, false, false, [2]bool{}
	for _, sh := range s.shifts(rand.New(rand.NewPCG(1, 1))) {
		syn = syn || 100+sh[wire.ToServer] == largest
		fin = fin || 111+sh[wire.ToServer] == largest
		synack = synack || 300+sh[wire.ToClient] == largest
		text[wire.ToServer] = text[wire.ToServer] || 110+sh[wire.ToServer] < 9
		text[wire.ToClient] = text[wire.ToClient] || 320+sh[wire.ToClient] < 19
	}
	if !syn || !fin || !synack || text != [2]bool{true, true} {
		t.Errorf("wrap at SYN %v, FIN %v, SYN-ACK %v, within text %v", syn, fin, synack, text)
	}
}
