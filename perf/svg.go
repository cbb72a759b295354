package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"strings"
)

// The measures of a drawing, in pixels.
const (
	svgWidth   = 900
	svgBarsAt  = 330 // where bars begin; what they are stands before them
	svgBarsEnd = svgWidth - 90
	svgLine    = 16
	svgGap     = 10
)

// draw draws the rows, a bar for each program, into a file: "" is none.
func (r *report) draw(file string) error {
	if file == "" {
		return nil
	}
	return os.WriteFile(file, []byte(r.svg()), 0o644)
}

// svg returns the drawing: of each figure its programs one below the other, the
// median as a bar, best and worst turn as a line over its end. Each figure has a
// scale of its own, which its greatest median fills.
func (r *report) svg() string {
	var b strings.Builder
	y := svgLine * 2
	for i := 0; i < len(r.Rows); {
		n := r.figureEnd(i)
		most := 0.0
		for _, e := range r.Rows[i:n] {
			most = max(most, e.CPU.Median)
		}
		e := &r.Rows[i]
		y += svgGap + svgLine
		fmt.Fprintf(&b, "<text x=\"4\" y=\"%d\" font-weight=\"bold\">%s</text>\n", y,
			html.EscapeString(fmt.Sprintf("%s: %s %s, checksums %s", e.Section, e.workload(), e.Mode, e.Checksums)))
		for ; i < n; i++ {
			y += svgLine
			r.Rows[i].bar(&b, y, most)
		}
	}
	head := fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"4\" y=\"%d\">CPU time of a packet in ns: median of %d turns, best to worst; %s</text>\n",
		svgWidth, y+svgLine, svgLine, r.Turns, html.EscapeString(r.Go))
	return head + b.String() + "</svg>\n"
}

// figureEnd returns where the figure that begins at row i ends.
func (r *report) figureEnd(i int) int {
	first := &r.Rows[i]
	for i < len(r.Rows) {
		e := &r.Rows[i]
		if e.Section != first.Section || e.workload() != first.workload() || e.Mode != first.Mode || e.Checksums != first.Checksums {
			break
		}
		i++
	}
	return i
}

// bar draws a row.
func (e *row) bar(b *strings.Builder, y int, most float64) {
	x := func(ns float64) float64 {
		return svgBarsAt + math.Min(ns/most, 1.08)*(svgBarsEnd-svgBarsAt) // a worst turn may lie outside
	}
	colour := "#9ab"
	if strings.HasPrefix(e.Program, own.name) {
		colour = "#c50"
	}
	middle := float64(y) - svgLine/4
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", svgBarsAt-6, y, html.EscapeString(e.Program))
	fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", svgBarsAt, y-svgLine+5, x(e.CPU.Median)-svgBarsAt, svgLine-4, colour)
	fmt.Fprintf(b, "<path d=\"M%.1f %.1fH%.1f\" stroke=\"black\"/>", x(e.CPU.Least), middle, x(e.CPU.Most))
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.1f</text>\n", svgWidth-4, y, e.CPU.Median)
}
