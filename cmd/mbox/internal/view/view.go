package view

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/gdamore/tcell/v2"
)

// Column is a column of a table.
type Column struct {
	Title string
	Help  string // one line of what it means
	Left  bool   // text: numbers are aligned to the right
	Least int    // cells that text is not cut below; 0: leastText
}

// leastText is what text that does not fit still says something in.
const leastText = 12

// LeastAddress is Least of addresses with ports: the longest ones of IPv4 are not
// cut, or rows could not be told apart.
const LeastAddress = len("255.255.255.255:65535")

// Query says what is to be shown of which table.
type Query struct {
	Table   int
	Sort    int // index of a column
	Reverse bool
	Filter  string // rows that contain it, in any case; "": all
	From    int    // rows to leave out
	Limit   int    // rows that there is room for
}

// Page is what a model answers to a Query.
type Page struct {
	Title   string   // the first line, left
	Status  string   // the first line, right
	Head    []string // lines above the table
	Columns []Column
	Rows    [][]string
	Count   int // rows that the filter lets through
}

// Model is what is shown. Its methods are called by the goroutine that runs the
// view.
type Model interface {
	// Tables returns the names of the tables that there are.
	Tables() []string
	// Page returns a part of one.
	Page(Query) Page
}

// View shows a model on a screen. One goroutine runs it.
type View struct {
	screen tcell.Screen
	model  Model
	query  Query
	sorts  []Query // of each table: its sort order and how far it is scrolled
	page   Page    // as it is shown
	paused bool
	help   bool
	typing bool   // a filter
	typed  string // so far
}

// refreshEvery is how often what is shown is brought up to date: often enough
// that a second that is over is seen at once.
const refreshEvery = 200 * time.Millisecond

// New returns a view of a model that begins with the given sort column of each
// table. The screen has been initialized, and is the view's until Run returns.
func New(screen tcell.Screen, model Model, sorts ...int) *View {
	v := &View{screen: screen, model: model}
	for i := range model.Tables() {
		q := Query{Table: i}
		if i < len(sorts) {
			q.Sort = sorts[i]
		}
		v.sorts = append(v.sorts, q)
	}
	v.query = v.sorts[0]
	return v
}

// Run shows the model until the user has seen enough or ctx is done.
func (v *View) Run(ctx context.Context) {
	defer v.screen.Fini()
	events, quit := make(chan tcell.Event, 16), make(chan struct{})
	go v.screen.ChannelEvents(events, quit)
	defer close(quit)
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	v.refresh()
	for {
		v.draw()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !v.paused {
				v.refresh()
			}
		case e, more := <-events:
			if !more || v.handle(e) {
				return
			}
		}
	}
}

// refresh asks the model for what is visible.
func (v *View) refresh() {
	_, height := v.screen.Size()
	v.query.Limit = max(height, 1)
	v.page = v.model.Page(v.query)
	if most := max(v.page.Count-v.room(), 0); v.query.From > most {
		v.query.From = most
		v.page = v.model.Page(v.query)
	}
}

// room returns how many rows fit under head and titles, above the help line.
func (v *View) room() int {
	_, height := v.screen.Size()
	return max(height-v.top()-2, 1)
}

// top returns in which line the titles stand.
func (v *View) top() int { return 1 + len(v.page.Head) }

// handle does what an event asks for, and reports whether that is to end.
func (v *View) handle(e tcell.Event) (quit bool) {
	switch e := e.(type) {
	case *tcell.EventResize:
		v.screen.Sync()
		v.refresh()
	case *tcell.EventKey:
		switch {
		case e.Key() == tcell.KeyCtrlC:
			return true
		case e.Key() == tcell.KeyCtrlZ:
			return !v.suspend()
		case e.Key() == tcell.KeyCtrlL:
			v.screen.Sync()
		case v.typing:
			v.typeKey(e)
		case v.help:
			v.help = false
		default:
			return v.key(e)
		}
	}
	return false
}

// typeKey takes a key of the filter that is being typed.
func (v *View) typeKey(e *tcell.EventKey) {
	switch e.Key() {
	case tcell.KeyEnter:
		v.typing = false
	case tcell.KeyEscape:
		v.typing, v.typed = false, ""
	case tcell.KeyBackspace, tcell.KeyBackspace2:
		_, n := utf8.DecodeLastRuneInString(v.typed)
		v.typed = v.typed[:len(v.typed)-n]
	case tcell.KeyCtrlU:
		v.typed = ""
	case tcell.KeyRune:
		if len(v.typed) < filterMax {
			v.typed += string(e.Rune())
		}
	}
	v.query.Filter, v.query.From = v.typed, 0
	v.refresh()
}

// filterMax bounds what is typed: more than a name has.
const filterMax = 255

// key does what a key asks for outside the filter.
func (v *View) key(e *tcell.EventKey) (quit bool) {
	page := v.room()
	switch e.Key() {
	case tcell.KeyEscape:
		v.typed, v.query.Filter = "", ""
	case tcell.KeyTab:
		v.table(v.query.Table + 1)
	case tcell.KeyBacktab:
		v.table(v.query.Table + len(v.sorts) - 1)
	case tcell.KeyUp:
		v.scroll(-1)
	case tcell.KeyDown:
		v.scroll(1)
	case tcell.KeyPgUp:
		v.scroll(-page)
	case tcell.KeyPgDn:
		v.scroll(page)
	case tcell.KeyHome:
		v.query.From = 0
	case tcell.KeyEnd:
		v.scroll(v.page.Count)
	case tcell.KeyLeft:
		v.sort(-1)
	case tcell.KeyRight:
		v.sort(1)
	case tcell.KeyRune:
		if quit = v.letter(e.Rune()); quit {
			return true
		}
	}
	v.refresh()
	return false
}

func (v *View) letter(r rune) (quit bool) {
	switch r {
	case 'q', 'Q':
		return true
	case 'p', ' ':
		v.paused = !v.paused
	case 's', '>':
		v.sort(1)
	case 'S', '<':
		v.sort(-1)
	case 'r':
		v.query.Reverse = !v.query.Reverse
	case '/':
		v.typing, v.typed = true, v.query.Filter
	case 't':
		v.table(v.query.Table + 1)
	case 'k':
		v.scroll(-1)
	case 'j':
		v.scroll(1)
	case '?', 'h':
		v.help = true
	}
	return false
}

// table turns to another table, which is as it was left.
func (v *View) table(to int) {
	filter := v.query.Filter
	v.sorts[v.query.Table] = v.query
	v.query = v.sorts[to%len(v.sorts)]
	v.query.Filter = filter
}

// sort moves to another sort column.
func (v *View) sort(by int) {
	n := max(len(v.page.Columns), 1)
	v.query.Sort = (v.query.Sort + by + n) % n
	v.query.From, v.query.Reverse = 0, false
}

// scroll moves the rows, as far as there are any.
func (v *View) scroll(by int) {
	v.query.From = max(min(v.query.From+by, v.page.Count-v.room()), 0)
}

// keys are the keys there are, for the help line.
func (v *View) keys() string {
	text := "q quit  p pause  s sort  r reverse  / filter  ? help"
	if names := v.model.Tables(); len(names) > 1 {
		text += "  Tab " + names[(v.query.Table+1)%len(names)]
	}
	return text
}

// place says which rows are visible.
func (v *View) place() string {
	if v.page.Count == 0 {
		return "none"
	}
	last := min(v.query.From+min(len(v.page.Rows), v.room()), v.page.Count)
	return fmt.Sprintf("%d-%d of %d", v.query.From+1, last, v.page.Count)
}
