package view

import (
	"cmp"
	"strings"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/uniseg"
)

// The styles: those that every terminal has.
var (
	plain  = tcell.StyleDefault
	strong = plain.Bold(true)
	bar    = plain.Reverse(true)
)

// draw puts everything on the screen.
func (v *View) draw() {
	v.screen.Clear()
	width, height := v.screen.Size()
	status := v.page.Status
	if v.paused {
		status = strings.TrimPrefix(status+"  PAUSED", "  ")
	}
	v.line(0, width, v.page.Title, status, strong)
	for i, text := range v.page.Head {
		v.put(0, 1+i, width, text, plain)
	}
	if v.help {
		v.drawHelp(width)
	} else {
		v.drawTable(width)
	}
	foot, right := v.keys(), v.place()
	switch {
	case v.typing:
		foot = "filter: " + v.typed + "_  Enter keeps it, Esc takes it away"
	case v.help:
		foot, right = "any key goes back", ""
	case v.query.Filter != "":
		right = "filter " + v.query.Filter + "  " + right
	}
	v.fill(height-1, width, bar)
	v.line(height-1, width, foot, right, bar)
	v.screen.Show()
}

// drawTable puts titles and rows on the screen.
func (v *View) drawTable(width int) {
	p := &v.page
	rows := p.Rows[:min(len(p.Rows), v.room())]
	widths := make([]int, len(p.Columns))
	for i, c := range p.Columns {
		widths[i] = len(c.Title) + 1 // and the mark of the sort column
		for _, r := range rows {
			widths[i] = max(widths[i], uniseg.StringWidth(r[i]))
		}
	}
	v.shrink(widths, width)
	titles := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		titles[i] = c.Title
		if i == v.query.Sort {
			titles[i] += map[bool]string{true: "^", false: "v"}[v.query.Reverse]
		}
	}
	v.fill(v.top(), width, bar)
	v.row(v.top(), width, widths, titles, bar)
	for i, r := range rows {
		v.row(v.top()+1+i, width, widths, r, plain)
	}
}

// shrink makes the columns of text fit what the numbers leave, down to a width
// at which they still say something.
func (v *View) shrink(widths []int, width int) {
	total := 2 * max(len(widths)-1, 0)
	for _, w := range widths {
		total += w
	}
	for i := 0; total > width && i < len(widths); {
		widest := -1
		for j, c := range v.page.Columns {
			if c.Left && widths[j] > cmp.Or(c.Least, leastText) && (widest < 0 || widths[j] > widths[widest]) {
				widest = j
			}
		}
		if widest < 0 {
			return // columns on the right are left out
		}
		widths[widest]--
		total--
	}
}

// row puts the cells of a row on the screen; those that do not fit are left out.
func (v *View) row(y, width int, widths []int, cells []string, style tcell.Style) {
	x := 0
	for i, w := range widths {
		if x+w > width && i > 0 {
			return
		}
		text := clip(cells[i], min(w, width))
		at := x
		if !v.page.Columns[i].Left {
			at += w - uniseg.StringWidth(text)
		}
		v.screen.PutStrStyled(at, y, text, style)
		x += w + 2
	}
}

// drawHelp puts what keys and columns mean in the place of the table.
func (v *View) drawHelp(width int) {
	y := v.top()
	for _, text := range []string{
		"q, Ctrl-C    quit", "p, space     pause", "s, S, arrows sort by the next column, or the one before",
		"r            reverse the order", "/            filter rows by a part of their text; Esc: all rows",
		"Tab          the next table", "up, down, page up, page down, home, end, j, k   scroll", "Ctrl-Z       stop, to be continued", "",
	} {
		v.put(0, y, width, text, plain)
		y++
	}
	for _, c := range v.page.Columns {
		if c.Help != "" {
			v.put(0, y, width, c.Title+strings.Repeat(" ", max(13-len(c.Title), 1))+c.Help, plain)
			y++
		}
	}
}

// line puts one text at the left and one at the right end of a line.
func (v *View) line(y, width int, left, right string, style tcell.Style) {
	n := uniseg.StringWidth(right)
	v.put(0, y, max(width-n-1, 0), left, style)
	if n < width {
		v.put(width-n, y, n, right, style)
	}
}

func (v *View) put(x, y, width int, text string, style tcell.Style) {
	v.screen.PutStrStyled(x, y, clip(text, width), style)
}

func (v *View) fill(y, width int, style tcell.Style) {
	v.screen.PutStrStyled(0, y, strings.Repeat(" ", width), style)
}

// clip returns text that takes no more than width cells, and nothing of it that
// a terminal would take for more than text.
func clip(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	for rest, state, n := text, -1, 0; rest != ""; {
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if n+w > width-1 {
			break
		}
		n += w
		b.WriteString(cluster)
	}
	if width > 0 {
		b.WriteString("…")
	}
	return b.String()
}
