package main

import (
	"bytes"
	"fmt"
	"math"
)

// colours are those of modes: apart from each other for the colour-blind, too.
var colours = map[string]string{"none": "#888888", "packet": "#56b4e9", "flow": "#e69f00", "stream": "#009e73"}

// The plot's measures, in pixels.
const (
	panelWidth, panelHeight = 460, 220
	marginLeft, marginTop   = 70, 70
	gapX, gapY              = 80, 70
)

// panel is one set of bars.
type panel struct {
	title string
	modes []string
	value func(mode string, octets int) float64
}

// plot returns the figure: throughput above, the monitor's CPU below; a
// connection each on the left, connections kept on the right.
func (b *bench) plot() []byte {
	var w bytes.Buffer
	width, height := marginLeft+2*panelWidth+gapX+30, marginTop+2*panelHeight+gapY+60
	fmt.Fprintf(&w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&w, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	text(&w, marginLeft, 20, "start", 15, "A web server watched by mbox web")
	text(&w, marginLeft, 38, "start", 11, machine()+", "+b.began.UTC().Format("2006-01-02"))
	x := width - 30
	for i := len(modes) - 1; i >= 0; i-- {
		name := modes[i] + " mode"
		if i == 0 {
			name = "no monitor"
		}
		x -= 95
		fmt.Fprintf(&w, `<rect x="%d" y="10" width="12" height="12" fill="%s"/>`+"\n", x, colours[modes[i]])
		text(&w, x+16, 20, "start", 12, name)
	}
	for column, keep := range []bool{false, true} {
		left := marginLeft + column*(panelWidth+gapX)
		b.draw(&w, left, marginTop, panel{"requests a second, " + manner(keep), modes,
			func(mode string, octets int) float64 { return b.at(mode, octets, keep).rate() }})
		b.draw(&w, left, marginTop+panelHeight+gapY, panel{"the monitor's CPU, µs a request, " + manner(keep), modes[1:],
			func(mode string, octets int) float64 {
				c := b.at(mode, octets, keep)
				return c.perRequest(c.Monitor.User + c.Monitor.System)
			}})
	}
	text(&w, marginLeft+panelWidth+gapX/2, height-12, "middle", 12, "octets of a response")
	w.WriteString("</svg>\n")
	return w.Bytes()
}

func text(w *bytes.Buffer, x, y int, anchor string, size int, s string) {
	fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="%s" font-size="%d">%s</text>`+"\n", x, y, anchor, size, s)
}

// draw draws a panel whose upper left corner is at left, top.
func (b *bench) draw(w *bytes.Buffer, left, top int, p panel) {
	most := 0.0
	for _, octets := range b.sizes {
		for _, mode := range p.modes {
			most = max(most, p.value(mode, octets))
		}
	}
	step := stepOf(most)
	scale := panelHeight / (math.Ceil(most/step) * step)
	text(w, left, top-8, "start", 12, p.title)
	for v := 0.0; v <= most+step; v += step {
		y := top + panelHeight - int(v*scale)
		if y < top {
			break
		}
		fmt.Fprintf(w, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#dddddd"/>`+"\n", left, y, left+panelWidth, y)
		text(w, left-6, y+4, "end", 11, fmt.Sprintf("%g", v))
	}
	group := panelWidth / len(b.sizes)
	bar := group * 4 / 5 / len(p.modes)
	for i, octets := range b.sizes {
		for j, mode := range p.modes {
			h := int(p.value(mode, octets) * scale)
			fmt.Fprintf(w, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n",
				left+i*group+group/10+j*bar, top+panelHeight-h, bar-1, h, colours[mode])
		}
		text(w, left+i*group+group/2, top+panelHeight+16, "middle", 11, sizeText(octets))
	}
}

// stepOf returns how far lines are apart so that there are four to eight.
func stepOf(most float64) float64 {
	if most <= 0 {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{8, 4, 2} {
		if most/(step/part) <= 8 {
			return step / part
		}
	}
	return step
}

func sizeText(octets int) string {
	if octets >= 1<<10 {
		return fmt.Sprintf("%d KiB", octets>>10)
	}
	return fmt.Sprintf("%d", octets)
}
