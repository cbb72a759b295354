package mboxtest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

func TestBadTranscriptsAreRefusedByLine(t *testing.T) {
	const good = "# a comment | with a bar\n> S 100 0 0\n"
	for _, c := range []struct{ line, why string }{
		{"hello", "neither a segment"},
		{"= S 100 0 0", "no direction"},
		{"> X 100 0 0", "no TCP flag"},
		{"> S 4294967296 0 0", "SEG.SEQ"},
		{"> S 100 -1 0", "SEG.ACK"},
		{"> S 100 0 x", "number of octets"},
		{"> S 100 0 65001", "at most 65000"},
		{"> S 100 0 -", "no data="},
		{`> S 100 0 3 data="four"`, "has 4"},
		{`> S 100 0 - data=four`, "data=four"},
		{"> S 100 0 0 win=65536", "win=65536"},
		{"> S 100 0 0 ws=256", "ws=256"},
		{"> S 100 0 0 text=999", "text=999"},
		{"> S 100 0 0 ts=1", "ts=VAL/ECR"},
		{"> S 100 0 0 ts=x/1", "ts=x/1"},
		{"> S 100 0 0 sackok=1", "sackok=1"},
		{"> S 100 0 0 mss", "mss"},
		{"> S 100 0 0 colour=red", "no such option"},
		{"> S 100 0 0 t=-1s", "forward"},
		{"> S 100 0 0 t=soon", "t=soon"},
		{"> S 100 0 0 frag=0", "multiple of 8"},
		{"> S 100 0 0 frag=20", "multiple of 8"},
		{"> S 100 0 0 frag=24/sideways", "sideways"},
		{"> S 100 0 9 frag=8 cut=1", "not cut"},
		{"> U", "neither a segment"},
		{"> U x", "number of octets"},
		{"> U 10 win=5", "only segments"},
		{"wait", "neither a segment"},
		{"wait 5", "missing unit"},
		{"wait -5s", "forward"},
		{"icmp < 3 1", "nothing yet"},
		{"icmp > x 1", "number of octets"},
		{"icmp ? 3 1", "no direction"},
		{": checksums maybe", "label, verify or off"},
		{": policy best", "best"},
		{": fragments best", "best"},
		{": history lots", "lots"},
		{": timeout closing", "is written"},
		{": timeout lunch 1h", "lunch"},
		{": timeout closing soon", "soon"},
		{": strict please", "without"},
		{": colour red", "no setting"},
		{":", "without a name"},
		{" | CLOSED CLOSED |", "nothing happens here"},
		{"end\n> S 100 0 0", "has ended"},
	} {
		_, err := Parse("t", good+c.line+"\n")
		at := "t:3: "
		if strings.HasPrefix(c.line, "end") {
			at = "t:4: "
		}
		if err == nil || !strings.HasPrefix(err.Error(), at) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s\n\terror %v, want one at %sabout %q", c.line, err, at, c.why)
		}
	}
}

func TestRunFailsATest(t *testing.T) {
	stack := func() *mbox.Stack {
		s, err := mbox.New(mbox.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if v := judge(t, func(tb testing.TB) { Run(tb, stack(), "> S 100") }); !v.fatal {
		t.Error("a transcript that cannot be read passed")
	}
	once := stack()
	Run(t, once, "> S 100 0 0\n")
	if v := judge(t, func(tb testing.TB) { Run(tb, once, "> S 100 0 0\n") }); !v.fatal || !strings.Contains(v.said[0], mbox.ErrRunning.Error()) {
		t.Errorf("a stack that had run ran again: %q", v.said)
	}
}

// The source gives a frame at a time, and nothing once it is closed.
func TestSource(t *testing.T) {
	s, err := Parse("t", "> S 100 0 0\nwait 1s\n> S 100 0 0\n")
	if err != nil {
		t.Fatal(err)
	}
	src := s.Source()
	var c rx.Chunk
	var clocks []time.Duration
	for {
		if err := src.Next(&c); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		at := c.Clock
		if len(c.Frames) > 0 {
			at = c.Frames[0].Timestamp
		}
		clocks = append(clocks, time.Duration(at-firstNs))
	}
	if len(clocks) != 3 || clocks[0] != step || clocks[1] != 2*step+time.Second || clocks[2] != 3*step+time.Second {
		t.Errorf("clocks %v", clocks)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if err := src.Next(&c); !errors.Is(err, rx.ErrClosed) {
		t.Errorf("a closed source says %v", err)
	}
}

// What a Talk writes raises no anomaly, and says what was meant.
func TestTalk(t *testing.T) {
	talk := new(Talk).Open().Send(mbox.Client, "one ").Send(mbox.Client, "two").Swap().Repeat(mbox.Client).
		Miss(mbox.Client, " three").Send(mbox.Server, `ack "\`).Send(mbox.Client, " four").Ack(mbox.Server).Close(mbox.Client).
		Open().Wait(time.Second).Reset(mbox.Server).Open().Datagram(mbox.Client, "?")
	script, err := Parse("talk", talk.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, talk)
	}
	script.showText = true
	o, err := script.play(how{perChunk: 1, shards: 1, batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for i := range len(script.lines) + 1 {
		for _, e := range o.events[i] {
			if kind, _, _ := strings.Cut(e, " "); kind != "client" && kind != "server" {
				said = append(said, e)
			}
		}
	}
	const want = `start syn
established
data client 0+4 "one "
data client 4+3 "two"
rexmit client 4+3 same
data server 0+6 "ack \"\\"
gap client 7+6 acknowledged
data client 13+5 " four"
start syn
established
start syn
established
start datagram
data client 0+1 "?"
end fin
end rst
end shutdown
end shutdown`
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("raised\n%s\nwant\n%s\nby\n%s", got, want, talk)
	}
}

// Whatever can be read can be made frames of.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("../testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(": ipv6\n> SAFRPUEWe 1 1 5000 mss=1 ws=255 sackok tfo ts=1/1 frag=8/conflict badsum\nicmp > 1 1\nend")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		s, err := Parse("fuzz", text)
		if err != nil {
			return
		}
		s.events(shift{7, 1 << 31})
	})
}
