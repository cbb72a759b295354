package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/cmd/mbox/internal/outfile"
)

// destination is where records go, as flags say it.
type destination struct {
	path  string
	size  size
	every interval
	keep  int
	full  choice
}

// output adds the flags of commands that print records.
func (o *options) output(fs *pflag.FlagSet) {
	d := &o.to
	d.full = choice{kind: "WHAT", value: "block", of: []string{"block", "drop"}}
	fs.StringVarP(&d.path, "output", "o", "", "write to `FILE` instead of standard output; SIGHUP has it opened anew, for logrotate")
	fs.Var(&d.size, "rotate-size", "begin a new file before this one outgrows SIZE; the full one becomes FILE.1, the next FILE.2, …")
	fs.Var(&d.every, "rotate-every", "begin a new file at multiples of DUR, such as 1h, when a line comes")
	fs.IntVar(&d.keep, "rotate-keep", 0, "keep `N` files that were rotated away (default all)")
	fs.Var(&d.full, "when-full", "of a full disk or a slow reader: block waits for room, drop drops whole lines and counts them")
}

// check says what is wrong about the flags.
func (d *destination) check() error {
	switch {
	case d.keep < 0:
		return errors.New("--rotate-keep: must not be negative")
	case d.path == "" && (d.size > 0 || d.every > 0 || d.keep > 0), d.path == "-" && (d.size > 0 || d.every > 0):
		return errors.New("--rotate-size, --rotate-every: standard output cannot be rotated; -o FILE names a file")
	case d.keep > 0 && d.size == 0 && d.every == 0:
		return errors.New("--rotate-keep: nothing rotates; --rotate-size SIZE or --rotate-every DUR does")
	}
	return nil
}

// overwrites says whether what is written would overwrite what is read, or each
// other.
func (o *options) overwrites() error {
	for _, name := range o.read {
		if same(o.to.path, name) {
			return fmt.Errorf("-o %s: is what -r reads", o.to.path)
		}
		if same(o.write, name) {
			return fmt.Errorf("-w %s: is what -r reads", o.write)
		}
	}
	if o.write != "" && o.to.path != "" && (filepath.Clean(o.write) == filepath.Clean(o.to.path) || same(o.write, o.to.path)) {
		return fmt.Errorf("-w %s: is where -o writes", o.write)
	}
	return nil
}

// same reports whether two names are those of one regular file.
func same(a, b string) bool {
	fileA, errA := os.Stat(a)
	fileB, errB := os.Stat(b)
	return errA == nil && errB == nil && fileA.Mode().IsRegular() && os.SameFile(fileA, fileB)
}

// outputTo has records go where the flags say; stdout is standard output.
func (s *session) outputTo(stdout io.Writer) (io.Writer, error) {
	d := &s.opt.to
	if err := errors.Join(d.check(), s.opt.overwrites()); err != nil {
		return nil, err
	}
	path := d.path
	if path == "-" {
		path = ""
	}
	if path == "" && d.full.value != "drop" {
		return stdout, nil
	}
	s.file = outfile.New(outfile.Config{
		Path: path, To: stdout, RotateSize: uint64(d.size), RotateEvery: time.Duration(d.every), Keep: d.keep,
		Drop: d.full.value == "drop", Log: func(text string) { fmt.Fprintf(s.stderr, "mbox: %s\n", text) },
	})
	s.atEnd(s.closeOutput)
	return s.file, nil
}

// openOutput opens the file that records go to, if there is one, and has it
// opened anew on SIGHUP until the returned function is called.
func (s *session) openOutput(ctx context.Context) (release func(), err error) {
	if s.file == nil {
		return func() {}, nil
	}
	_, missing := os.Stat(s.opt.to.path)
	if err := s.file.Open(); err != nil {
		return nil, err
	}
	s.fresh = errors.Is(missing, fs.ErrNotExist)
	stop := context.AfterFunc(ctx, s.file.Stop)
	if s.opt.to.path == "" || s.opt.to.path == "-" {
		return func() { stop() }, nil
	}
	hup, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hup:
				s.file.Reopen()
			case <-over:
				return
			}
		}
	}()
	return func() { stop(); signal.Stop(hup); close(over) }, nil
}

// untilHangUp returns a context that SIGHUP ends as well, as SIGTERM does, unless
// a file is opened anew on it or it was ignored from the start, as by nohup. A
// second one does not end the program at once: where a terminal goes, the system
// sends one and the shell another.
func (s *session) untilHangUp(ctx context.Context) (context.Context, context.CancelFunc) {
	if path := s.opt.to.path; path != "" && path != "-" || signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		select {
		case <-hup:
			signal.Ignore(syscall.SIGHUP)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); signal.Stop(hup) }
}

// closeOutput ends the file, and says what was dropped. A file that is empty
// because nothing could be read is taken away, unless it was there before.
func (s *session) closeOutput(failed error) error {
	err := s.file.Close()
	if failed != nil && s.fresh && s.file.Counters().Octets == 0 {
		os.Remove(s.opt.to.path)
	}
	if n := s.file.Counters().Dropped; n > 0 && err == nil {
		fmt.Fprintf(s.stderr, "mbox: %s had no room for %d lines, which were dropped\n", s.file.Name(), n)
	}
	return err
}

// outputStats prints what has become of lines.
func (s *session) outputStats(w io.Writer) {
	if s.file == nil {
		return
	}
	c := s.file.Counters()
	ledger(w, []mbox.Disposition{{Name: "output lines written", Count: c.Lines}, {Name: "output octets written", Count: c.Octets},
		{Name: "output lines dropped", Count: c.Dropped}, {Name: "output files rotated", Count: c.Rotations}})
}

// interval is a flag that says how often; 0: never.
type interval time.Duration

// Set implements pflag.Value.
func (v *interval) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("must be a duration such as 60s, 5m or 1h")
	}
	*v = interval(d)
	return nil
}

// String implements pflag.Value.
func (v *interval) String() string {
	if *v == 0 {
		return ""
	}
	return time.Duration(*v).String()
}

// Type implements pflag.Value.
func (v *interval) Type() string { return "DUR" }
