package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// options are what the command line says.
type options struct {
	setup     measure.Setup // of all figures: connections and seed
	workloads list
	payloads  list
	modes     list
	verify    string
	turns     int
	cpu       int
	sections  [sectionsMany]bool
	format    string
	svg       string
	write     string
	want      float64
}

// list is a flag of words separated by commas.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = strings.Split(s, ",")
	return nil
}

func main() {
	o, fs := newOptions()
	fs.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "perf:", err)
	}
	switch {
	case errors.Is(err, errUsage) || errors.Is(err, measure.ErrWorkload):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

func newOptions() (*options, *flag.FlagSet) {
	o := new(options)
	fs := flag.NewFlagSet("perf", flag.ExitOnError)
	fs.Var(&o.workloads, "workload", "measure these `workloads`, separated by commas, of\n"+measure.Describe())
	fs.Var(&o.payloads, "payload", "octets of a data segment, where the workload leaves it open; default: each that it is defined with")
	fs.Var(&o.modes, "mode", "measure these of "+strings.Join(measure.Modes(), ","))
	fs.StringVar(&o.verify, "verify", "default", "transport checksums: on, off, both, or default (off, and on too for events and read)")
	fs.IntVar(&o.setup.Connections, "connections", 0, "in a workload; 0: as it is defined")
	fs.Uint64Var(&o.setup.Seed, "seed", 1, "of the workloads")
	fs.IntVar(&o.turns, "turns", 5, "of each program, after one that does not count")
	fs.IntVar(&o.cpu, "cpu", runtime.NumCPU()-1, "to run on; -1: any")
	for s := range sectionsMany {
		fs.BoolVar(&o.sections[s], sections[s].name, false, sections[s].says)
	}
	fs.BoolFunc("all", "all of these sections, as without any of them", func(string) error {
		for s := range o.sections {
			o.sections[s] = true
		}
		return nil
	})
	fs.StringVar(&o.format, "format", "table", "table, json, or bench (for benchstat)")
	fs.StringVar(&o.svg, "svg", "", "draw the figures into this `file` too")
	fs.StringVar(&o.write, "write", "", "measure nothing: write the one workload to this capture `file`")
	fs.Float64Var(&o.want, "want", 0, "exit with status 1 if mbox is not so many times faster than each other peer")
	return o, fs
}

// errUsage is wrapped by errors about the command line, errSlow by the one that
// says that mbox is slower than -want.
var (
	errUsage = errors.New("usage")
	errSlow  = errors.New("slower than wanted")
)

// check reports every problem of the command line, and fills in what it leaves
// out.
func (o *options) check() error {
	var errs []error
	within := func(what, word string, words []string) {
		if !slices.Contains(words, word) {
			errs = append(errs, fmt.Errorf("%w: -%s %s: there are %s", errUsage, what, word, strings.Join(words, ", ")))
		}
	}
	for _, w := range o.workloads {
		within("workload", w, measure.Names())
	}
	for _, m := range o.modes {
		within("mode", m, measure.Modes())
	}
	within("format", o.format, []string{"table", "json", "bench"})
	within("verify", o.verify, []string{"on", "off", "both", "default"})
	if o.turns < 1 {
		errs = append(errs, fmt.Errorf("%w: -turns is at least 1", errUsage))
	}
	if o.write != "" && len(o.workloads) != 1 {
		errs = append(errs, fmt.Errorf("%w: -write takes one -workload", errUsage))
	}
	if !slices.Contains(o.sections[:], true) {
		chosen := len(o.workloads)+len(o.modes)+len(o.payloads) > 0
		for s := range o.sections {
			o.sections[s] = !chosen || s == sectionStack
		}
	}
	return errors.Join(errs...)
}

func (o *options) run(ctx context.Context, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.write != "" {
		return o.capture()
	}
	figures, err := o.figures()
	if err != nil {
		return err
	}
	b, err := build(figures)
	if err != nil {
		return err
	}
	defer b.remove()
	r := newReport(o, b.skipped)
	for i := 0; i < len(figures) && err == nil; i++ {
		fmt.Fprintf(os.Stderr, "perf: %d of %d: %s\n", i+1, len(figures), &figures[i])
		var rows []row
		rows, err = b.measure(ctx, &figures[i], o)
		r.Rows = append(r.Rows, rows...)
	}
	if len(r.Rows) == 0 { // what was measured before an error, or an interrupt, is reported
		return err
	}
	return errors.Join(err, r.write(out, o.format), r.draw(o.svg), r.check(o.want))
}

// capture writes a workload to a file.
func (o *options) capture() error {
	w := o.setup.Workload
	w.Name, w.Payload = o.workloads[0], -1
	if len(o.payloads) > 0 {
		p, err := octets(o.payloads[0])
		if err != nil {
			return err
		}
		w.Payload = p
	}
	s, err := w.Stream()
	if err != nil {
		return err
	}
	f, err := os.Create(o.write)
	if err != nil {
		return err
	}
	frames, err := traffic.WriteCapture(f, s, 0)
	fmt.Fprintf(os.Stderr, "perf: %d frames in %s\n", frames, o.write)
	return errors.Join(err, f.Close())
}
