package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/pkg/profile"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/cmd/mbox/internal/outfile"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/uevents"
)

// session is one run of a stack over what the command line names. A command
// makes one, registers its handlers and plays it.
type session struct {
	*program
	opt      *options
	stack    *mbox.Stack
	log      *slog.Logger
	from     []rx.Source
	rings    []*rx.Ring    // those among from
	left     string        // privileges that were not given up, in words; "" before
	tap      *capture      // nil unless frames are written
	out      io.Writer     // where records go
	file     *outfile.File // that is in out; nil: it is standard output
	fresh    bool          // file was opened, and was not there before
	starts   []func()
	ends     []func(error) error
	terminal string    // that a view is shown on; "": none
	folders  []string  // that files will be written to, besides those of flags
	made     []string  // of these, those that were made for it
	progress *progress // nil until the run begins
}

// session makes a stack for a command that reads what the options name: args are
// the filter expression that stood behind the flags.
func (p *program) session(o *options, args []string, adjust func(*mbox.Config)) (*session, error) {
	if err := o.live.check(o.read); err != nil {
		return nil, err
	}
	if o.metricsPprof && o.metrics == "" {
		return nil, errors.New("--metrics-pprof: nothing is served; --metrics ADDR does")
	}
	if len(o.read) == 0 {
		return p.sessionOver(nil, o, args, adjust)
	}
	return p.sessionOver(rx.File(o.read...), o, args, adjust)
}

// sessionOver is session for a source of the command's own; nil stands for the
// interfaces that the options name, which play opens.
func (p *program) sessionOver(from rx.Source, o *options, args []string, adjust func(*mbox.Config)) (*session, error) {
	s := &session{program: p, opt: o, out: p.stdout, log: slog.New(slog.NewTextHandler(p.stderr, nil))}
	if from != nil {
		s.from = append(s.from, from)
	}
	if isTerminal(p.stdout) {
		s.out = &screen{p.stdout, s}
	}
	var err error
	if s.out, err = s.outputTo(s.out); err != nil {
		return nil, err
	}
	cfg, err := o.config(args)
	if err != nil {
		return nil, err
	}
	if o.memory > 0 {
		debug.SetMemoryLimit(int64(o.memory))
	}
	if o.write != "" {
		s.tap = &capture{name: o.write, window: o.live.window()}
		if len(o.live.interfaces) > 0 {
			s.tap.early = func(err error) { fmt.Fprintf(s.stderr, "mbox: %v; no more frames are written\n", err) }
		}
		cfg.Tap = s.tap.frame
	}
	if adjust != nil {
		adjust(&cfg)
	}
	cfg.Log = s.log
	if s.stack, err = mbox.New(cfg); err != nil {
		return nil, err
	}
	if p.through != nil && from != nil {
		s.from[0] = p.through(s.stack, from)
	}
	return s, nil
}

// atEnd has f called when the run is over, with what went wrong so far; it
// returns what goes wrong with itself. What was asked for last comes first.
func (s *session) atEnd(f func(error) error) { s.ends = append(s.ends, f) }

// atStart has f called when everything has been opened, right before the run.
func (s *session) atStart(f func()) { s.starts = append(s.starts, f) }

// play runs the stack over its source and finishes what the command began.
func (s *session) play(ctx context.Context) error {
	if err := s.openLive(); err != nil {
		return failure{err}
	}
	ctx, forget := s.untilHangUp(ctx)
	defer forget()
	s.progress = s.watch() // ahead of everybody who asks for it
	if d := time.Duration(s.opt.duration); d > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, d)
		defer stop()
	}
	release, err := s.open(ctx)
	if err != nil {
		s.closeLive()
		return failure{s.finish(err)}
	}
	defer release()
	if err := s.stack.Limit(s.from...); err != nil {
		s.closeLive()
		return failure{s.finish(err)}
	}
	s.announce()
	ctx, stop := s.drained(ctx)
	defer stop()
	for _, f := range s.starts {
		f()
	}
	err = s.finish(s.stack.Run(ctx, s.from...))
	if s.opt.stats {
		s.summary()
	} else {
		s.farewell()
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// open opens what the run writes to and is asked by, and returns what closes it.
// What is another program's to give comes first, then privileges are given up:
// files are those of whoever the program is from then on.
func (s *session) open(ctx context.Context) (release func(), err error) {
	var close closers
	defer func() {
		if err != nil {
			close.all()
		}
	}()
	for _, from := range s.from {
		if c, ok := from.(*rx.Capture); ok {
			if err := c.Check(); err != nil {
				return nil, err
			}
		}
	}
	close.add(onAsked(s.summary))
	stopServer, err := s.monitor()
	if err != nil {
		return nil, err
	}
	close.add(stopServer)
	stopProfile, err := s.opt.startProfile(s.stderr)
	if err != nil {
		return nil, err
	}
	close.add(stopProfile)
	if err := s.confine(); err != nil {
		return nil, err
	}
	if s.tap != nil {
		if err := s.tap.create(); err != nil {
			return nil, err
		}
		s.atEnd(s.tap.close)
	}
	closeOutput, err := s.openOutput(ctx)
	if err != nil {
		return nil, err
	}
	close.add(closeOutput)
	return close.all, nil
}

// closers are what ends with a run, and is called in the opposite order.
type closers []func()

func (c *closers) add(f func()) { *c = append(*c, f) }

func (c *closers) all() {
	for _, f := range slices.Backward(*c) {
		f()
	}
}

// finish ends what the command began, and returns what has gone wrong.
func (s *session) finish(err error) error {
	if s.progress != nil {
		s.progress.stop()
	}
	for i := len(s.ends) - 1; i >= 0; i-- {
		err = errors.Join(err, s.ends[i](err))
	}
	return err
}

// summary says on standard error how the run goes, or went.
func (s *session) summary() {
	var b bytes.Buffer
	if s.progress != nil && isTerminal(s.stderr) {
		b.WriteString(clearLine) // which progress writes again
	}
	st := s.latest()
	s.ringStats(&b, &st)
	printStats(&b, st)
	s.outputStats(&b)
	_, _ = s.stderr.Write(b.Bytes()) // there is nobody else to tell
}

// latestWait is how long the summary waits for shards to say what they have
// done. If one hangs in a handler, it is about what is known.
const latestWait = time.Second

// latest returns the counters as they are now.
func (s *session) latest() mbox.Stats {
	said := make(chan struct{})
	go func() {
		_ = s.stack.Ping() // it fails in handlers only
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(latestWait):
	}
	return s.stack.Stats()
}

// watched are the kinds of profile that --profile knows.
var watched = []struct {
	name, file string
	mode       func(*profile.Profile)
}{
	{"cpu", "cpu.pprof", profile.CPUProfile},
	{"mem", "mem.pprof", profile.MemProfile},
	{"mutex", "mutex.pprof", profile.MutexProfile},
	{"block", "block.pprof", profile.BlockProfile},
	{"trace", "trace.out", profile.TraceProfile},
	{"goroutine", "goroutine.pprof", profile.GoroutineProfile},
}

func profileNames() (names []string) {
	for _, w := range watched {
		names = append(names, w.name)
	}
	return names
}

// startProfile starts the profile that was asked for and returns what stops it
// and says where it is.
func (o *options) startProfile(stderr io.Writer) (stop func(), err error) {
	for _, w := range watched {
		if w.name == o.profile.value {
			f, err := os.Create(w.file) // the package would end the program
			if err != nil {
				return nil, fmt.Errorf("--profile: %w", err)
			}
			f.Close()
			p := profile.Start(w.mode, profile.ProfilePath("."), profile.Quiet, profile.NoShutdownHook)
			return func() {
				p.Stop()
				tool := "go tool pprof "
				if w.name == "trace" {
					tool = "go tool trace "
				}
				fmt.Fprintf(stderr, "mbox: profile written; read it with: %s%s\n", tool, w.file)
			}, nil
		}
	}
	return func() {}, nil
}

// printStats prints both ledgers, what is not zero of them, and what else there
// is to say about how the run went.
func printStats(w io.Writer, st mbox.Stats) {
	frames, octets := st.Received()
	fmt.Fprintf(w, "%-26s %14d   %s\n", "frames received", frames, octetsText(octets))
	ledger(w, st.Frames())
	handed, fates := st.Packets()
	fmt.Fprintf(w, "%-26s %14d\n", "packets handed to shards", handed)
	ledger(w, fates)
	t := st.Total()
	fmt.Fprintf(w, "%-26s %14d\n", "flows", t.Flows)
	var other []mbox.Disposition
	for i, n := range t.Ended {
		other = append(other, mbox.Disposition{Name: "ended: " + uevents.EndReason(i).String(), Count: n})
	}
	ledger(w, append(other,
		mbox.Disposition{Name: "not ended yet", Count: t.Live - t.Marked},
		mbox.Disposition{Name: "gaps", Count: t.Gaps}, mbox.Disposition{Name: "gap octets", Count: t.GapBytes},
		mbox.Disposition{Name: "octets refused by budgets", Count: t.Refused},
		mbox.Disposition{Name: "steps short of memory", Count: t.Pressed},
		mbox.Disposition{Name: "taken before their turn", Count: t.Hurried}, mbox.Disposition{Name: "too late for their turn", Count: t.Late},
		mbox.Disposition{Name: "anomalies", Count: t.Raised}, mbox.Disposition{Name: "orphans", Count: t.Orphans},
		mbox.Disposition{Name: "panics of handlers", Count: t.Panics},
		mbox.Disposition{Name: "slots moved", Count: t.SlotsIn}, mbox.Disposition{Name: "flows moved", Count: t.FlowsIn},
		mbox.Disposition{Name: "frames held back for it", Count: t.Held}))
	verdict := "both ledgers balance"
	if !st.Balanced() {
		verdict = "THE LEDGERS DO NOT BALANCE"
	}
	fmt.Fprintln(w, verdict)
}

func ledger(w io.Writer, ds []mbox.Disposition) {
	for _, d := range ds {
		if d.Count > 0 {
			fmt.Fprintf(w, "  %-24s %14d\n", d.Name, d.Count)
		}
	}
}
