package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/perf/internal/monitor"
)

// bench is what the command line says, and what all measurements share.
type bench struct {
	seconds float64
	rate    int
	workers int
	shards  int
	out     string
	sizes   []int

	arguments string // of the command line

	self, mbox string // programs
	cells      []*cell
	again      int // measurements taken again
	began      time.Time
}

func main() {
	b := &bench{began: time.Now()}
	quick := flag.Bool("quick", false, "three sizes, a second each")
	sizes := flag.String("sizes", "64,512,4096,16384,65536", "octets of responses")
	flag.Float64Var(&b.seconds, "seconds", 4, "of load, for each measurement")
	flag.IntVar(&b.rate, "rate", 16000, "requests a second that are offered")
	flag.IntVar(&b.workers, "workers", 32, "requests at a time")
	flag.IntVar(&b.shards, "shards", 1, "of the monitor")
	flag.StringVar(&b.out, "o", "docs", "directory for figure2.md and figure2.svg")
	role := flag.String("role", "", "server or client: what this program is to another of its kind")
	text := flag.String("load", "", "for -role")
	flag.Parse()
	if *quick {
		*sizes, b.seconds = "64,4096,65536", 1
	}
	b.arguments = strings.Join(os.Args[1:], " ")
	var err error
	if *role != "" {
		err = play(*role, *text)
	} else if err = b.setSizes(*sizes); err == nil {
		err = b.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fig2:", err)
		os.Exit(1)
	}
}

// setSizes reads what -sizes says.
func (b *bench) setSizes(list string) error {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > octetsMax {
			return fmt.Errorf("-sizes %s: numbers from 1 to %d, separated by commas", list, octetsMax)
		}
		b.sizes = append(b.sizes, n)
	}
	return nil
}

// octetsMax is the most that a response may have.
const octetsMax = 1 << 24

// play is one of the programs that take part.
func play(role, text string) error {
	l := &load{}
	if err := json.Unmarshal([]byte(text), l); err != nil {
		return fmt.Errorf("-load: %w", err)
	}
	switch role {
	case "server":
		return serve(l)
	case "client":
		return ask(l)
	}
	return fmt.Errorf("-role %s: server or client", role)
}

// run takes all measurements: modes one after the other within a size, so that
// what else the machine does meets all of them.
func (b *bench) run() (err error) {
	if b.seconds <= 0 || b.rate <= 0 || b.workers <= 0 || b.shards <= 0 || flag.NArg() > 0 {
		return errors.New("-seconds, -rate, -workers and -shards are above 0, and nothing follows the flags")
	}
	if s, err := os.Stat(b.out); err != nil || !s.IsDir() {
		return fmt.Errorf("-o %s is no directory", b.out)
	}
	if err := netns.Available(); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fig2-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if b.mbox, err = monitor.Build(dir); err != nil {
		return err
	}
	for _, keep := range []bool{false, true} {
		for _, octets := range b.sizes {
			for _, mode := range modes {
				c, err := b.tries(mode, octets, keep)
				if err != nil {
					return err
				}
				b.cells = append(b.cells, c)
			}
		}
	}
	return errors.Join(b.write("figure2.md", b.markdown()), b.write("figure2.svg", b.plot()))
}

// triesMax is how many times a measurement is taken in which the monitor says that
// it has missed frames: its counts cannot be right then. Other programs on the
// same CPUs are what makes it miss them.
const triesMax = 8

// tries measures until nothing was missed. Counts that differ although nothing
// was missed are a failure at once.
func (b *bench) tries(mode string, octets int, keep bool) (*cell, error) {
	for try := 1; ; try++ {
		c, err := b.measure(mode, octets, keep)
		if c == nil {
			return nil, err
		}
		b.progress(c, err)
		if err == nil || c.Monitor.Missed() == "" || try == triesMax {
			return c, err
		}
		b.again++
	}
}

// progress says on standard error how one went.
func (b *bench) progress(c *cell, err error) {
	fmt.Fprintf(os.Stderr, "%-7s %6d octets, %-22s %8.0f requests/s", c.Mode, c.Octets, manner(c.Keep), c.rate())
	if c.Mode != modes[0] {
		fmt.Fprintf(os.Stderr, ", the monitor %5.1f µs each", c.perRequest(c.Monitor.User+c.Monitor.System))
	}
	if err != nil {
		fmt.Fprint(os.Stderr, ", whose counts are wrong: ", err)
	}
	fmt.Fprintln(os.Stderr)
}

// manner names how connections are used.
func manner(keep bool) string {
	if keep {
		return "connections kept"
	}
	return "a connection each"
}

func (b *bench) write(name string, text []byte) error {
	name = filepath.Join(b.out, name)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}
