package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"

	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// report is what came out.
type report struct {
	Workload    string  `json:"workload"`
	Connections int     `json:"connections"`
	Seed        uint64  `json:"seed"`
	Packets     int     `json:"packets"`
	Octets      uint64  `json:"octets"`
	Go          string  `json:"go"`
	CPU         int     `json:"cpu"` // that all ran on; -1: any
	Turns       int     `json:"turns"`
	Peers       []entry `json:"peers"`
}

// entry is a peer's part. Its times are of a packet.
type entry struct {
	Name            string  `json:"name"`
	CPU             spread  `json:"cpu_ns"`
	Wall            spread  `json:"wall_ns"`
	GigabitsPerSec  float64 `json:"gbit_per_cpu_s"` // at the median of CPU time
	AllocsPerPacket float64 `json:"allocs_per_packet"`
	AllocOctets     float64 `json:"alloc_octets_per_packet"`
	Times           float64 `json:"times_mbox"` // of the CPU time of mbox, in the median
}

// spread is how a figure is distributed over the turns.
type spread struct {
	Least  float64 `json:"least"`
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

func (o *options) report(peers []*peer) *report {
	r := &report{Workload: o.workload.Name, Connections: o.workload.Connections, Seed: o.workload.Seed,
		Packets: peers[0].ready.Frames, Octets: peers[0].ready.Octets, Go: runtime.Version(), CPU: o.cpu, Turns: o.turns}
	for _, p := range peers {
		each := func(f func(*measure.Sample) float64) spread { return spreadOf(p.samples, r.Packets, f) }
		e := entry{Name: p.name,
			CPU:  each(func(s *measure.Sample) float64 { return float64(s.CPUNs) }),
			Wall: each(func(s *measure.Sample) float64 { return float64(s.WallNs) }),
		}
		if e.CPU.Median == 0 { // the system does not say
			e.CPU = e.Wall
		}
		e.GigabitsPerSec = float64(r.Octets) * 8 / float64(r.Packets) / e.CPU.Median
		e.AllocsPerPacket = each(func(s *measure.Sample) float64 { return float64(s.Allocs) }).Median
		e.AllocOctets = each(func(s *measure.Sample) float64 { return float64(s.AllocOctets) }).Median
		r.Peers = append(r.Peers, e)
	}
	for i := range r.Peers {
		r.Peers[i].Times = r.Peers[i].CPU.Median / r.Peers[0].CPU.Median
	}
	return r
}

// spreadOf returns how a figure, divided by the number of packets, is
// distributed.
func spreadOf(samples []measure.Sample, packets int, f func(*measure.Sample) float64) spread {
	var all []float64
	for i := range samples {
		all = append(all, f(&samples[i])/float64(packets))
	}
	slices.Sort(all)
	n := len(all)
	return spread{Least: all[0], Median: (all[n/2] + all[(n-1)/2]) / 2, Most: all[n-1]}
}

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) table(w io.Writer) error {
	fmt.Fprintf(w, "%s: %d connections, %d packets, %d octets each on average; %d turns on CPU %d, %s\n\n",
		r.Workload, r.Connections, r.Packets, r.Octets/uint64(r.Packets), r.Turns, r.CPU, r.Go)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\tCPU ns/packet\tleast\tmost\twall ns/packet\tGbit/s\tallocs/packet\toctets/packet\ttimes mbox\t\n")
	for _, e := range r.Peers {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%.5f\t%.1f\t%.2f\t\n", e.Name, e.CPU.Median, e.CPU.Least, e.CPU.Most,
			e.Wall.Median, e.GigabitsPerSec, e.AllocsPerPacket, e.AllocOctets, e.Times)
	}
	return t.Flush()
}

// check reports a peer that takes less than so many times what mbox takes.
func (r *report) check(want float64) error {
	for _, e := range r.Peers[1:] {
		if e.Times < want {
			return fmt.Errorf("%w: %s takes %.2f times the CPU time of mbox, not %.2f", errSlow, e.Name, e.Times, want)
		}
	}
	return nil
}
