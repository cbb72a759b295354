package measure

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/rx"
)

// Turn runs a peer once over all frames and returns the octets it was given, in
// order, of each direction. ToServer is what the sender of the first SYN says.
type Turn func(frames []rx.Frame) (Totals, error)

// Sample is what one turn took.
type Sample struct {
	WallNs      int64
	CPUNs       int64  // of the whole program, the collector included; 0 where the system does not say
	Allocs      uint64 // objects
	AllocOctets uint64
	Error       string // "" if the turn counted what the workload holds
}

// Ready is a peer's first answer: it has the workload.
type Ready struct {
	Frames int
	Octets uint64
}

// Ask is what the command writes to have a turn run.
const Ask = "turn\n"

// Serve is the main function of a peer: it generates the workload that the
// program's arguments describe, and runs a turn whenever it is asked, until its
// standard input ends.
func Serve(turn Turn) {
	w := Workload{}
	fs := flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	w.Flags(fs)
	fs.Parse(os.Args[1:])
	if err := serve(os.Stdin, os.Stdout, w, turn); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Flags adds the flags that describe a workload.
func (w *Workload) Flags(fs *flag.FlagSet) {
	fs.StringVar(&w.Name, "workload", kinds[0].name, "one of\n"+Names())
	fs.IntVar(&w.Connections, "connections", 10_000, "in the workload")
	fs.Uint64Var(&w.Seed, "seed", 1, "of the workload")
}

// Args returns the arguments that Flags reads.
func (w *Workload) Args() []string {
	return []string{"-workload", w.Name, "-connections", fmt.Sprint(w.Connections), "-seed", fmt.Sprint(w.Seed)}
}

func serve(in io.Reader, out io.Writer, w Workload, turn Turn) error {
	l, err := w.Load()
	if err != nil {
		return err
	}
	say := json.NewEncoder(out)
	if err := say.Encode(Ready{len(l.Frames), l.Octets}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := say.Encode(l.sample(turn)); err != nil {
			return err
		}
	}
	return nil
}

// sample runs one turn.
func (l *Load) sample(turn Turn) (s Sample) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, _ := sys.CPUTime() // 0 where it is not known
	start := time.Now()
	got, err := turn(l.Frames)
	s.WallNs = time.Since(start).Nanoseconds()
	end, _ := sys.CPUTime()
	s.CPUNs = (end - cpu).Nanoseconds()
	runtime.ReadMemStats(&after)
	s.Allocs, s.AllocOctets = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	switch {
	case err != nil:
		s.Error = err.Error()
	case got != l.Text:
		s.Error = fmt.Sprintf("counted %d and %d octets, the workload holds %d and %d", got[0], got[1], l.Text[0], l.Text[1])
	}
	return s
}
