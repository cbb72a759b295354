package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// topOptions are what the flags of top say.
type topOptions struct {
	format choice
	sort   choice
	rows   int
	every  interval
}

// top returns the command that shows all flows.
func (p *program) top() *cobra.Command {
	o := newOptions()
	o.checksums.value = "off" // nothing here tells of wrong ones, and to find them takes all of each frame
	w := &topOptions{
		format: choice{kind: "FORM", value: "auto", of: []string{"auto", "lines", "jsonl"}},
		sort:   choice{kind: "COLUMN", value: "bytes", of: flowColumnNames()},
	}
	cmd := &cobra.Command{
		Use:   "top {-i IFACE | -r FILE} [flags] [filter expression]",
		Short: "All flows, with both TCP states",
		Long: `Show the flows that there are, with the TCP states of both ends, what each side
has sent and how much of it in the latest second. On a terminal it is a live
view. Elsewhere it is a table of the first --rows flows: of a capture one when it
has been read, of the flows that live at its end, or with --every DUR one each
DUR of packet time.`,
		Example: `  mbox top -i eth0
  mbox top -r trace.pcap
  mbox top -r trace.pcap --sort packets net 10.0.0.0/8
  mbox top -r trace.pcap --every 10s --format jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.rows < 1 || w.rows > topRowsMax {
				return fmt.Errorf("top: --rows must be between 1 and %d", topRowsMax)
			}
			return p.runTop(cmd.Context(), o, w, args)
		},
	}
	own := cmd.Flags()
	own.Var(&w.format, "format", "auto (the view on a terminal, else lines), lines (a table) or jsonl, one object a flow")
	own.Var(&w.sort, "sort", "what flows are ranked by: "+strings.Join(w.sort.of, ", "))
	own.IntVar(&w.rows, "rows", 20, "`N` flows of a table; the view has as many as fit the screen")
	own.Var(&w.every, "every", "look at all flows each DUR (default 1s live and on a terminal; else once, at the end)")
	o.output(own)
	o.common(cmd)
	return cmd
}

// topRowsMax bounds how many flows are ranked: what anybody could scroll through.
// Others are counted, and summed up.
const topRowsMax = 10_000

// sight is a flow as it was when it was looked at.
type sight struct {
	flow    mbox.Flow
	state   [2]mbox.State
	packets [2]uint64
	octets  [2]uint64
	rexmits uint64
	gap     uint64
	rtt     time.Duration
	age     time.Duration
	idle    time.Duration
	rate    [2]uint64 // packets and octets since it was looked at before
}

// sighting is what top keeps with a flow: what it had sent when it was looked at.
type sighting struct{ packets, octets uint64 }

// roll is what one shard, or all, saw at a time.
type roll struct {
	at    time.Time
	shard int
	first []sight // the first in the order asked for
	full  bool    // first has been cut
	count int     // flows in all
	sum   [4]uint64
}

// The numbers of roll's sum, of all flows.
const (
	sumPackets = iota
	sumOctets
	sumPacketRate
	sumOctetRate
)

// watcher looks at all flows once an interval.
type watcher struct {
	*sampler
	want  *wanted
	seen  mbox.Key[sighting]
	parts *mbox.Local[watcherPart]
}

type watcherPart struct {
	now   roll
	spare []*sighting
	flows int
	news  bool  // flows have begun or ended since the latest report
	busy  bool  // flows had sent something, as of the latest report
	rank  ranks // as it was wanted at the latest report
}

// ranks says which flows come first, and which at all.
type ranks struct {
	order  func(a, b *sight) int // nil: not asked for yet
	filter string
	rows   int
}

// wanted is the order that flows are ranked in, and how many: the view changes
// it while shards look.
type wanted struct {
	mu      sync.Mutex
	column  *flowColumn
	reverse bool
	filter  string
	rows    int
}

// get returns what is wanted now.
func (w *wanted) get() ranks {
	w.mu.Lock()
	defer w.mu.Unlock()
	return ranks{w.column.order(w.reverse), w.filter, w.rows}
}

// newWatcher registers on sock what looking needs.
func (s *session) newWatcher(sock *mbox.Socket, every time.Duration, want *wanted) (*watcher, error) {
	m := &watcher{want: want, seen: mbox.NewKey[sighting](), parts: mbox.NewLocal[watcherPart](s.stack, nil)}
	var err error
	if m.sampler, err = s.newSampler(sock, every); err != nil {
		return nil, err
	}
	m.visit, m.report = func(c *mbox.Context) bool { m.look(c); return true }, m.reportOf
	return m, errors.Join(
		sock.Moves(func(c *mbox.Context) { m.moved(c, -1) }, func(c *mbox.Context) { m.moved(c, 1) }),
		sock.Handle(mbox.OnConnStart, mbox.PostTCP, m.begin),
		sock.Handle(mbox.OnConnEnd, mbox.PostTCP, m.end))
}

func (m *watcher) begin(c *mbox.Context) {
	p := m.parts.Of(c)
	seen := new(sighting)
	if n := len(p.spare); n > 0 {
		seen, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	*seen = sighting{}
	m.seen.Set(c, seen)
	p.flows++
	p.news = true
	m.note(c)
}

// moved is told that a flow has left the shard, or come to it.
func (m *watcher) moved(c *mbox.Context, flows int) {
	p := m.parts.Of(c)
	p.flows += flows
	p.news = true
	m.note(c)
}

// end looks at a flow for the last time, if it has not ended before the source.
func (m *watcher) end(c *mbox.Context) {
	p := m.parts.Of(c)
	p.news = true
	if c.Order().Phase == uevents.PhaseEnd {
		m.look(c)
		p.now.at, p.now.shard = c.Now(), c.Shard()
	} else {
		m.note(c) // there is one less
	}
	p.flows--
	p.spare = append(p.spare, m.seen.Get(c))
}

// look ranks a flow.
func (m *watcher) look(c *mbox.Context) {
	p := m.parts.Of(c)
	s := sight{flow: c.Flow(), gap: c.Evidence().GapOctets, age: c.Now().Sub(c.FirstSeen()), idle: max(c.Now().Sub(c.LastActive()), 0)}
	for _, d := range sides {
		sent := c.Counters(d)
		s.state[d], s.packets[d], s.octets[d] = c.State(d), sent.Packets, sent.PayloadBytes
		s.rexmits += sent.Rexmits
	}
	if rtt := c.RTT(); rtt.Client > 0 && rtt.Server > 0 {
		s.rtt = rtt.Client + rtt.Server
	}
	seen := m.seen.Get(c)
	now := sighting{s.packets[0] + s.packets[1], s.octets[0] + s.octets[1]}
	s.rate = [2]uint64{now.packets - seen.packets, now.octets - seen.octets}
	*seen = now
	if p.rank.order == nil {
		p.rank = m.want.get()
	}
	p.now.add(&s, &p.rank)
}

// add adds a flow to a roll. Where the roll is twice as long as it need be, the
// last in the order go, and from then on flows that come behind those that are
// left are only counted.
func (r *roll) add(s *sight, k *ranks) {
	if k.filter != "" && !strings.Contains(strings.ToLower(s.text()), k.filter) {
		return
	}
	r.count++
	for i, n := range [...]uint64{s.packets[0] + s.packets[1], s.octets[0] + s.octets[1], s.rate[0], s.rate[1]} {
		r.sum[i] += n
	}
	if r.full && k.compare(s, &r.first[k.rows-1]) > 0 {
		return
	}
	r.first = append(r.first, *s)
	if len(r.first) >= 2*k.rows {
		r.cut(k)
		r.full = true
	}
}

// compare orders flows, those that are alike by their numbers.
func (k *ranks) compare(a, b *sight) int {
	return cmp.Or(k.order(a, b), cmp.Compare(a.flow.ID, b.flow.ID))
}

// cut sorts a roll and leaves the first rows of it.
func (r *roll) cut(k *ranks) {
	slices.SortFunc(r.first, func(a, b sight) int { return k.compare(&a, &b) })
	r.first = r.first[:min(len(r.first), k.rows)]
}

// text is what a filter looks for a match in.
func (s *sight) text() string {
	text := s.flow.String()
	if s.flow.Proto() == wire.ProtoTCP {
		text += " " + s.state[0].String() + " " + s.state[1].String()
	}
	return text
}

// reportOf returns what a shard has seen, if it is another than before: a flow
// that nothing comes of only grows older. After an interval with traffic comes
// one in which it is seen that there is none.
func (m *watcher) reportOf(c *mbox.Context, at time.Time) (report any, next again) {
	p := m.parts.Of(c)
	r := p.take(at, m.want)
	r.shard = c.Shard()
	busy := r.sum[sumPacketRate] > 0
	if busy || p.busy || p.news || m.live {
		report = r
	}
	switch {
	case busy || m.live:
		next = nextInterval
	case p.flows > 0:
		next = nextActive
	}
	p.busy, p.news = busy, false
	return report, next
}

// take returns what was seen until a time, and begins anew.
func (p *watcherPart) take(at time.Time, want *wanted) *roll {
	r := p.now
	r.at = at
	p.rank = want.get()
	r.cut(&p.rank)
	p.now = roll{}
	return &r
}

// rolls puts together what shards saw. A shard that says nothing sees what it saw
// before, only older.
type rolls struct {
	want    *wanted
	printed func(*roll) error

	mu     sync.Mutex
	at     time.Time     // under way
	shards map[int]*roll // the latest of each shard
	last   roll          // of all, of the time that is over
	err    error         // of printed, the first one
}

// add takes a shard's roll.
func (b *rolls) add(r *roll) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.at.After(b.at) {
		b.finish()
		b.at = r.at
	}
	b.shards[r.shard] = r
	return b.err
}

// finish ends the time under way.
func (b *rolls) finish() {
	if b.at.IsZero() {
		return
	}
	all := roll{at: b.at}
	for _, r := range b.shards {
		late := b.at.Sub(r.at)
		for _, s := range r.first {
			s.age += late
			s.idle += late
			all.first = append(all.first, s)
		}
		all.count += r.count
		for i, n := range r.sum {
			all.sum[i] += n
		}
	}
	k := b.want.get()
	all.cut(&k)
	b.last = all
	if err := b.printed(&b.last); b.err == nil {
		b.err = err
	}
}

// runTop runs top.
func (p *program) runTop(ctx context.Context, o *options, w *topOptions, args []string) error {
	shown := p.wantsDisplay(o, w.format.value)
	s, err := p.session(o, nil, func(c *mbox.Config) { c.Memory = keeping(c.Memory, 20) })
	if err != nil {
		return err
	}
	want := &wanted{column: flowColumnOf(w.sort.value), rows: w.rows}
	b := &rolls{want: want, printed: func(*roll) error { return nil }, shards: map[int]*roll{}}
	every := time.Duration(w.every)
	if every == 0 {
		if every = time.Second; !shown && !s.isLive() {
			every = never
		}
	}
	sock := s.stack.Monitor(mbox.Stream)
	if err := sock.Bind(strings.Join(args, " ")); err != nil {
		return fmt.Errorf("%w (--filter looks at packets)", err)
	}
	m, err := s.newWatcher(sock, every, want)
	if err != nil {
		return err
	}
	m.take = func(r any) error { return b.add(r.(*roll)) }
	out := &topWriter{to: s.out, json: w.format.value == "jsonl", every: every}
	var d *display
	if shown {
		d = p.openDisplay(ctx)
	}
	if d == nil {
		b.printed = out.print
	} else {
		defer d.close(nil)
		s.terminal = terminal
		want.rows = topRowsMax
		ctx = d.start(&topView{rolls: b, every: every, over: d.over}, slices.Index(flowColumnNames(), w.sort.value))
	}
	s.atEnd(func(failed error) error {
		err := b.conclude(m)
		d.close(failed)
		if d != nil && b.last.count > 0 {
			want.rows = w.rows
			k := want.get()
			b.last.cut(&k)
			_ = out.print(&b.last) // out keeps the error
		}
		if failed == nil && !out.some && !out.json {
			out.write([]byte("no flows at the end of the capture\n"))
		}
		return errors.Join(err, unless(failed, out.err))
	})
	return s.play(ctx)
}

// never is an interval that no capture reaches the end of.
const never = time.Duration(1) << 61

// conclude adds what shards have seen since their latest reports, when the run is
// over: the flows that lived at the end.
func (b *rolls) conclude(m *watcher) error {
	var rest []*roll
	err := m.parts.Fold(func(p *watcherPart) {
		if p.now.count > 0 {
			rest = append(rest, p.take(p.now.at, m.want))
		}
	})
	for _, r := range rest {
		_ = b.add(r) // who prints keeps the error
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish()
	return err
}
