package main

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// table aligns rows in columns while they come. Cells are separated by tabs;
// the widths follow from the first rows, and grow with wider cells behind them.
type table struct {
	to     io.Writer
	widths []int
	right  []bool   // columns that are aligned to the right
	hold   int      // rows that are waited for, the head among them
	rows   [][]byte // not written yet, the head first; nil once rows go straight on
	part   []byte   // of a row that has not come whole yet
	out    []byte   // rows to be written
}

// tableRows is how many rows decide about the widths: enough for a screen, and
// not so many that one waits for the first.
const tableRows = 200

// newTable returns a table with a head; ">" before a name aligns its column to
// the right.
func newTable(to io.Writer, head string) *table {
	t := &table{to: to, hold: tableRows}
	cells := bytes.Split([]byte(head), []byte("\t"))
	for i, c := range cells {
		name, right := bytes.CutPrefix(c, []byte(">"))
		cells[i] = name
		t.right = append(t.right, right)
	}
	t.widths = make([]int, len(cells))
	t.add(bytes.Join(cells, []byte("\t")))
	return t
}

// live has rows written as they come: widths follow from what is usual.
func (t *table) live(usual string) {
	t.widen([]byte(usual))
	t.hold = 1
}

// Write implements io.Writer. Rows may come in any pieces.
func (t *table) Write(b []byte) (int, error) {
	n := len(b)
	for {
		row, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			t.part = append(t.part, b...)
			return n, t.write()
		}
		t.row(append(t.part, row...))
		t.part, b = t.part[:0], rest
	}
}

// row takes a whole row.
func (t *table) row(row []byte) {
	if t.rows == nil {
		t.widen(row)
		t.print(row)
		return
	}
	t.add(bytes.Clone(row))
	if len(t.rows) > t.hold {
		t.flush()
	}
}

func (t *table) add(row []byte) {
	t.widen(row)
	t.rows = append(t.rows, row)
}

// widen makes the columns wide enough for a row.
func (t *table) widen(row []byte) {
	for i := range t.widths {
		cell, rest, _ := bytes.Cut(row, []byte("\t"))
		t.widths[i] = max(t.widths[i], utf8.RuneCount(cell))
		row = rest
	}
}

// flush aligns the rows that were held back.
func (t *table) flush() {
	for _, row := range t.rows {
		t.print(row)
	}
	t.rows = nil
}

// print aligns a row.
func (t *table) print(row []byte) {
	for i, width := range t.widths {
		cell, rest, _ := bytes.Cut(row, []byte("\t"))
		row = rest
		fill := width - utf8.RuneCount(cell)
		if i > 0 {
			t.out = append(t.out, "  "...)
		}
		if t.right[i] {
			t.out = append(spaces(t.out, fill), cell...)
		} else {
			t.out = spaces(append(t.out, cell...), fill)
		}
	}
	t.out = append(bytes.TrimRight(t.out, " "), '\n')
}

// write writes what has been aligned.
func (t *table) write() error {
	if len(t.out) == 0 {
		return nil
	}
	_, err := t.to.Write(t.out)
	t.out = t.out[:0]
	return err
}

func spaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// close writes what is left; where something has failed and there are no rows,
// not even the head.
func (t *table) close(failed error) error {
	if failed == nil || len(t.rows) > 1 {
		t.flush()
	}
	return t.write()
}
