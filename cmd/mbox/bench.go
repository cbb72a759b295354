package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// bench returns the command that measures how fast captures are followed.
func (p *program) bench() *cobra.Command {
	o := newOptions()
	b := benchmark{
		mode:   choice{kind: "MODE", value: "read", of: []string{"track", "events", "read", "history"}},
		format: choice{kind: "FORM", value: "text", of: []string{"text", "json"}},
	}
	cmd := &cobra.Command{
		Use:   "bench [-r FILE] [flags] [filter expression]",
		Short: "How fast a capture is followed, from memory",
		Long: `Play a capture from memory, again and again, and say what a packet costs. Each
turn starts from an empty table, and what empties it is not timed; the first
turn, in which memory is taken, is not counted. Without -r it plays 8,000
generated HTTP connections of 16 segments, up to 1,000 of them open at a time.`,
		Example: `  mbox bench
  mbox bench --mode track --shards 1 --checksums off
  mbox bench -r trace.pcap --duration 10s --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b.opt, b.program = o, p
			return b.run(cmd, args)
		},
	}
	own := cmd.Flags()
	own.Var(&b.mode, "mode", "what handlers do: track (begin and end of flows only), events (states, anomalies), read (count the octets of both streams), history (read, and compare retransmissions)")
	own.DurationVar(&b.until, "duration", 3*time.Second, "play for `DUR`, at least one turn")
	own.IntVar(&b.turns, "turns", 0, "play so many `TURNS` instead")
	own.IntVar(&b.connections, "connections", benchConnections, "without -r, generate `N` connections of 16 segments")
	own.Var(&b.format, "format", "text or json")
	o.commonOver(cmd, pflag.NewFlagSet("none", pflag.ContinueOnError))
	return cmd
}

// benchmark is one measurement.
type benchmark struct {
	*program
	opt    *options
	mode   choice
	format choice
	until  time.Duration
	turns  int
	// connections that are generated where nothing is to be read.
	connections int
}

// figures are what is measured.
type figures struct {
	Source  string  `json:"source"`
	Mode    string  `json:"mode"`
	Shards  int     `json:"shards"`
	CPUs    int     `json:"cpus"`
	Frames  int     `json:"frames"` // in a turn
	Octets  uint64  `json:"octets"` // on the wire, in a turn
	Turns   int     `json:"turns"`
	Seconds float64 `json:"seconds"`
	Packets float64 `json:"packets_per_second"`
	NsMid   float64 `json:"ns_per_packet_median_turn"`
	NsMean  float64 `json:"ns_per_packet"`
	NsBest  float64 `json:"ns_per_packet_best_turn"`
	NsCPU   float64 `json:"cpu_ns_per_packet"` // of all CPUs together; 0: not known
	Gbit    float64 `json:"gbit_per_second"`
	Allocs  float64 `json:"allocations_per_packet"`
	Memory  uint64  `json:"memory_octets"` // of flows, streams and their tables
	Process uint64  `json:"process_octets"`
}

// run measures and prints.
func (b *benchmark) run(cmd *cobra.Command, args []string) error {
	cfg, err := b.opt.config(args)
	switch {
	case err != nil:
		return err
	case b.opt.write != "":
		return errors.New("bench: -w writes nothing here")
	case b.opt.idle.given && b.opt.idle.limit == 0:
		return errors.New("bench: --idle-timeout 0 would leave every flow to the next turn")
	case b.turns < 0 || b.until <= 0 || b.connections <= 0:
		return errors.New("bench: --turns, --duration and --connections are positive")
	}
	if b.turns > 0 {
		b.until = 0
	}
	if cfg.Shards == 0 {
		cfg.Shards = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if b.mode.value == "history" && cfg.History == 0 {
		cfg.History = benchHistory
	}
	stack, err := mbox.New(cfg)
	if err != nil {
		return err
	}
	frames, name, err := b.load()
	if err != nil {
		return failure{err}
	}
	t := cfg.Timeouts.Defaults()
	l := newLoop(frames, slices.Max([]time.Duration{t.Embryonic, t.Established, t.Closing, t.Closed, t.Datagram}))
	l.stack, l.limit, l.until = stack, b.turns, b.until
	if err := b.handle(stack); err != nil {
		return err
	}
	stop, err := b.opt.startProfile(b.stderr)
	if err != nil {
		return failure{err}
	}
	deaf := onAsked(func() { printStats(b.stderr, stack.Stats()) })
	err = stack.Run(cmd.Context(), l)
	deaf()
	stop()
	if err == nil && len(l.turns) > 1 {
		f := l.figures(stack)
		f.Source, f.Mode, f.Shards, f.CPUs = name, b.mode.value, cfg.Shards, runtime.GOMAXPROCS(0)
		err = f.print(b.stdout, b.format.value)
	}
	if b.opt.stats {
		printStats(b.stderr, stack.Stats())
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// benchHistory is how much the mode "history" keeps unless --history says so: a
// window of the time before scaling.
const benchHistory = 64 << 10

// The workload that is played without -r and unless --connections says otherwise:
// it takes some 120 MB, more than caches hold.
const (
	benchConnections = 8000
	benchConcurrent  = 1000
	benchSegment     = 1400
)

// load returns the frames to be played, and what they are called.
func (b *benchmark) load() (frames []rx.Frame, name string, err error) {
	var m *rx.Memory
	if len(b.opt.read) > 0 {
		name = strings.Join(b.opt.read, ", ")
		m, err = rx.Load(rx.File(b.opt.read...))
	} else {
		name = fmt.Sprintf("generated, %d connections", b.connections)
		var s *traffic.Connections
		s, err = traffic.NewConnections(traffic.Staggered(b.opt.seed, b.connections, min(b.connections, benchConcurrent), benchSegment))
		if err == nil {
			m = generated(s)
		}
	}
	if err != nil {
		return nil, "", err
	}
	var c rx.Chunk
	for m.Next(&c) == nil {
		frames = append(frames, c.Frames...)
	}
	if len(frames) == 0 {
		return nil, "", fmt.Errorf("%s: no frames", name)
	}
	return frames, name, nil
}

// generated puts a workload into memory.
func generated(s traffic.Stream) *rx.Memory {
	var frames []rx.Frame
	for {
		data, ns, ok := s.Next(nil)
		if !ok {
			return rx.NewMemory(frames...)
		}
		frames = append(frames, rx.Frame{Data: slices.Clip(data), Timestamp: ns, WireLen: uint32(len(data)), Link: wire.LinkEthernet})
	}
}

// tally is what the handlers of one shard count, so that they do something.
type tally struct{ events, octets uint64 }

// handle registers the handlers of the mode.
func (b *benchmark) handle(stack *mbox.Stack) error {
	counts := mbox.NewLocal[tally](stack, nil)
	count := func(c *mbox.Context) { counts.Of(c).events++ }
	read := func(c *mbox.Context) { counts.Of(c).octets += uint64(len(c.Payload())) }
	on := map[mbox.Event]mbox.Handler{mbox.OnConnStart: count, mbox.OnConnEnd: count}
	switch b.mode.value {
	case "events":
		on[mbox.OnStateChange], on[mbox.OnConnEstablished], on[mbox.OnAnomaly] = count, count, count
	case "read":
		on = map[mbox.Event]mbox.Handler{mbox.OnNewData: read}
	case "history":
		on = map[mbox.Event]mbox.Handler{mbox.OnNewData: read, mbox.OnRexmit: count}
	}
	sock := stack.Monitor(mbox.Stream)
	for ev, h := range on {
		if err := sock.Handle(ev, mbox.PostTCP, h); err != nil {
			return err
		}
	}
	return nil
}

// figures adds the turns up.
func (l *loop) figures(stack *mbox.Stack) (f figures) {
	timed := l.turns[1:]
	f.Frames, f.Turns, f.Seconds = len(l.frames), len(timed), l.sum.Seconds()
	for i := range l.frames {
		f.Octets += uint64(l.frames[i].WireLen)
	}
	var cpu time.Duration
	var allocs uint64
	took := make([]time.Duration, len(timed))
	for i, t := range timed {
		took[i], cpu, allocs = t.took, cpu+t.cpu, allocs+t.allocs
	}
	slices.Sort(took)
	packets := float64(f.Frames) * float64(f.Turns)
	perPacket := func(d time.Duration) float64 { return d.Seconds() * 1e9 / float64(f.Frames) }
	f.Packets, f.NsMean, f.NsCPU = packets/f.Seconds, perPacket(l.sum)/float64(f.Turns), perPacket(cpu)/float64(f.Turns)
	f.NsBest, f.NsMid = perPacket(took[0]), perPacket(median(took))
	f.Gbit = float64(f.Octets) * float64(f.Turns) * 8 / f.Seconds / 1e9
	f.Allocs = float64(allocs) / packets
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	st := stack.Stats()
	f.Memory, f.Process = st.Total().Memory, m.Sys-m.HeapReleased
	return f
}

// median returns that of sorted times, of which there is one at least.
func median(sorted []time.Duration) time.Duration {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// print prints the figures.
func (f *figures) print(w io.Writer, format string) error {
	if format == "json" {
		b, err := json.Marshal(f)
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	}
	cpu, shards := "", "s"
	if f.NsCPU > 0 {
		cpu = fmt.Sprintf(", and %.1f ns of CPU time", f.NsCPU)
	}
	if f.Shards == 1 {
		shards = ""
	}
	_, err := fmt.Fprintf(w, `%-13s %.1f ns in the median turn (mean %.1f, best %.1f)%s
%-13s %.3f million/s
%-13s %.2f Gbit/s
%-13s %s, %d frames, %s on the wire
%-13s %s, %d shard%s, %d CPUs
%-13s %d in %.2fs
%-13s %.6f a packet
%-13s %s of flows and streams, %s in all
`, "a packet", f.NsMid, f.NsMean, f.NsBest, cpu,
		"packets", f.Packets/1e6,
		"throughput", f.Gbit,
		"workload", f.Source, f.Frames, octetsText(f.Octets),
		"mode", f.Mode, f.Shards, shards, f.CPUs,
		"turns", f.Turns, f.Seconds,
		"allocations", f.Allocs,
		"memory", octetsText(f.Memory), octetsText(f.Process))
	return err
}
