package measure

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/sys"
)

// The modes: what a peer does with the octets, each more than the one before.
const (
	Track   = "track"   // follow connections, call nobody
	Events  = "events"  // call ten handlers on seven events
	Read    = "read"    // put streams in order, read every octet
	History = "history" // the same by offset, and keep 4 KiB of each stream
	Count   = "count"   // put streams in order, read nothing: what all peers can do
)

// Modes returns the modes.
func Modes() []string { return []string{Track, Events, Read, History, Count} }

// HistoryOctets is how much of each stream History keeps.
const HistoryOctets = 4096

// Setup is what a peer is to do: a workload, and how it is followed.
type Setup struct {
	Workload
	Mode   string
	Verify bool // transport checksums
	// Variant is another way to do it that the peer knows; "" is the usual one.
	Variant string
	Shards  int
	// File is a capture to follow once, from its reading to the end, in the place
	// of the workload in memory; "" is none.
	File string
}

// Flags adds the flags that describe a setup.
func (s *Setup) Flags(fs *flag.FlagSet) {
	fs.StringVar(&s.Name, "workload", "w1", "one of\n"+Describe())
	fs.IntVar(&s.Payload, "payload", -1, "octets of a data segment, where the workload leaves it open; -1: as it is defined")
	fs.IntVar(&s.Connections, "connections", 0, "in the workload; 0: as it is defined")
	fs.Uint64Var(&s.Seed, "seed", 1, "of the workload")
	fs.StringVar(&s.Mode, "mode", Read, strings.Join(Modes(), ", "))
	fs.BoolVar(&s.Verify, "verify", false, "verify transport checksums")
	fs.StringVar(&s.Variant, "variant", "", "of the peer")
	fs.IntVar(&s.Shards, "shards", 1, "of mbox")
	fs.StringVar(&s.File, "file", "", "follow this capture `file` once, and end")
}

// Args returns the arguments that Flags reads.
func (s *Setup) Args() []string {
	return []string{"-workload", s.Name, "-payload", fmt.Sprint(s.Payload), "-connections", fmt.Sprint(s.Connections),
		"-seed", fmt.Sprint(s.Seed), "-mode", s.Mode, fmt.Sprint("-verify=", s.Verify), "-variant", s.Variant, "-shards", fmt.Sprint(s.Shards), "-file", s.File}
}

// Reads reports whether the mode has every octet read.
func (s *Setup) Reads() bool { return s.Mode == Read || s.Mode == History }

// Peer is a program under test.
type Peer interface {
	// Run takes all frames of src, until io.EOF, and returns when it has done
	// with them. It is timed.
	Run(src Source) error
	// End forgets all flows, as if nothing came until the time after, and
	// returns what the turn has counted. It is timed apart.
	End(after int64) (Result, error)
}

// Reader is a Peer that reads capture files too.
type Reader interface {
	// Read follows a whole capture.
	Read(file string) (Result, error)
}

// Result is what a peer has counted in a turn.
type Result struct {
	Flows uint64 // begun; 0: it does not count them
	Text  Totals // octets in order, of each direction; ToServer is what the sender of the first SYN says
	// Unordered says that Text means nothing, as the peer orders nothing.
	Unordered bool
	// StreamOctets is what records and streams took at the end of the run; 0: it
	// does not say.
	StreamOctets uint64
}

// Sample is what one turn took.
type Sample struct {
	WallNs       int64
	CPUNs        int64  // of the whole program, the collector included; 0 where the system does not say
	EndNs        int64  // CPU time of End
	Allocs       uint64 // objects
	AllocOctets  uint64
	Instructions uint64 // in user mode; 0 where the machine does not count them
	PeakOctets   uint64 // most that the program had resident so far
	Result       Result
	Error        string // "" if the turn counted what the workload holds
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
// standard input ends. A turn of its own comes first: in it tables and pools
// grow to the size that they keep.
func Serve(open func(Setup) (Peer, error)) {
	s := Setup{}
	fs := flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	s.Flags(fs)
	fs.Parse(os.Args[1:])
	err := error(nil)
	if s.File != "" {
		err = read(os.Stdout, s, open)
	} else {
		err = serve(os.Stdin, os.Stdout, s, open)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// read follows a capture and says what was counted.
func read(out io.Writer, s Setup, open func(Setup) (Peer, error)) error {
	p, err := open(s)
	if err != nil {
		return err
	}
	r, ok := p.(Reader)
	if !ok {
		return fmt.Errorf("%w: this program reads no files", ErrWorkload)
	}
	got, err := r.Read(s.File)
	return errors.Join(err, json.NewEncoder(out).Encode(got))
}

func serve(in io.Reader, out io.Writer, s Setup, open func(Setup) (Peer, error)) error {
	if !slices.Contains(Modes(), s.Mode) {
		return fmt.Errorf("%w: there is no mode %q", ErrWorkload, s.Mode)
	}
	l, err := s.Load()
	if err != nil {
		return err
	}
	p, err := open(s)
	if err != nil {
		return err
	}
	t := turns{peer: p, load: l, setup: s, src: l.Source, later: laterAfter}
	if s.Variant == Growth {
		return t.growth(out)
	}
	if first := t.sample(); first.Error != "" {
		return errors.New(first.Error)
	}
	say := json.NewEncoder(out)
	if err := say.Encode(Ready{l.Frames, l.Octets}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := say.Encode(t.sample()); err != nil {
			return err
		}
	}
	return nil
}

// turns runs a peer.
type turns struct {
	peer  Peer
	load  *Load
	setup Setup
	src   Source
	later time.Duration // how long growth waits
}

// framesMin is how many frames a turn takes at least, so that its time is long
// beside what can be told apart: it plays a small workload several times, and
// then times are of one.
const framesMin = 160_000

// sample runs one turn.
func (t *turns) sample() (s Sample) {
	runtime.GC()
	times := max(1, framesMin/t.load.Frames)
	for range times {
		if err := t.play(&s); err != nil {
			s.Error = err.Error()
			return s
		}
	}
	for _, n := range []*int64{&s.WallNs, &s.CPUNs, &s.EndNs} {
		*n /= int64(times)
	}
	for _, n := range []*uint64{&s.Allocs, &s.AllocOctets, &s.Instructions} {
		*n /= uint64(times)
	}
	s.PeakOctets, _ = sys.PeakResident()
	return s
}

// play runs the peer once, and adds what it took.
func (t *turns) play(s *Sample) error {
	if err := t.src.Rewind(); err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	instructions := sys.Instructions()
	cpu := cpuTime()
	start := time.Now()
	err := t.peer.Run(t.src)
	s.WallNs += time.Since(start).Nanoseconds()
	s.CPUNs += cpuTime() - cpu
	s.Instructions += sys.Instructions() - instructions
	runtime.ReadMemStats(&after)
	s.Allocs += after.Mallocs - before.Mallocs
	s.AllocOctets += after.TotalAlloc - before.TotalAlloc
	if err != nil {
		return err
	}
	cpu = cpuTime()
	got, err := t.peer.End(t.src.After())
	s.EndNs += cpuTime() - cpu
	if err != nil {
		return err
	}
	s.Result = got
	return t.check(got)
}

// cpuTime returns how long the program has run, in ns: 0 where it is not known.
func cpuTime() int64 {
	d, err := sys.CPUTime()
	if err != nil {
		return 0
	}
	return d.Nanoseconds()
}

// check compares what a turn has counted with what the workload holds.
func (t *turns) check(got Result) error {
	if got.Flows != 0 && got.Flows != t.load.Flows {
		return fmt.Errorf("saw %d flows begin, the workload holds %d", got.Flows, t.load.Flows)
	}
	if (t.setup.Reads() || t.setup.Mode == Count) && !got.Unordered && got.Text != t.load.Text {
		return fmt.Errorf("counted %d and %d octets, the workload holds %d and %d",
			got.Text[0], got.Text[1], t.load.Text[0], t.load.Text[1])
	}
	return nil
}
