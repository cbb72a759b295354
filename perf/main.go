package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// options are what the command line says.
type options struct {
	workload measure.Workload
	turns    int
	cpu      int
	only     string
	format   string
	want     float64
}

func main() {
	var o options
	fs := flag.NewFlagSet("perf", flag.ExitOnError)
	o.workload.Flags(fs)
	fs.IntVar(&o.turns, "turns", 11, "of each peer, after one that does not count")
	fs.IntVar(&o.cpu, "cpu", runtime.NumCPU()-1, "to run on; -1: any")
	fs.StringVar(&o.only, "only", "", "peers to compare mbox with, separated by commas; all: "+strings.Join(rivals(), ","))
	fs.StringVar(&o.format, "format", "table", "table or json")
	fs.Float64Var(&o.want, "want", 0, "exit with status 1 if mbox is not so many times faster than each other peer")
	fs.Parse(os.Args[1:])
	err := o.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "perf:", err)
	}
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		os.Exit(1)
	}
}

// errUsage is wrapped by errors about the command line, errSlow by the one that
// says that mbox is slower than -want.
var (
	errUsage = errors.New("usage")
	errSlow  = errors.New("slower than wanted")
)

func (o *options) run() error {
	names, err := o.peers()
	if err != nil {
		return err
	}
	peers, stop, err := start(names, o.workload, o.cpu)
	if err != nil {
		return err
	}
	defer stop()
	if err := takeTurns(peers, o.turns); err != nil {
		return err
	}
	r := o.report(peers)
	if o.format == "json" {
		err = r.json(os.Stdout)
	} else {
		err = r.table(os.Stdout)
	}
	return errors.Join(err, r.check(o.want))
}

// peers returns the names of the peers to run, mbox first.
func (o *options) peers() ([]string, error) {
	if o.turns < 1 || o.format != "table" && o.format != "json" {
		return nil, fmt.Errorf("%w: -turns is at least 1, -format table or json", errUsage)
	}
	if o.only == "" {
		return append([]string{own}, rivals()...), nil
	}
	names := []string{own}
	for _, name := range strings.Split(o.only, ",") {
		if !slices.Contains(rivals(), name) {
			return nil, fmt.Errorf("%w: -only %s: there are %s", errUsage, name, strings.Join(rivals(), ", "))
		}
		names = append(names, name)
	}
	return names, nil
}

// takeTurns runs every peer once for nothing, so that its tables of code and
// memory are warm, and then in rounds.
func takeTurns(peers []*peer, turns int) error {
	for round := range turns + 1 {
		for i := range peers {
			p := peers[(round+i)%len(peers)]
			s, err := p.turn()
			if err != nil {
				return err
			}
			if round > 0 {
				p.samples = append(p.samples, s)
			}
		}
	}
	return nil
}
