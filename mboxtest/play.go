package mboxtest

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/uevents"
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
}

// noted is one event as the recorder has seen it.
type noted struct {
	order  mbox.Order
	line   int    // index in Script.lines
	states string // of both endpoints, "" where the event does not tell
	text   string // "" where only the states matter
}

// recorder notes what is raised, by the line it belongs to. Shards share it; its
// notes are put in the order of events when all of them have ended.
type recorder struct {
	script *Script
	lineOf []int   // by frame number less one
	times  []int64 // of the lines that have a time, ascending
	order  []int   // and their indices
	last   int     // index of the line for what happens when the source has ended

	mu    sync.Mutex // guards notes
	notes []noted
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
	r := s.recorder(events)
	if err := r.register(stack); err != nil {
		return outcome{}, err
	}
	if err := stack.Run(context.Background(), &source{events: events, perChunk: h.perChunk}); err != nil {
		return outcome{}, err
	}
	if st := stack.Stats(); !st.Balanced() {
		handed, fates := st.Packets()
		return outcome{}, fmt.Errorf("%s: the ledgers do not balance: %v; %d: %v", s.name, st.Frames(), handed, fates)
	}
	return r.outcome(), nil
}

// recorder returns a recorder that knows which line each event of the source
// belongs to.
func (s *Script) recorder(events []event) *recorder {
	r := &recorder{script: s, last: len(s.lines)}
	for _, e := range events {
		if !e.tick {
			r.lineOf = append(r.lineOf, e.line)
		}
		if n := len(r.order); n == 0 || r.order[n-1] != e.line {
			r.order = append(r.order, e.line)
			r.times = append(r.times, e.frame.Timestamp)
		}
	}
	for i := range s.lines {
		if s.lines[i].kind == kindEnd {
			r.last = i
		}
	}
	return r
}

// register puts the recorder's handlers on every event.
func (r *recorder) register(stack *mbox.Stack) error {
	sock := stack.Monitor(mbox.Stream)
	for _, ev := range mbox.Events() {
		if ev == mbox.OnRexmit && r.script.noRexmit || ev == mbox.OnTimer {
			continue
		}
		hook, h := mbox.PostTCP, r.note
		if ev == mbox.OnOrphan {
			hook = mbox.PreTCP
		}
		if ev == mbox.OnPacket {
			h = r.packet
			if err := sock.Handle(ev, mbox.PreTCP, r.packet); err != nil {
				return err
			}
		}
		if err := sock.Handle(ev, hook, h); err != nil {
			return err
		}
	}
	return nil
}

// packet is the handler of OnPacket on both hooks: it notes the states, and
// drops what the script says.
func (r *recorder) packet(c *mbox.Context) {
	order := c.Order()
	at := r.line(c, &order)
	if c.Hook() == mbox.PreTCP && r.script.lines[at].drop {
		if err := c.Drop(); err != nil {
			panic(err) // it is a packet's event, on PreTCP
		}
	}
	r.add(noted{order: order, line: at, states: states(c)})
}

// note is the handler of every other event.
func (r *recorder) note(c *mbox.Context) {
	order := c.Order()
	r.add(noted{order: order, line: r.line(c, &order), states: states(c), text: r.script.describe(c)})
}

func (r *recorder) add(n noted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, n)
}

// states returns the states of both endpoints: "- -" where there is no
// connection yet, or none any more.
func states(c *mbox.Context) string {
	if c.Conn() == nil {
		return ""
	}
	if _, begun := c.Conn().Start(); !begun || c.Event() == mbox.OnConnEnd {
		return "- -"
	}
	return c.State(mbox.Client).String() + " " + c.State(mbox.Server).String()
}

// outcome sorts the notes.
func (r *recorder) outcome() outcome {
	slices.SortStableFunc(r.notes, func(a, b noted) int { return a.order.Compare(b.order) })
	o := outcome{states: map[int]string{}, events: map[int][]string{}}
	for _, n := range r.notes {
		if n.states != "" {
			o.states[n.line] = n.states
		}
		if n.text != "" {
			o.events[n.line] = append(o.events[n.line], n.text)
		}
	}
	return o
}

// line returns the index of the line that the event belongs to: the packet's;
// without one, the first line at or after its time; the last for what happens
// because the source has ended.
func (r *recorder) line(c *mbox.Context, at *mbox.Order) int {
	if n := c.Number(); n > 0 {
		return r.lineOf[n-1]
	}
	now := c.Now().UnixNano()
	i := sort.Search(len(r.times), func(i int) bool { return r.times[i] >= now })
	if i == len(r.times) || at.Phase == uevents.PhaseEnd {
		return r.last
	}
	return r.order[i]
}

// render returns the transcript with what happened at each line, as Check
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
