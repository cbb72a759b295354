package mboxtest

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// Source returns what the transcript says as a source of frames, one frame at a
// time, for a Stack of the caller's own making. Settings have no influence on
// it, and "drop" none without a handler that drops.
func (s *Script) Source() rx.Source {
	return &source{events: s.events(shift{}), perChunk: 1}
}

// Run plays a transcript through a stack whose handlers are to be tested, and
// returns when every flow has ended. A transcript that cannot be read, and an
// error of the run, fail the test.
func Run(t testing.TB, stack *mbox.Stack, transcript string) {
	t.Helper()
	s, err := Parse("transcript", transcript)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Run(context.Background(), s.Source()); err != nil {
		t.Fatal(err)
	}
}

// how is a way to play a script. What happens must not depend on it.
type how struct {
	perChunk int
	shards   int
	batch    int
	shift    shift
}

// outcome is what happened at each line.
type outcome struct {
	states map[int]string // by index in Script.lines
	events map[int][]string
	end    []string // after the last line
}

// recorder notes what is raised, by the line it belongs to.
type recorder struct {
	script *Script
	out    outcome
	lineOf []int   // by frame number less one
	times  []int64 // of the lines that have a time, ascending
	order  []int   // and their indices
	states map[mbox.FlowID]*[2]mbox.State
}

// play runs the script and returns what happened.
func (s *Script) play(h how) (outcome, error) {
	cfg := s.cfg
	cfg.Shards, cfg.Batch = h.shards, h.batch
	stack, err := mbox.New(cfg)
	if err != nil {
		return outcome{}, err
	}
	events := s.events(h.shift)
	r := &recorder{script: s, states: map[mbox.FlowID]*[2]mbox.State{},
		out: outcome{states: map[int]string{}, events: map[int][]string{}}}
	for _, e := range events {
		if !e.tick {
			r.lineOf = append(r.lineOf, e.line)
		}
		if n := len(r.order); n == 0 || r.order[n-1] != e.line {
			r.order = append(r.order, e.line)
			r.times = append(r.times, e.frame.Timestamp)
		}
	}
	if err := r.register(stack, h.shift); err != nil {
		return outcome{}, err
	}
	if err := stack.Run(context.Background(), &source{events: events, perChunk: h.perChunk}); err != nil {
		return outcome{}, err
	}
	if st := stack.Stats(); !st.Balanced() {
		handed, fates := st.Packets()
		return outcome{}, fmt.Errorf("%s: the ledgers do not balance: %v; %d: %v", s.name, st.Frames(), handed, fates)
	}
	return r.out, nil
}

// register puts the recorder's handlers on every event. Shards share it: it is
// for scripts of one connection at a time, whose events have an order anyway.
func (r *recorder) register(stack *mbox.Stack, sh shift) error {
	sock := stack.Monitor(mbox.Stream)
	drops := sock.Handle(mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		if r.script.lines[r.lineOf[c.Number()-1]].drop {
			c.Drop()
		}
	})
	if drops != nil {
		return drops
	}
	for _, ev := range mbox.Events() {
		if ev == mbox.OnRexmit && r.script.noRexmit || ev == mbox.OnTimer {
			continue
		}
		hook := mbox.PostTCP
		if ev == mbox.OnOrphan {
			hook = mbox.PreTCP
		}
		if err := sock.Handle(ev, hook, r.note); err != nil {
			return err
		}
	}
	return nil
}

// note is the handler of every event.
func (r *recorder) note(c *mbox.Context) {
	at := r.line(c)
	if c.Event() != mbox.OnPacket {
		text := describe(c)
		if at < 0 {
			r.out.end = append(r.out.end, text)
		} else {
			r.out.events[at] = append(r.out.events[at], text)
		}
	}
	if at < 0 || c.Conn() == nil {
		return
	}
	r.out.states[at] = c.State(mbox.Client).String() + " " + c.State(mbox.Server).String()
	if c.Event() == mbox.OnConnEnd && c.Number() == 0 {
		r.out.states[at] = "- -"
	}
}

// line returns the index of the line that the event belongs to: the packet's;
// without one, the first line at or after its time; -1 after the last.
func (r *recorder) line(c *mbox.Context) int {
	if n := c.Number(); n > 0 {
		return r.lineOf[n-1]
	}
	now := c.Now().UnixNano()
	i := sort.Search(len(r.times), func(i int) bool { return r.times[i] >= now })
	if i == len(r.times) || c.Reason() == mbox.EndShutdown && c.Event() == mbox.OnConnEnd {
		return -1
	}
	return r.order[i]
}

// String returns the transcript with what happened at each line, as Check
// expects it.
func (o *outcome) render(s *Script) string {
	width, stateWidth := 0, 0
	for i := range s.lines {
		if s.lines[i].kind != kindText {
			width = max(width, len(s.lines[i].input))
			stateWidth = max(stateWidth, len(pad(o.states[i])))
		}
	}
	var b strings.Builder
	for i := range s.lines {
		l := &s.lines[i]
		if l.kind == kindText {
			b.WriteString(l.input + "\n")
			continue
		}
		text := fmt.Sprintf("%-*s | %-*s | %s", width, l.input, stateWidth, pad(o.states[i]), strings.Join(o.events[i], ", "))
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}

// pad lines the second state up.
func pad(states string) string {
	client, server, ok := strings.Cut(states, " ")
	if !ok {
		return states
	}
	return fmt.Sprintf("%-12s %s", client, server)
}
