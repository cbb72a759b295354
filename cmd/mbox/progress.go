package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// Progress is shown when reading has taken a while, and then from time to time.
const (
	progressAfter = time.Second
	progressEvery = 250 * time.Millisecond
)

// progress shows how much of the input has been read, in one line of the
// terminal that it takes away again. Any goroutine may stop it, more than once.
type progress struct {
	once       sync.Once
	quit, done chan struct{}
}

// source is where frames come from, if it knows how far it is.
type source interface{ Progress() (done, total int64) }

// watch shows the progress of reading if somebody sits before standard error.
// Where standard output is a terminal too, the first output ends it.
func (s *session) watch() *progress {
	p := &progress{quit: make(chan struct{}), done: make(chan struct{})}
	var src source
	known := len(s.from) == 1
	if known {
		src, known = s.from[0].(source)
	}
	if !known || s.opt.quiet || !isTerminal(s.stderr) {
		close(p.done)
		return p
	}
	go p.show(src, s.stderr, progressAfter)
	return p
}

// show writes the line until it is stopped, for the first time after a while.
func (p *progress) show(src source, to io.Writer, after time.Duration) {
	defer close(p.done)
	next := time.NewTimer(after)
	defer next.Stop()
	began := time.Now()
	for shown := false; ; shown = true {
		select {
		case <-p.quit:
			if shown {
				fmt.Fprint(to, clearLine)
			}
			return
		case <-next.C:
			done, total := src.Progress()
			fmt.Fprint(to, clearLine+progressText(done, total, time.Since(began)))
			next.Reset(progressEvery)
		}
	}
}

// clearLine takes what stands in a terminal's line away.
const clearLine = "\r\x1b[K"

// stop takes the line away.
func (p *progress) stop() {
	p.once.Do(func() { close(p.quit) })
	<-p.done
}

// screen is a standard output that shares its terminal with the progress of a
// session: what is written takes its line away, for good.
type screen struct {
	io.Writer
	session *session
}

// Write implements io.Writer.
func (s *screen) Write(b []byte) (int, error) {
	if p := s.session.progress; p != nil {
		p.stop()
	}
	return s.Writer.Write(b)
}

// progressText says how far reading has come, and when it will have ended.
func progressText(done, total int64, took time.Duration) string {
	read, rate := octetsText(uint64(done)), octetsText(uint64(float64(done)/took.Seconds()))
	if total > 0 && done > 0 && done <= total {
		left := time.Duration(float64(took) * float64(total-done) / float64(done))
		return fmt.Sprintf("%3d%%  %s of %s read, %s/s, %s left", done*100/total, read, octetsText(uint64(total)), rate, durationText(left))
	}
	return fmt.Sprintf("%s read, %s/s", read, rate)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
