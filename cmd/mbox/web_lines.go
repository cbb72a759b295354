package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// measure is a column of what web shows: its name, and the text of a row's
// value. In lines and in the live view it is of the latest second, in the summary
// of the whole time.
type measure struct {
	name    string
	help    string
	rate    bool // it is counted by the second, and in the summary in all
	always  bool // it is of the total even in a second
	value   func(t *counts) float64
	text    func(v float64) string
	packets bool // packet mode has it
	only    bool // and no other
}

// of returns the measure's value in a second of which there are every.
func (m *measure) of(r *ranked, second bool, every time.Duration) float64 {
	switch {
	case !second || m.always:
		return m.value(&r.total)
	case m.rate:
		return m.value(&r.last) / every.Seconds()
	}
	return m.value(&r.last)
}

// title returns the column's name.
func (m *measure) title(second bool) string {
	if second && m.rate {
		return m.name + "/S"
	}
	return m.name
}

func ofCounter(k counter) func(*counts) float64 {
	return func(t *counts) float64 { return float64(t[k]) }
}

// measures are the columns, in their order.
var measures = []measure{
	{name: "CONNS", help: "connections that are open", always: true, value: func(t *counts) float64 { return float64(t.open()) }, text: countText},
	{name: "NEW", help: "connections that both ends have established", rate: true, value: ofCounter(cOpened), text: countText},
	{name: "CLOSED", help: "connections that are over", rate: true, value: ofCounter(cClosed), text: countText},
	{name: "FAILED", help: "attempts that made no connection", rate: true, value: ofCounter(cFailed), text: countText},
	{name: "SYN", help: "segments with SYN only", rate: true, packets: true, only: true, value: ofCounter(cSYN), text: countText},
	{name: "SYNACK", help: "segments with SYN and ACK", rate: true, packets: true, only: true, value: ofCounter(cSYNACK), text: countText},
	{name: "FIN", help: "segments with FIN", rate: true, packets: true, only: true, value: ofCounter(cFIN), text: countText},
	{name: "RST", help: "segments with RST", rate: true, packets: true, only: true, value: ofCounter(cRST), text: countText},
	{name: "PACKETS", help: "packets of both sides", rate: true, packets: true, value: func(t *counts) float64 { return float64(t.packets()) }, text: countText},
	{name: "BYTES", help: "payload of both sides, in octets", rate: true, packets: true, value: func(t *counts) float64 { return float64(t.octets()) }, text: func(v float64) string { return octetsText(uint64(v)) }},
	{name: "REXMIT", help: "packets that repeat something", value: (*counts).rexmitShare, text: percentText},
	{name: "MISSED", help: "octets that were acknowledged, and passed unseen", value: (*counts).gapShare, text: percentText},
	{name: "RTT", help: "mean round-trip time of handshakes, both ways", value: func(t *counts) float64 { return float64(t.rttBoth()) }, text: func(v float64) string {
		if v == 0 {
			return "-"
		}
		return durationText(time.Duration(v))
	}},
}

// measuresOf returns those that a mode has.
func measuresOf(mode string) (all []*measure) {
	for i := range measures {
		if m := &measures[i]; mode == modePacket && m.packets || mode != modePacket && !m.only {
			all = append(all, m)
		}
	}
	return all
}

// countText returns a number, short from a hundred thousand on.
func countText(v float64) string {
	switch {
	case v > 0 && v < 0.1:
		return "<0.1"
	case v < 10 && v != float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 1e5:
		return strconv.FormatInt(int64(v+0.5), 10)
	case v < 1e7:
		return strconv.FormatInt(int64(v/1e3), 10) + "k"
	}
	return strconv.FormatInt(int64(v/1e6), 10) + "M"
}

// percentText returns a share as a percentage.
func percentText(v float64) string {
	switch {
	case v == 0:
		return "0%"
	case v < 0.0005:
		return "<0.1%"
	}
	return strconv.FormatFloat(v*100, 'f', 1, 64) + "%"
}

// webLines writes a line a second, and a summary.
type webLines struct {
	to    io.Writer
	mode  string
	rows  int
	sort  *measure
	some  bool   // a line has been written
	clock string // layout of times
	err   error
}

// columnWidth is that of a column of numbers.
const columnWidth = 9

// second writes the line of a second.
func (w *webLines) second(b *board) error {
	var line strings.Builder
	ms := measuresOf(w.mode)
	if !w.some {
		w.some = true
		if w.clock = "15:04:05"; b.every%time.Second != 0 {
			w.clock = "15:04:05.000"
		}
		fmt.Fprintf(&line, "%-*s", len(w.clock), "TIME")
		for _, m := range ms {
			fmt.Fprintf(&line, " %*s", columnWidth, m.title(true))
		}
		line.WriteString("  BUSIEST\n")
	}
	line.WriteString(b.at.Add(-b.every).UTC().Format(w.clock))
	for _, m := range ms {
		fmt.Fprintf(&line, " %*s", columnWidth, m.text(m.of(&b.all, true, b.every)))
	}
	if r := b.busiest(); r != nil {
		line.WriteString("  " + r.name)
	}
	line.WriteString("\n")
	w.write(line.String())
	return w.err
}

// busiest returns the server, or where names are known the host, that carried
// most in the second.
func (b *board) busiest() *ranked {
	var best *ranked
	rows := b.hosts.before
	if len(rows) == 0 {
		rows = b.servers.before
	}
	for _, r := range rows {
		if r.name == noName && len(rows) > 1 || r.last.octets() == 0 && r.last.packets() == 0 {
			continue
		}
		if best == nil || r.last.octets() > best.last.octets() || r.last.octets() == best.last.octets() && r.name < best.name {
			best = r
		}
	}
	return best
}

func (w *webLines) write(text string) {
	if _, err := io.WriteString(w.to, text); err != nil && w.err == nil {
		w.err = err
	}
}

// summary writes what there was in all.
func (w *webLines) summary(b *board) {
	if b.seconds == 0 {
		w.write("no packets of this kind\n")
		return
	}
	if w.some {
		w.write("\n")
	}
	w.write(fmt.Sprintf("%s to %s UTC, in all:\n", b.first.Add(-b.every).UTC().Format("2006-01-02 15:04:05"), b.at.UTC().Format("2006-01-02 15:04:05")))
	w.table(b, "SERVER", func() ([]*ranked, ranked, int) { return b.servers.top(w.rows, byTotal(w.sort)) })
	if w.mode == modeStream {
		w.table(b, "HOST", func() ([]*ranked, ranked, int) { return b.hosts.top(w.rows, byTotal(w.sort)) })
	}
}

// table writes a ranking.
func (w *webLines) table(b *board, what string, top func() ([]*ranked, ranked, int)) {
	rows, rest, more := top()
	ms := measuresOf(w.mode)
	head := what
	for _, m := range ms {
		head += "\t>" + m.title(false)
	}
	t := newTable(w, head)
	row := func(r *ranked, name string) {
		line := name
		for _, m := range ms {
			line += "\t" + m.text(m.of(r, false, b.every))
		}
		_, _ = io.WriteString(t, line+"\n") // webLines keeps the error
	}
	for _, r := range rows {
		row(r, r.name)
	}
	if !rest.total.zero() {
		row(&rest, fmt.Sprintf("%d others", more))
	}
	row(&b.all, "all")
	w.write("\n")
	_ = t.close(nil)
}

// Write implements io.Writer, for tables.
func (w *webLines) Write(b []byte) (int, error) {
	w.write(string(b))
	return len(b), w.err
}
