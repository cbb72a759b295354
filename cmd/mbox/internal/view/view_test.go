package view

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// squares is a model of two tables of numbers.
type squares struct {
	asked []Query
	turn  int
}

func (s *squares) Tables() []string { return []string{"squares", "cubes"} }

func (s *squares) Page(q Query) Page {
	s.asked = append(s.asked, q)
	s.turn++
	p := Page{Title: "numbers", Status: fmt.Sprint("turn ", s.turn), Head: []string{"all of them"},
		Columns: []Column{{Title: "NAME", Left: true, Help: "what it is called"}, {Title: "VALUE", Help: "how much it is"}}}
	for i := range 50 {
		name := fmt.Sprintf("number %d", i)
		if !strings.Contains(name, q.Filter) {
			continue
		}
		value := i * i
		if q.Table == 1 {
			value *= i
		}
		if p.Count++; p.Count > q.From && len(p.Rows) < q.Limit {
			p.Rows = append(p.Rows, []string{name, fmt.Sprint(value)})
		}
	}
	return p
}

// simulated returns a view on a screen of a size.
func simulated(t *testing.T, m Model, width, height int, sorts ...int) (*View, tcell.SimulationScreen) {
	t.Helper()
	screen := tcell.NewSimulationScreen("UTF-8")
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	screen.SetSize(width, height)
	t.Cleanup(screen.Fini)
	v := New(screen, m, sorts...)
	v.refresh()
	v.draw()
	return v, screen
}

// shows returns the lines of a screen, with one space for many.
func shows(screen tcell.SimulationScreen) []string {
	cells, width, height := screen.GetContents()
	lines := make([]string, height)
	for y := range lines {
		var b strings.Builder
		for _, c := range cells[y*width : (y+1)*width] {
			b.WriteString(string(c.Runes))
		}
		lines[y] = strings.Join(strings.Fields(b.String()), " ")
	}
	return lines
}

// expect compares lines of a screen, by their numbers, with what should be there.
func expect(t *testing.T, screen tcell.SimulationScreen, want map[int]string) {
	t.Helper()
	lines := shows(screen)
	for y, text := range want {
		if lines[y] != text {
			t.Errorf("line %d is\n%q, want\n%q in\n%s", y, lines[y], text, strings.Join(lines, "\n"))
		}
	}
}

// press gives keys to a view: names of special ones, and runes.
func press(v *View, keys ...any) (quit bool) {
	for _, k := range keys {
		var e *tcell.EventKey
		switch k := k.(type) {
		case tcell.Key:
			e = tcell.NewEventKey(k, 0, 0)
		case string:
			for _, r := range k {
				quit = v.handle(tcell.NewEventKey(tcell.KeyRune, r, 0)) || quit
			}
			continue
		}
		quit = v.handle(e) || quit
	}
	v.draw()
	return quit
}

func TestShowsATable(t *testing.T) {
	_, screen := simulated(t, &squares{}, 60, 8, 1, 1)
	expect(t, screen, map[int]string{
		0: "numbers turn 1", 1: "all of them", 2: "NAME VALUEv", 3: "number 0 0",
		6: "number 3 9", 7: "q quit p pause s sort r reverse / filter ? h… 1-4 of 50"})
}

// TestKeys: each key does what the help says.
func TestKeys(t *testing.T) {
	m := &squares{}
	v, screen := simulated(t, m, 80, 10, 1)
	last := func() Query { return m.asked[len(m.asked)-1] }
	press(v, "s")
	if q := last(); q.Sort != 0 {
		t.Errorf("s: %+v", q)
	}
	expect(t, screen, map[int]string{2: "NAMEv VALUE"})
	press(v, "<", tcell.KeyRight, tcell.KeyLeft, "r")
	if q := last(); q.Sort != 1 || !q.Reverse {
		t.Errorf("< right left r: %+v", q)
	}
	expect(t, screen, map[int]string{2: "NAME VALUE^"})
	press(v, tcell.KeyDown, "j", tcell.KeyPgDn, tcell.KeyUp, "k")
	expect(t, screen, map[int]string{3: "number 6 36", 9: "q quit p pause s sort r reverse / filter ? help Tab cubes 7-12 of 50"})
	press(v, tcell.KeyEnd)
	expect(t, screen, map[int]string{8: "number 49 2401"})
	press(v, tcell.KeyPgDn, tcell.KeyHome)
	expect(t, screen, map[int]string{3: "number 0 0"})
	press(v, tcell.KeyTab)
	if q := last(); q.Table != 1 || q.Reverse || q.From != 0 {
		t.Errorf("Tab: %+v", q)
	}
	press(v, tcell.KeyBacktab)
	if q := last(); q.Table != 0 || !q.Reverse {
		t.Errorf("back: %+v", q)
	}
	if press(v, "x") || !press(v, "q") || !press(v, tcell.KeyCtrlC) {
		t.Error("what quits is q and Ctrl-C")
	}
}

// TestFilter: it is typed, corrected, kept and taken away; q belongs to it then.
func TestFilter(t *testing.T) {
	v, screen := simulated(t, &squares{}, 80, 10)
	if press(v, "/4q", tcell.KeyBackspace2) {
		t.Error("a letter of the filter quits")
	}
	lines := shows(screen)
	if !strings.HasPrefix(lines[9], "filter: 4_") || lines[3] != "number 4 16" {
		t.Errorf("%q", lines)
	}
	press(v, tcell.KeyEnter)
	if lines := shows(screen); !strings.HasSuffix(lines[9], "filter 4 1-6 of 14") {
		t.Errorf("%q", lines[9])
	}
	press(v, tcell.KeyEscape)
	if lines := shows(screen); !strings.HasSuffix(lines[9], "1-6 of 50") {
		t.Errorf("%q", lines[9])
	}
	press(v, "/nothing", tcell.KeyEnter)
	if lines := shows(screen); !strings.HasSuffix(lines[9], "none") || lines[3] != "" {
		t.Errorf("%q", lines)
	}
	press(v, "/", tcell.KeyCtrlU, strings.Repeat("y", 1000))
	if len(v.query.Filter) != filterMax {
		t.Errorf("a filter of %d octets", len(v.query.Filter))
	}
	press(v, tcell.KeyEscape)
	if v.query.Filter != "" {
		t.Errorf("filter %q", v.query.Filter)
	}
}

func TestHelp(t *testing.T) {
	v, screen := simulated(t, &squares{}, 80, 20)
	press(v, "?")
	text := strings.Join(shows(screen), "\n")
	for _, want := range []string{"space pause", "VALUE how much it is", "any key goes back"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if press(v, "q") || v.help {
		t.Error("a key in the help goes back, and does nothing else")
	}
}

// TestSizes: no size, and no text, breaks anything; names give way to numbers.
func TestSizes(t *testing.T) {
	v, screen := simulated(t, &squares{}, 80, 24)
	for width := 1; width < 60; width += 7 {
		for height := 1; height < 12; height++ {
			screen.SetSize(width, height)
			v.handle(tcell.NewEventResize(width, height))
			press(v, "?", "x", tcell.KeyEnd, tcell.KeyHome)
		}
	}
	long := &fixed{Page{Columns: []Column{{Title: "NAME", Left: true}, {Title: "N"}}, Rows: [][]string{{strings.Repeat("x", 99), "7"}, {"日本語\x1b[2J", "8"}}, Count: 2}}
	_, screen = simulated(t, long, 30, 6)
	expect(t, screen, map[int]string{2: strings.Repeat("x", 25) + "… 7"})
	// Down to what an IPv4 address and a port take: then it is numbers that go.
	flow := &fixed{Page{Columns: []Column{{Title: "CLIENT", Left: true, Least: LeastAddress}, {Title: "SERVER", Left: true, Least: LeastAddress}, {Title: "N"}, {Title: "M"}},
		Rows: [][]string{{"255.255.255.254:65534", "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535", "7", "8"}}, Count: 1}}
	_, flows := simulated(t, flow, 48, 6)
	expect(t, flows, map[int]string{2: "255.255.255.254:65534 [2001:db8:1234:5678:… 7"})
	if lines := shows(screen); !strings.Contains(lines[3], "?[2J") || strings.Contains(lines[3], "\x1b") {
		t.Errorf("%q", lines[3])
	}
}

type fixed struct{ page Page }

func (f *fixed) Tables() []string { return []string{"one"} }
func (f *fixed) Page(Query) Page  { return f.page }

// TestRun: keys come from the screen, what is shown changes by itself unless
// paused, and the end of the context ends the view.
func TestRun(t *testing.T) {
	screen := &kept{SimulationScreen: tcell.NewSimulationScreen("UTF-8")}
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { New(screen, &squares{}).Run(context.Background()); close(done) }()
	until := func(text string) {
		t.Helper()
		for !strings.Contains(screen.text(), text) { // the test's own time limit ends it
			time.Sleep(time.Millisecond)
		}
	}
	until("turn 3")
	screen.InjectKey(tcell.KeyRune, 'p', 0)
	until("PAUSED")
	screen.InjectKey(tcell.KeyRune, 'q', 0)
	<-done

	screen = &kept{SimulationScreen: tcell.NewSimulationScreen("UTF-8")}
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	New(screen, &squares{}).Run(ctx)
}

// kept is a screen that can be looked at while it is drawn.
type kept struct {
	tcell.SimulationScreen
	mu    sync.Mutex
	shown string
}

// Show implements tcell.Screen.
func (k *kept) Show() {
	k.SimulationScreen.Show()
	text := strings.Join(shows(k.SimulationScreen), "\n")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = text
}

func (k *kept) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shown
}

// broken is a model that panics.
type broken struct{ squares }

func (b *broken) Page(Query) Page { panic("broken") }

// finis counts what gives the terminal back.
type finis struct {
	tcell.SimulationScreen
	n int
}

func (f *finis) Fini() { f.n++; f.SimulationScreen.Fini() }

func TestGivesTheTerminalBack(t *testing.T) {
	screen := &finis{SimulationScreen: tcell.NewSimulationScreen("UTF-8")}
	if err := screen.Init(); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		New(screen, &broken{}).Run(context.Background())
	}()
	if screen.n != 1 {
		t.Errorf("given back %d times", screen.n)
	}
}

func Example() {
	screen := tcell.NewSimulationScreen("UTF-8")
	if err := screen.Init(); err != nil {
		fmt.Println(err)
		return
	}
	defer screen.Fini()
	screen.SetSize(40, 6)
	v := New(screen, &squares{})
	v.refresh()
	v.draw()
	for _, line := range shows(screen)[2:5] {
		fmt.Println(line)
	}
	// Output:
	// NAMEv VALUE
	// number 0 0
	// number 1 1
}
