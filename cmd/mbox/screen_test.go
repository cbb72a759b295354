package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/mbox-stack/mbox/internal/traffic"
)

// onScreen runs the program before a simulated terminal, until the user quits:
// drive presses keys and looks.
func onScreen(t *testing.T, drive func(s *simulated), args ...string) result {
	t.Helper()
	s := &simulated{t: t, SimulationScreen: tcell.NewSimulationScreen("UTF-8"), ready: make(chan struct{})}
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr, newScreen: func() (tcell.Screen, error) { return s, nil }}
	root := p.root(args)
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	done := make(chan int, 1)
	go func() { done <- p.status(root.ExecuteContext(context.Background())) }()
	<-s.ready
	drive(s)
	status := <-done
	return result{status, stdout.String(), stderr.String()}
}

// simulated is a screen that a test looks at.
type simulated struct {
	tcell.SimulationScreen
	t     *testing.T
	ready chan struct{}

	mu    sync.Mutex
	shown string // lines, with one space for many
}

// Init implements tcell.Screen.
func (s *simulated) Init() error {
	err := s.SimulationScreen.Init()
	s.SetSize(160, 20)
	close(s.ready)
	return err
}

// Show implements tcell.Screen. What is shown is kept, as the screen's own cells
// may be read by nobody else meanwhile.
func (s *simulated) Show() {
	s.SimulationScreen.Show()
	text := s.lines()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = text
}

// text returns what is shown.
func (s *simulated) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

func (s *simulated) lines() string {
	cells, width, height := s.GetContents()
	var b strings.Builder
	for y := range height {
		var line strings.Builder
		for _, c := range cells[y*width : (y+1)*width] {
			line.WriteString(string(c.Runes))
		}
		b.WriteString(strings.Join(strings.Fields(line.String()), " ") + "\n")
	}
	return b.String()
}

// until waits until the screen shows a text.
func (s *simulated) until(text string) {
	for range 20_000 {
		if strings.Contains(s.text(), text) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Errorf("%q is not shown:\n%s", text, s.text())
	s.InjectKey(tcell.KeyCtrlC, 0, 0)
}

func (s *simulated) press(r rune) { s.InjectKey(tcell.KeyRune, r, 0) }

// TestWebOnATerminal: the view stays when the capture has been read, shows what
// there was in all, and a summary follows it.
func TestWebOnATerminal(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	r := onScreen(t, func(s *simulated) {
		s.until("end of the capture, q quits")
		s.until("192.0.2.80:80 0 5 5 0 83 28KiB 1.2% 4.9% 13ms\n")
		s.InjectKey(tcell.KeyTab, 0, 0)
		s.until("news.example 0 6 6 0 95 30KiB")
		for _, r := range "/shop" {
			s.press(r)
		}
		s.until("1-1 of 1")
		s.InjectKey(tcell.KeyEnter, 0, 0)
		s.press('q')
	}, "web", "-r", demo)
	_, summary, _ := strings.Cut(must(t, "web", "-r", demo), "\n\n")
	if r.status != statusOK || r.stderr != "" || r.stdout != summary {
		t.Errorf("status %d, %s, and\n%s\nwant\n%s", r.status, r.stderr, r.stdout, summary)
	}
}

// TestTopOnATerminal: both states are shown, sorting works, and Ctrl-C ends it.
func TestTopOnATerminal(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	r := onScreen(t, func(s *simulated) {
		s.until("end of the capture")
		s.until("tcp 10.1.0.31:43002 198.51.100.21:8080 CLOSED/CLOSED")
		s.press('>')
		s.until("REXMITv")
		s.InjectKey(tcell.KeyCtrlC, 0, 0)
	}, "top", "-r", demo)
	if r.status != statusOK || r.stderr != "" || !strings.Contains(r.stdout, "CLOSED/CLOSED") {
		t.Errorf("status %d, %s, and\n%s", r.status, r.stderr, r.stdout)
	}
}

// TestQuitBeforeTheEnd: what is left of the input is not read.
func TestQuitBeforeTheEnd(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Pages(1, 2000))
	if err != nil {
		t.Fatal(err)
	}
	r := onScreen(t, func(s *simulated) { s.press('q') }, "web", "-r", writeCapture(t, pages))
	if r.status != statusOK || r.stderr != "" {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

// TestErrorsComeAfterTheView: what is wrong about the input is said when the
// terminal is the user's again, without waiting for him.
func TestErrorsComeAfterTheView(t *testing.T) {
	text := writeFile(t, "text", "dear diary\n")
	for _, command := range []string{"web", "top"} {
		r := onScreen(t, func(*simulated) {}, command, "-r", text)
		if r.status != statusInput || !strings.Contains(r.stderr, "not a capture at octet 0") || r.stdout != "" {
			t.Errorf("%s: status %d, %q, %s", command, r.status, r.stdout, r.stderr)
		}
	}
}

// TestNoTerminalAfterAll: lines take the place of a view that cannot be.
func TestNoTerminalAfterAll(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr, newScreen: func() (tcell.Screen, error) { return nil, errors.New("TERM is not set") }}
	root := p.root(nil)
	root.SetArgs([]string{"web", "-r", demo})
	if err := root.Execute(); err != nil || stdout.String() != must(t, "web", "-r", demo) ||
		stderr.String() != "mbox: lines instead of the live view: TERM is not set\n" {
		t.Errorf("%v, %s", err, &stderr)
	}
}

// TestHoldBack: messages wait for the terminal, up to a bound.
func TestHoldBack(t *testing.T) {
	var b bytes.Buffer
	h := &holdBack{to: &b}
	io.WriteString(h, "before\n")
	h.hold()
	for range 3 {
		io.WriteString(h, strings.Repeat("x", holdBackMax/2-1)+"\n")
	}
	if b.String() != "before\n" {
		t.Errorf("%d octets while the view is shown", b.Len())
	}
	h.release()
	io.WriteString(h, "after\n")
	if !strings.HasSuffix(b.String(), "x\nmbox: 1 more messages while the view was shown\nafter\n") || b.Len() < holdBackMax {
		t.Errorf("%d octets: %q", b.Len(), b.String()[max(b.Len()-80, 0):])
	}
}
