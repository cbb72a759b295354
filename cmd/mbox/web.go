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
)

// The modes of web: those that the 2015 paper compares.
const (
	modePacket = "packet"
	modeFlow   = "flow"
	modeStream = "stream"
)

// webPorts is the scope of web: the registered ports of HTTP and HTTPS and their
// usual alternatives.
const webPorts = "tcp port 80 or tcp port 443 or tcp port 8000 or tcp port 8080 or tcp port 8443"

// webOptions are what the flags of web say.
type webOptions struct {
	mode   choice
	format choice
	sort   choice
	rows   int
	every  interval
}

// newWebOptions returns the options with their defaults.
func newWebOptions() *webOptions {
	return &webOptions{
		mode:   choice{kind: "MODE", value: modeStream, of: []string{modePacket, modeFlow, modeStream}},
		format: choice{kind: "FORM", value: "auto", of: []string{"auto", "lines", "jsonl"}},
		sort:   choice{kind: "COLUMN", value: "bytes", of: measureNames()},
		every:  interval(time.Second),
	}
}

// web returns the command that watches web servers.
func (p *program) web() *cobra.Command {
	o, w := newOptions(), newWebOptions()
	o.checksums.value = "off" // nothing here tells of wrong ones, and to find them takes all of each frame
	cmd := &cobra.Command{
		Use:   "web {-i IFACE | -r FILE} [flags] [filter expression]",
		Short: "Web servers by the second: connections, traffic, loss, hosts",
		Long: `Watch web servers: connections that are open, new and closed, packets and
payload, retransmissions, octets missed, handshake times, by server and by the
host that clients ask for (HTTP's Host, TLS's server name). On a terminal it is a
live view, elsewhere a line a second and a summary. Ports 80, 443, 8000, 8080 and
8443 are watched; a filter expression behind the flags chooses others, per flow.

  --mode packet   each packet by itself, no connections
  --mode flow     TCP's state, no payload
  --mode stream   what clients say too, until they have named a host`,
		Example: `  mbox web -i eth0
  mbox web -r trace.pcap
  mbox web -r trace.pcap --mode flow tcp port 3128
  mbox web -r trace.pcap --format jsonl | jq -r '[.t, .open] | @tsv'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.rows < 0 {
				return errors.New("web: --rows must not be negative")
			}
			return p.runWeb(cmd.Context(), o, w, args)
		},
	}
	own := cmd.Flags()
	own.Var(&w.mode, "mode", "packet, flow or stream")
	own.Var(&w.format, "format", "auto (the view on a terminal, else lines), lines or jsonl")
	own.Var(&w.sort, "sort", "what servers and hosts are ranked by: "+strings.Join(w.sort.of, ", "))
	own.IntVar(&w.rows, "rows", 10, "show the first `N` servers and hosts of lines' summary and of JSON objects; 0: all")
	own.Var(&w.every, "every", "a line, and a look at all flows, each DUR")
	o.output(own)
	o.common(cmd)
	return cmd
}

// measureNames returns what rows can be sorted by.
func measureNames() (names []string) {
	for i := range measures {
		names = append(names, strings.ToLower(measures[i].name))
	}
	return names
}

func measureOf(name string) *measure {
	for i := range measures {
		if strings.EqualFold(measures[i].name, name) {
			return &measures[i]
		}
	}
	return nil
}

// bySecond and byTotal order rows by a measure, the largest first.
func bySecond(m *measure) func(a, b *ranked) int {
	return func(a, b *ranked) int { return cmp.Compare(m.of(b, true, time.Second), m.of(a, true, time.Second)) }
}

func byTotal(m *measure) func(a, b *ranked) int {
	return func(a, b *ranked) int { return cmp.Compare(m.value(&b.total), m.value(&a.total)) }
}

// webMeter is what counts for web.
type webMeter interface {
	rest() ([]*meterReport, error)
}

// webWriter is what writes for web.
type webWriter interface {
	second(*board) error
	summary(*board)
}

// runWeb runs web.
func (p *program) runWeb(ctx context.Context, o *options, w *webOptions, args []string) error {
	shown := p.wantsDisplay(o, w.format.value)
	s, err := p.session(o, nil, w.adjust)
	if err != nil {
		return err
	}
	_, err = s.playWeb(ctx, w, args, shown)
	return err
}

// adjust leaves room for what is kept with flows.
func (w *webOptions) adjust(c *mbox.Config) { c.Memory = keeping(c.Memory, 20) }

// playWeb plays a session as web does, shown on a screen or not. It returns what
// has been counted.
func (s *session) playWeb(ctx context.Context, w *webOptions, args []string, shown bool) (*board, error) {
	scope := strings.Join(args, " ")
	if strings.TrimSpace(scope) == "" {
		scope = webPorts
	}
	b := newBoard(time.Duration(w.every))
	b.live = s.isLive()
	meter, err := s.webMeter(w, scope, b)
	if err != nil {
		return nil, err
	}
	out, failed := s.webWriter(w)
	var d *display
	if shown {
		d = s.openDisplay(ctx)
	}
	if d == nil {
		b.second = out.second
	} else {
		defer d.close(nil)
		s.terminal = terminal
		v := newWebView(b, w, d.over)
		column := v.sortColumn(measureOf(w.sort.value))
		ctx = d.start(v, column, column)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := func() {}
	s.atStart(func() { stop = b.run(cancel) })
	s.atEnd(func(err error) error {
		stop()
		left := b.conclude(meter)
		d.close(err)
		if (err == nil || b.seconds > 0) && failed() == nil {
			out.summary(b)
		}
		return errors.Join(left, unless(err, failed()))
	})
	return b, s.play(ctx)
}

// unless returns err, unless it is known already.
func unless(known, err error) error {
	if err != nil && errors.Is(known, err) {
		return nil
	}
	return err
}

// run ends the seconds of a live source by the clock, until the returned function
// is called: a little late, so that what shards have counted has come. It cancels
// the run where a second cannot be written.
func (b *board) run(cancel func()) (stop func()) {
	if !b.live {
		return func() {}
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			now := time.Now()
			next := now.Truncate(b.every).Add(b.every)
			select {
			case <-over:
				return
			case <-time.After(next.Sub(now) + b.every/4):
				if b.tick(next) != nil {
					cancel()
					return
				}
			}
		}
	}()
	return sync.OnceFunc(func() { close(over); <-done })
}

// conclude gives the board what is left to report when the run is over.
func (b *board) conclude(m webMeter) error {
	rest, err := m.rest()
	slices.SortStableFunc(rest, func(x, y *meterReport) int { return x.at.Compare(y.at) })
	for _, r := range rest {
		_ = b.take(r) // who writes keeps the error
	}
	b.end()
	return err
}

// webMeter opens the socket of a mode, and counts into b.
func (s *session) webMeter(w *webOptions, scope string, b *board) (webMeter, error) {
	kind := mbox.Stream
	if w.mode.value == modePacket {
		kind = mbox.Raw
	}
	sock := s.stack.Monitor(kind)
	if err := sock.Bind(scope); err != nil {
		return nil, fmt.Errorf("%w (--filter looks at packets)", err)
	}
	take := func(report any) error { return b.take(report.(*meterReport)) }
	if kind == mbox.Raw {
		m, err := s.newPacketMeter(sock, b.every)
		if err == nil {
			m.take = take
		}
		return m, err
	}
	m, err := s.newMeter(sock, b.every, w.mode.value == modeStream)
	if err == nil {
		m.take = take
	}
	return m, err
}

// webWriter returns what writes in the form asked for, and its error.
func (s *session) webWriter(w *webOptions) (out webWriter, failed func() error) {
	if w.format.value == "jsonl" {
		j := &webJSON{to: s.out, mode: w.mode.value, rows: w.rows, sort: measureOf(w.sort.value)}
		return j, func() error { return j.err }
	}
	l := &webLines{to: s.out, mode: w.mode.value, rows: w.rows, sort: measureOf(w.sort.value)}
	return l, func() error { return l.err }
}
