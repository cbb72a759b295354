package tcpfsm

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/*.txt and docs/tcpfsm.md with what is, to be read in review")

// step is one line of a transcript.
//
//	> SA 100 301 10 win=0 ts=7/3 drop | ESTABLISHED SYN-RECEIVED | notes
//
// reads: from the client (">") or the server ("<"), flags, SEG.SEQ, SEG.ACK,
// octets of text; then options and what happens on the way; then the states of
// client and server that it leaves; then all there is to note. Other lines are
// "! client" (its 2 MSL are over), "untrack server", "strict" (from here on),
// an empty one (another connection), and comments.
type step struct {
	verb    string // "segment", "expire", "untrack", "strict", "new" or ""
	dir     wire.Dir
	seg     wire.Segment
	dropped bool
	want    string // states and notes, single spaces
	left    string // of the first bar, as written
	line    string
}

// transcript is a file of them.
type transcript struct {
	path  string
	steps []step
}

func readTranscripts(t testing.TB) (all []transcript) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no transcripts: ", err)
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		tr := transcript{path: p}
		for sc := bufio.NewScanner(f); sc.Scan(); {
			s, err := parseStep(sc.Text())
			if err != nil {
				t.Fatalf("%s:%d: %v", p, len(tr.steps)+1, err)
			}
			tr.steps = append(tr.steps, s)
		}
		f.Close()
		all = append(all, tr)
	}
	return all
}

func parseStep(line string) (s step, err error) {
	s.line = line
	left, want, _ := strings.Cut(line, "|")
	f := strings.Fields(left)
	switch {
	case len(f) == 0:
		s.verb = "new"
		return s, nil
	case strings.HasPrefix(f[0], "#"):
		return s, nil
	case f[0] == "strict":
		s.verb = "strict"
		return s, nil
	}
	s.left, s.want = left, squeeze(want)
	switch {
	case len(f) == 2 && (f[0] == "!" || f[0] == "untrack"):
		s.verb = map[string]string{"!": "expire", "untrack": "untrack"}[f[0]]
		s.dir, err = parseSide(f[1])
		return s, err
	case len(f) < 5 || f[0] != ">" && f[0] != "<":
		return s, fmt.Errorf("cannot read %q", line)
	}
	s.verb = "segment"
	if f[0] == "<" {
		s.dir = wire.ToClient
	}
	return s, s.parseSegment(f[1:])
}

func parseSide(s string) (wire.Dir, error) {
	switch s {
	case "client":
		return wire.ToServer, nil
	case "server":
		return wire.ToClient, nil
	}
	return 0, fmt.Errorf("no such side: %q", s)
}

func (s *step) parseSegment(f []string) error {
	s.seg.Wnd = 0xffff
	for _, r := range strings.TrimSuffix(f[0], "0") {
		i := strings.IndexRune("FSRPAUEWe", r)
		if i < 0 {
			return fmt.Errorf("no such flag: %q", r)
		}
		s.seg.Flags |= 1 << i
	}
	var n [3]uint64
	for i := range n {
		v, err := strconv.ParseUint(f[1+i], 10, 32)
		if err != nil {
			return err
		}
		n[i] = v
	}
	s.seg.Seq, s.seg.Ack, s.seg.Len = wire.Seq(n[0]), wire.Seq(n[1]), uint32(n[2])
	for _, kv := range f[4:] {
		if err := s.option(kv); err != nil {
			return fmt.Errorf("%s: %v", kv, err)
		}
	}
	return nil
}

func (s *step) option(kv string) error {
	key, value, _ := strings.Cut(kv, "=")
	value, second, _ := strings.Cut(value, "/")
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil && value != "" {
		return err
	}
	switch key {
	case "drop":
		s.dropped = true
	case "win":
		s.seg.Wnd = uint16(n)
	case "ws":
		s.seg.WScale, s.seg.Opts = uint8(n), s.seg.Opts|wire.OptWScale
	case "mss":
		s.seg.MSS, s.seg.Opts = uint16(n), s.seg.Opts|wire.OptMSS
	case "sack":
		s.seg.Opts |= wire.OptSACKOK
	case "tfo":
		s.seg.Opts |= wire.OptTFO
	case "urg":
		s.seg.Urg = uint16(n)
	case "ts":
		echo, err := strconv.ParseUint(second, 10, 32)
		if err != nil {
			return err
		}
		s.seg.TSVal, s.seg.TSEcr, s.seg.Opts = uint32(n), uint32(echo), s.seg.Opts|wire.OptTimestamp
	default:
		return fmt.Errorf("unknown")
	}
	return nil
}

// player plays transcripts, as a user of the package would.
type player struct {
	conn  Conn
	rules Rules
	shift wire.Seq // added to every sequence number (TestWrapAnywhere)
}

// play takes one step and returns states and notes as a transcript has them; for
// lines that have none, it returns "".
func (p *player) play(t testing.TB, s *step) string {
	var delta Delta
	var look Look
	switch s.verb {
	case "":
		return ""
	case "new":
		p.conn, p.rules = Conn{}, Rules{}
		return ""
	case "strict":
		p.rules.Strict = true
		return ""
	case "expire":
		delta = p.conn.Expire(s.dir)
	case "untrack":
		p.conn.Untrack(s.dir)
	case "segment":
		seg := s.seg
		seg.Seq += p.shift
		if seg.Flags.Has(wire.ACK) {
			seg.Ack += p.shift
		}
		delta, look = p.segment(t, &seg, s.dir, s.dropped)
	}
	got := fmt.Sprint(p.conn.State(wire.ToServer), " ", p.conn.State(wire.ToClient))
	if n := notes(&delta, &look); n != "" {
		got += " | " + n
	}
	return got
}

// segment looks at a segment, begins another connection if it renews, and steps.
func (p *player) segment(t testing.TB, seg *wire.Segment, d wire.Dir, dropped bool) (Delta, Look) {
	before := p.conn
	look := p.conn.Look(seg, d, p.rules)
	if p.conn != before {
		t.Errorf("Look has changed the connection")
	}
	if look.Renews {
		p.conn = Conn{}
		d, _ = Orient(seg)
	}
	received := seg
	if dropped {
		received = nil
	}
	delta := p.conn.Step(seg, received, d, p.rules)
	if !dropped && !look.Renews && look.Anomalies != delta.Anomalies {
		t.Errorf("Look saw %v, Step %v", look.Anomalies, delta.Anomalies)
	}
	return delta, look
}

// notes says what is worth saying of a step.
func notes(delta *Delta, look *Look) string {
	var n []string
	add := func(yes bool, format string, a ...any) {
		if yes {
			n = append(n, fmt.Sprintf(format, a...))
		}
	}
	add(look.Renews, "renews")
	add(look.KeepAlive, "keep-alive")
	add(look.WindowProbe, "probe")
	add(look.OutOfOrder, "out-of-order")
	for i, name := range []string{"text", "SYN", "SYN-ACK", "FIN"} {
		add(look.Rexmit.Has(1<<i), "rexmit-%s", name)
	}
	add(look.OldLen > 0, "old=%d+%d", look.OldOff, look.OldLen)
	add(look.Text == TakeTrimmed, "take=%d+%d", look.TakeOff, look.TakeLen)
	add(look.Text == Ignore, "ignore")
	add(delta.Established, "established")
	add(delta.Missed > 0, "missed=%d", delta.Missed)
	add(delta.Reset, "reset")
	add(delta.Closed, "closed")
	add(delta.Anomalies != 0, "%v", delta.Anomalies)
	return strings.Join(n, " ")
}

// squeeze brings states and notes into one form: single spaces.
func squeeze(want string) string {
	states, notes, ok := strings.Cut(want, "|")
	if !ok {
		return strings.Join(strings.Fields(states), " ")
	}
	return strings.Join(strings.Fields(states), " ") + " | " + strings.Join(strings.Fields(notes), " ")
}

// layout writes a line as it should stand in its file.
func (s *step) layout(got string) string {
	states, notes, _ := strings.Cut(got, " | ")
	client, server, _ := strings.Cut(states, " ")
	line := fmt.Sprintf("%-28s | %-12s %-12s", strings.TrimRight(s.left, " "), client, server)
	if notes != "" {
		line += " | " + notes
	}
	return strings.TrimRight(line, " ")
}

// TestTranscripts replays testdata/*.txt.
func TestTranscripts(t *testing.T) {
	for _, tr := range readTranscripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(tr.path), ".txt"), func(t *testing.T) {
			var p player
			var file strings.Builder
			for i := range tr.steps {
				s := &tr.steps[i]
				line := s.line
				if got := p.play(t, s); got != "" {
					line = s.layout(got)
					if got != s.want {
						t.Errorf("%s:%d: %s\n got %s\nwant %s", tr.path, i+1, s.left, got, s.want)
					}
				}
				fmt.Fprintln(&file, line)
			}
			if *rewrite {
				if err := os.WriteFile(tr.path, []byte(file.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
