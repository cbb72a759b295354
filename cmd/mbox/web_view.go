package main

import (
	"slices"
	"strings"

	"github.com/mbox-stack/mbox/cmd/mbox/internal/view"
)

// webView shows a board on a screen.
type webView struct {
	*board
	measures []*measure
	tables   []string
	title    string
	over     *ended
}

func newWebView(b *board, w *webOptions, over *ended) *webView {
	v := &webView{board: b, measures: measuresOf(w.mode.value), tables: []string{"servers"}, title: "mbox web, " + w.mode.value + " mode", over: over}
	if w.mode.value == modeStream {
		v.tables = append(v.tables, "hosts")
	}
	return v
}

// sortColumn returns the column of a measure, behind that of names.
func (v *webView) sortColumn(m *measure) int { return slices.Index(v.measures, m) + 1 }

// Tables implements view.Model.
func (v *webView) Tables() []string { return v.tables }

// Page implements view.Model.
func (v *webView) Page(q view.Query) view.Page {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := view.Page{Title: v.title, Status: v.over.status(v.at), Columns: []view.Column{{Title: "SERVER", Left: true, Least: view.LeastAddress, Help: "whom connections go to"}}}
	if q.Table == 1 {
		p.Columns[0] = view.Column{Title: "HOST", Left: true, Help: "whom clients ask for; " + noName + " stands for no name"}
	}
	second := !v.over.yes.Load() // at the end of a capture, what there was in all
	var head []string
	for _, m := range v.measures {
		p.Columns = append(p.Columns, view.Column{Title: m.title(second), Help: m.help})
		head = append(head, strings.ToLower(m.title(second))+" "+m.text(m.of(&v.all, second, v.every)))
	}
	p.Head = []string{strings.Join(head, "  "), ""}
	if q.Table == 1 {
		v.rows(&p, q, second, rowsOf(&v.hosts, q.Filter))
	} else {
		v.rows(&p, q, second, rowsOf(&v.servers, q.Filter))
	}
	return p
}

// rowsOf returns the rows of a ranking that a filter lets through.
func rowsOf[K comparable](k *ranking[K], filter string) (rows []*ranked) {
	filter = strings.ToLower(filter)
	k.each(func(r *ranked) {
		if strings.Contains(strings.ToLower(r.name), filter) {
			rows = append(rows, r)
		}
	})
	return rows
}

// rows sorts rows, and turns those that are visible to text.
func (v *webView) rows(p *view.Page, q view.Query, second bool, rows []*ranked) {
	order := func(a, b *ranked) int { return strings.Compare(a.name, b.name) }
	if q.Sort > 0 && q.Sort <= len(v.measures) {
		m := v.measures[q.Sort-1]
		byName := order
		order = func(a, b *ranked) int {
			if c := bySecond(m)(a, b); c != 0 && second {
				return c
			}
			if c := byTotal(m)(a, b); c != 0 {
				return c
			}
			return byName(a, b)
		}
	}
	sign := 1
	if q.Reverse {
		sign = -1
	}
	slices.SortFunc(rows, func(a, b *ranked) int { return sign * order(a, b) })
	p.Count = len(rows)
	for _, r := range rows[min(q.From, len(rows)):min(q.From+q.Limit, len(rows))] {
		cells := []string{r.name}
		for _, m := range v.measures {
			cells = append(cells, m.text(m.of(r, second, v.every)))
		}
		p.Rows = append(p.Rows, cells)
	}
}
