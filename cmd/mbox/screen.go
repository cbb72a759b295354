package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/mbox-stack/mbox/cmd/mbox/internal/view"
)

// ended says whether a capture that is shown has been read to its end.
type ended struct{ yes atomic.Bool }

// status returns what the first line says about time; at is the end of the
// latest second.
func (e *ended) status(at time.Time) string {
	text := ""
	if !at.IsZero() {
		text = at.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if e.yes.Load() {
		text += "  end of the capture, q quits"
	}
	return text
}

// display runs a view while a session plays. What is said on standard error
// meanwhile is held back until the terminal is the user's again. nil is none.
type display struct {
	screen tcell.Screen
	held   *holdBack
	over   *ended
	ctx    context.Context // done when the user quits
	cancel context.CancelFunc
	done   chan struct{} // closed when the view has ended; nil: it has not begun
	closed bool
}

// terminal is what a view opens again when a program that was stopped goes on.
const terminal = "/dev/tty"

// wantsDisplay reports whether records are to be shown on a screen: on a
// terminal, unless another form or a file was asked for. If so, standard error
// can be held back from now on.
func (p *program) wantsDisplay(o *options, format string) bool {
	if format != "auto" || o.to.path != "" || p.newScreen == nil && !isTerminal(p.stdout) {
		return false
	}
	if _, ok := p.stderr.(*holdBack); !ok {
		p.stderr = &holdBack{to: p.stderr}
	}
	return true
}

// openDisplay takes the terminal over. It returns nil, and says why, where that
// cannot be.
func (p *program) openDisplay(ctx context.Context) *display {
	open := p.newScreen
	if open == nil {
		open = tcell.NewScreen
	}
	screen, err := open()
	if err == nil {
		err = screen.Init()
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "mbox: lines instead of the live view: %v\n", err)
		return nil
	}
	d := &display{screen: screen, held: p.stderr.(*holdBack), over: &ended{}}
	d.held.hold()
	d.ctx, d.cancel = context.WithCancel(ctx)
	return d
}

// start shows a model until the user quits, which ends the returned context.
func (d *display) start(model view.Model, sorts ...int) context.Context {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // the terminal has gone
	d.done = make(chan struct{})
	go func() {
		select {
		case <-hup:
			d.cancel()
		case <-d.ctx.Done():
		}
		signal.Stop(hup)
	}()
	go func() {
		defer close(d.done)
		defer d.cancel()
		view.New(d.screen, model, sorts...).Run(d.ctx)
	}()
	return d.ctx
}

// close gives the terminal back. What has been read to its end stays on it until
// the user has seen enough.
func (d *display) close(failed error) {
	if d == nil || d.closed {
		return
	}
	d.closed = true
	if d.done != nil && failed == nil && d.ctx.Err() == nil {
		d.over.yes.Store(true)
		<-d.done
	}
	d.cancel()
	if d.done != nil {
		<-d.done
	}
	d.screen.Fini()
	d.held.release()
}

// holdBack is a standard error that waits for the terminal.
type holdBack struct {
	mu      sync.Mutex
	to      io.Writer
	text    []byte
	lost    int // writes
	holding bool
}

// holdBackMax bounds what is held back: a screenful of long lines, many times.
const holdBackMax = 64 << 10

// Write implements io.Writer.
func (h *holdBack) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.holding:
		return h.to.Write(b)
	case len(h.text)+len(b) > holdBackMax:
		h.lost++
	default:
		h.text = append(h.text, b...)
	}
	return len(b), nil
}

// hold begins to hold back.
func (h *holdBack) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holding = true
}

// release writes what was held back.
func (h *holdBack) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holding = false
	_, _ = h.to.Write(h.text) // there is nobody else to tell
	if h.lost > 0 {
		fmt.Fprintf(h.to, "mbox: %d more messages while the view was shown\n", h.lost)
	}
	h.text, h.lost = nil, 0
}
