package measure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// ErrWorkload is wrapped by every error about a workload.
var ErrWorkload = errors.New("measure: bad workload")

// Workload describes traffic whose octets are known. The zero value of a field
// but Name stands for what the workload is defined with.
type Workload struct {
	Name        string // one of Names
	Payload     int    // octets of a data segment; -1: the workload's own
	Connections int
	Seed        uint64
}

// kind is a workload there is.
type kind struct {
	name, says  string
	connections int                                                        // in all
	payloads    []int                                                      // to measure with; the first is the default
	config      func(seed uint64, connections, payload int) traffic.Config // nil: a crowd
	flood       int                                                        // SYNs of a flood beside it, for each connection
	elephant    int                                                        // octets of one download beside it, for each connection
}

// concurrent is how many connections of W1 are open at a time, and how many
// there are unless more are asked for: their frames fit a last-level cache, so
// that what is measured is following them and not fetching them.
const concurrent = 1000

// manyConcurrent is how many connections of W2 are open at a time: neither
// their records nor an index of them fit a core's own caches.
const manyConcurrent = 50_000

func staggered(concurrent int) func(uint64, int, int) traffic.Config {
	return func(seed uint64, n, payload int) traffic.Config {
		return traffic.Staggered(seed, n, concurrent, payload)
	}
}

func pages(seed uint64, n, _ int) traffic.Config { return traffic.Pages(seed, n) }

var kinds = []kind{
	{name: "w1", says: "1,000 connections at a time, 16 segments each (3 + 10 + 3)", connections: concurrent,
		payloads: []int{512, 0, 1400}, config: staggered(concurrent)},
	{name: "w2", says: "50,000 connections at a time, else as w1", connections: manyConcurrent,
		payloads: []int{64}, config: staggered(manyConcurrent)},
	{name: "w3", says: "1,000,000 connections, all open at a time, 16 segments each, written as they are taken", connections: 1_000_000},
	{name: "w3-10m", says: "10,000,000 connections, else as w3", connections: 10_000_000},
	{name: "w4", says: "web pages of 8 KiB, a connection for each request", connections: 20_000, config: pages},
	{name: "w5", says: "downloads of 4 MiB, all at the same time", connections: 40,
		config: func(seed uint64, n, _ int) traffic.Config { return traffic.Bulk(seed, n, 4<<20) }},
	{name: "w6", says: "web pages of 64 KiB, 5 % of segments out of order, 1 % lost and sent again", connections: 3000,
		config: func(seed uint64, n, _ int) traffic.Config { return traffic.Lossy(seed, n) }},
	{name: "w7", says: "w4 beside a flood of SYNs", connections: 10_000, config: pages, flood: 10},
	{name: "w5-w4", says: "w4 beside one download that has as many packets", connections: 10_000, config: pages, elephant: 16 << 10},
	{name: "w8", says: "w1 over IPv6", connections: 10_000, payloads: []int{512},
		config: func(seed uint64, n, payload int) traffic.Config {
			c := traffic.Staggered(seed, n, concurrent, payload)
			c.IPv6 = true
			return c
		}},
	{name: "w9", says: "w1 with 64 user-defined events on OnPacket, one in 32 of them true", connections: concurrent,
		payloads: []int{512}, config: staggered(concurrent)},
	{name: "w10", says: "w1 with two handlers registered and one removed on each flow", connections: concurrent,
		payloads: []int{512}, config: staggered(concurrent)},
	{name: "w10-static", says: "w1 with the handlers of w10 registered for all flows", connections: concurrent,
		payloads: []int{512}, config: staggered(concurrent)},
}

// Names returns the names of the workloads.
func Names() (names []string) {
	for i := range kinds {
		names = append(names, kinds[i].name)
	}
	return names
}

// Describe returns a line for each workload.
func Describe() string {
	var b strings.Builder
	for i := range kinds {
		fmt.Fprintf(&b, "  %-11s %s\n", kinds[i].name, kinds[i].says)
	}
	return b.String()
}

// Payloads returns the payloads that a workload is to be measured with, the
// usual one first: -1 alone where it has its own.
func Payloads(name string) []int {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 || kinds[i].payloads == nil {
		return []int{-1}
	}
	return kinds[i].payloads
}

// Live reports whether a workload is written as it is taken, so that what it
// costs to write is to be subtracted.
func Live(name string) bool {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	return i >= 0 && kinds[i].config == nil
}

// withDefaults returns w with its zero fields filled in, and its kind.
func (w Workload) withDefaults() (Workload, *kind, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == w.Name })
	if i < 0 {
		return w, nil, fmt.Errorf("%w: there is no %q, only\n%s", ErrWorkload, w.Name, Describe())
	}
	k := &kinds[i]
	if w.Connections == 0 {
		w.Connections = k.connections
	}
	if w.Payload < 0 && k.payloads != nil {
		w.Payload = k.payloads[0]
	}
	return w, k, nil
}

// Open returns how many flows are open at a time, at most.
func (w Workload) Open() int {
	w, k, err := w.withDefaults()
	if err != nil || k.config == nil {
		return w.Connections
	}
	atATime := k.config(w.Seed, w.Connections, w.Payload).Concurrent
	if atATime == 0 {
		atATime = concurrent // what traffic takes
	}
	return min(atATime, w.Connections) + w.Connections*k.flood + min(1, k.elephant)
}

// crowd returns the description of a workload that is generated as it is taken.
func (w Workload) crowd() traffic.CrowdConfig {
	return traffic.CrowdConfig{Seed: w.Seed, Connections: w.Connections}
}

// Stream returns the workload as a stream of frames.
func (w Workload) Stream() (traffic.Stream, error) {
	s, _, err := w.stream()
	return s, err
}

// stream returns the workload, and its connections where they exchange octets.
func (w Workload) stream() (s traffic.Stream, conns []*traffic.Connections, err error) {
	w, k, err := w.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	if k.config == nil {
		if s, err = traffic.NewCrowd(w.crowd()); err != nil {
			err = fmt.Errorf("%w: %w", ErrWorkload, err)
		}
		return s, nil, err
	}
	configs := []traffic.Config{k.config(w.Seed, w.Connections, w.Payload)}
	if k.elephant > 0 {
		c := traffic.Bulk(w.Seed, 1, k.elephant*w.Connections)
		c.Gap, c.Site = elephantGap, elephantSite
		configs = append(configs, c)
	}
	var all []traffic.Stream
	for _, c := range configs {
		cs, err := traffic.NewConnections(c)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrWorkload, err)
		}
		conns, all = append(conns, cs), append(all, cs)
	}
	if k.flood > 0 {
		flood, err := traffic.NewFlood(traffic.FloodConfig{Seed: w.Seed, Frames: uint64(w.Connections * k.flood), Gap: floodGap})
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrWorkload, err)
		}
		all = append(all, flood)
	}
	if len(all) == 1 {
		return all[0], conns, nil
	}
	return traffic.Merge(all...), conns, nil
}

// floodGap is the time between SYNs of a flood, and elephantGap that between
// segments of a download: they last about as long as the connections beside them.
const (
	floodGap     = 3 * time.Microsecond
	elephantGap  = 2400 * time.Nanosecond
	elephantSite = 1 // of its client's network
)

// Load is a workload ready to be played.
type Load struct {
	Source Source
	Frames int
	Octets uint64 // captured, of all frames
	Text   Totals // what a faithful reader gets out of them
	Flows  uint64 // that they begin
}

// Totals counts the octets of streams, by the direction they travel in.
type Totals [2]uint64

// Load generates the workload: into memory, or to be written as it is taken.
func (w Workload) Load() (*Load, error) {
	s, conns, err := w.stream()
	if err != nil {
		return nil, err
	}
	w, k, err := w.withDefaults()
	l := &Load{Flows: uint64(w.Connections*(1+k.flood) + min(1, k.elephant))}
	if conns == nil {
		c := w.crowd()
		l.Source, l.Frames = newLive(c), c.Frames()
		l.Octets = uint64(l.Frames) * crowdFrameOctets
		return l, err
	}
	frames := inMemory(s)
	for i := range frames {
		l.Octets += uint64(len(frames[i].Data))
	}
	l.Source, l.Frames = newPlayer(frames), len(frames)
	for _, cs := range conns {
		for f := range cs.Flows() {
			for d := range l.Text {
				l.Text[d] += f.Octets[d]
			}
		}
	}
	return l, err
}

// crowdFrameOctets is what a crowd's frames have, but for their SYNs' options.
const crowdFrameOctets = 14 + 20 + 20

// arenaOctets is how much memory inMemory takes at once: huge pages where the
// kernel has them, so that what is measured is not how it maps memory.
const arenaOctets = 64 << 20

// inMemory returns all frames of a stream.
func inMemory(s traffic.Stream) (frames []rx.Frame) {
	var arena []byte
	for ns, frame := range traffic.All(s) {
		if len(frame) > cap(arena)-len(arena) {
			arena = make([]byte, 0, arenaOctets)
		}
		from := len(arena)
		arena = append(arena, frame...)
		data := arena[from:len(arena):len(arena)]
		frames = append(frames, rx.Frame{Data: data, Timestamp: ns, WireLen: uint32(len(data)), Link: wire.LinkEthernet})
	}
	return frames
}
