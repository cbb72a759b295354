package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
)

// write writes the report in a format.
func (r *report) write(w io.Writer, format string) error {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	case "bench":
		return r.bench(w)
	}
	return r.table(w)
}

func (r *report) table(w io.Writer) error {
	cpu := "CPU " + strconv.Itoa(r.CPU)
	if r.CPU < 0 {
		cpu = "any CPU"
	}
	fmt.Fprintf(w, "CPU time of a packet in ns; %d turns on %s, %s\n\n", r.Turns, cpu, r.Go)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "section\tworkload\tmode\tchecksums\tprogram\tmedian\tbest\tworst\twall\tend\ttimes\tof\tGbit/s\tallocs\tpeak MB\tinstructions\t  note\n")
	for i := range r.Rows {
		e := &r.Rows[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t%.1f\t%.4f\t%s\t%s\t  %s\n", e.Section, e.workload(), e.Mode,
			e.Checksums, e.Program, e.CPU.Median, e.CPU.Least, e.CPU.Most, e.Wall.Median, e.End, e.Times, e.Base, e.Gigabits, e.Allocs,
			orNone(float64(e.PeakOctets/1e6)), orNone(e.Instructions), e.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(w, "\n%s is left out: %s\n", name, r.Skipped[name])
	}
	return nil
}

// orNone returns a figure, rounded: 0 is one that is not known.
func orNone(f float64) string {
	if f == 0 {
		return "-"
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// workload returns the workload with its payload.
func (e *row) workload() string {
	if e.Payload < 0 {
		return e.Workload
	}
	return e.Workload + "/" + strconv.Itoa(e.Payload)
}

// bench writes each turn as a line of a Go benchmark.
func (r *report) bench(w io.Writer) (err error) {
	for i := range r.Rows {
		e := &r.Rows[i]
		for _, ns := range e.each {
			_, err = fmt.Fprintf(w, "BenchmarkPacket/%s/workload=%s/mode=%s/checksums=%s/program=%s %d %.2f ns/op\n",
				e.Section, e.workload(), e.Mode, e.Checksums, e.Program, e.Packets, ns)
		}
	}
	return err
}
