package measure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// ErrWorkload is wrapped by every error about a workload.
var ErrWorkload = errors.New("measure: bad workload")

// Workload describes connections whose octets are known.
type Workload struct {
	Name        string // one of Names
	Connections int
	Seed        uint64
}

// kinds are the workloads there are.
var kinds = []struct {
	name, says string
	config     func(seed uint64, connections int) traffic.Config
}{
	{"staggered", "HTTP-like, 16 segments a connection, 1,400 octets of text, 1,000 connections at a time",
		func(seed uint64, n int) traffic.Config { return traffic.Staggered(seed, n, concurrent, 1400) }},
	{"staggered-64", "the same with 64 octets of text",
		func(seed uint64, n int) traffic.Config { return traffic.Staggered(seed, n, concurrent, 64) }},
	{"pages", "web pages of 8 KiB with acknowledgements and timestamps", traffic.Pages},
	{"lossy", "web pages of 64 KiB, one segment in 20 out of order, one in 100 sent twice", traffic.Lossy},
}

// concurrent is how many connections are open at a time: their records together
// do not fit a core's own caches.
const concurrent = 1000

// Names returns the names of the workloads, and what each is like.
func Names() string {
	var b strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&b, "  %-13s %s\n", k.name, k.says)
	}
	return b.String()
}

// Load is a workload in memory.
type Load struct {
	Frames []rx.Frame
	Octets uint64 // captured, of all frames
	Text   Totals // what a faithful reader gets out of them
}

// Totals counts the octets of streams, by the direction they travel in.
type Totals [2]uint64

// Load generates the workload.
func (w Workload) Load() (*Load, error) {
	for _, k := range kinds {
		if k.name == w.Name {
			return load(k.config(w.Seed, w.Connections))
		}
	}
	return nil, fmt.Errorf("%w: there is no %q, only\n%s", ErrWorkload, w.Name, Names())
}

// arenaOctets is how much memory load takes at once: huge pages where the
// kernel has them, so that what is measured is not how it maps memory.
const arenaOctets = 64 << 20

func load(c traffic.Config) (*Load, error) {
	s, err := traffic.NewConnections(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWorkload, err)
	}
	l := new(Load)
	var arena []byte
	for ns, frame := range traffic.All(s) {
		if len(frame) > cap(arena)-len(arena) {
			arena = make([]byte, 0, arenaOctets)
		}
		from := len(arena)
		arena = append(arena, frame...)
		data := arena[from:len(arena):len(arena)]
		l.Frames = append(l.Frames, rx.Frame{Data: data, Timestamp: ns, WireLen: uint32(len(data)), Link: wire.LinkEthernet})
		l.Octets += uint64(len(data))
	}
	for f := range s.Flows() {
		for d := range l.Text {
			l.Text[d] += f.Octets[d]
		}
	}
	return l, nil
}
