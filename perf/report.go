package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// report is what came out.
type report struct {
	Go    string `json:"go"`
	CPU   int    `json:"cpu"` // that all ran on; -1: any
	Turns int    `json:"turns"`
	Rows  []row  `json:"rows"`

	Skipped map[string]string `json:"skipped,omitempty"` // programs, with the reason
}

// row is what one program took in one figure. Times are CPU times of a packet,
// in ns.
type row struct {
	Section      string  `json:"section"`
	Workload     string  `json:"workload"`
	Payload      int     `json:"payload"` // octets of a data segment; -1: the workload's own
	Mode         string  `json:"mode"`
	Checksums    string  `json:"checksums"` // verified or off
	Program      string  `json:"program"`
	Packets      int     `json:"packets"` // in a turn
	Octets       uint64  `json:"octets"`  // captured, in a turn
	CPU          spread  `json:"cpu_ns"`
	Wall         spread  `json:"wall_ns"`
	End          float64 `json:"end_ns"`         // to forget the flows; median, as all that follow
	Gigabits     float64 `json:"gbit_per_cpu_s"` // at the median of CPU time
	Allocs       float64 `json:"allocs"`         // a packet
	AllocOctets  float64 `json:"alloc_octets"`   // a packet
	PeakOctets   uint64  `json:"peak_octets"`    // resident, with the workload; most of all turns
	Instructions float64 `json:"instructions"`   // a packet, in user mode; 0: not counted
	Subtracted   float64 `json:"subtracted_ns"`  // of every time: what it took to write the frames
	Base         string  `json:"base"`           // the program that this one is compared with
	Times        float64 `json:"times_base"`     // of its CPU time, in the median; against peers, of time and end

	Note string `json:"note,omitempty"`

	Memory *measure.Memory `json:"memory,omitempty"` // of that section

	each []float64 // CPU times of the turns
}

// spread is how a figure is distributed over the turns.
type spread struct {
	Least  float64 `json:"least"`
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

func newReport(o *options, skipped map[string]string) *report {
	return &report{Go: runtime.Version(), CPU: o.cpu, Turns: o.turns, Skipped: skipped}
}

// rows returns what the programs of a figure took.
func (f *figure) rows(peers []*peer) []row {
	rows := make([]row, len(peers))
	for i, p := range peers {
		rows[i] = f.row(p)
	}
	if last := len(rows) - 1; peers[last].program == generator {
		for i := range rows[:last] {
			rows[i].subtract(rows[last].CPU.Median)
		}
	}
	base := &rows[f.base]
	for i := range rows {
		r := &rows[i]
		r.Base, r.Times = base.Program, r.CPU.Median/base.CPU.Median
		switch f.section {
		case sectionScale:
			if r.Program == receiver.String() {
				r.Note = "a part of mbox"
				continue
			}
			r.Times = r.Wall.Median / base.Wall.Median
			r.Note = fmt.Sprintf("%.2f times as fast, %.2f times the CPU", 1/r.Times, r.CPU.Median/base.CPU.Median)
		case sectionControl:
			got := &peers[i].samples[0].Result
			r.Note = fmt.Sprintf("%d octets read, %d held by flows and streams", got.Text[0]+got.Text[1], got.StreamOctets)
		case sectionPeers:
			r.Times = (r.CPU.Median + r.End) / (base.CPU.Median + base.End)
		}
	}
	return rows
}

// subtract takes what it costs to write the frames out of what a program took.
func (r *row) subtract(ns float64) {
	r.Subtracted = ns
	for _, p := range []*float64{&r.CPU.Least, &r.CPU.Median, &r.CPU.Most} {
		*p -= ns
	}
	for i := range r.each {
		r.each[i] -= ns
	}
}

func (f *figure) row(p *peer) row {
	each := func(g func(*measure.Sample) float64) []float64 {
		var all []float64
		for i := range p.samples {
			all = append(all, g(&p.samples[i])/float64(p.ready.Frames))
		}
		return all
	}
	median := func(g func(*measure.Sample) float64) float64 { return spreadOf(each(g)).Median }
	r := row{
		Section: sections[f.section].name, Workload: f.setup.Name, Payload: f.setup.Payload, Mode: f.setup.Mode,
		Checksums: checksums(&f.setup), Program: p.String(), Packets: p.ready.Frames, Octets: p.ready.Octets,
		Wall:         spreadOf(each(func(s *measure.Sample) float64 { return float64(s.WallNs) })),
		End:          median(func(s *measure.Sample) float64 { return float64(s.EndNs) }),
		Allocs:       median(func(s *measure.Sample) float64 { return float64(s.Allocs) }),
		AllocOctets:  median(func(s *measure.Sample) float64 { return float64(s.AllocOctets) }),
		Instructions: median(func(s *measure.Sample) float64 { return float64(s.Instructions) }),
		each:         each(func(s *measure.Sample) float64 { return float64(s.CPUNs) }),
	}
	r.CPU = spreadOf(r.each)
	if r.CPU.Median == 0 { // the system does not say
		r.CPU = r.Wall
	}
	r.Gigabits = float64(r.Octets) * 8 / float64(r.Packets) / r.CPU.Median
	for i := range p.samples {
		r.PeakOctets = max(r.PeakOctets, p.samples[i].PeakOctets)
	}
	return r
}

// spreadOf returns how a figure is distributed.
func spreadOf(each []float64) spread {
	all := slices.Sorted(slices.Values(each))
	n := len(all)
	return spread{Least: all[0], Median: (all[n/2] + all[(n-1)/2]) / 2, Most: all[n-1]}
}

// check reports a peer that takes less than so many times what mbox takes.
func (r *report) check(want float64) error {
	for i := range r.Rows {
		if e := &r.Rows[i]; e.Base == own.name && e.Program != own.name && e.Times < want {
			return fmt.Errorf("%w: on %s %s takes %.2f times the CPU time of mbox, not %.2f", errSlow, e.Workload, e.Program, e.Times, want)
		}
	}
	return nil
}
