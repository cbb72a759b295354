package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
)

// Progress is shown when reading has taken a while, and then from time to time.
const (
	progressAfter = time.Second
	progressEvery = 250 * time.Millisecond
)

// progress shows how much of the input has been read, in one line of the
// terminal that it takes away again.
type progress struct{ quit, done chan struct{} }

// watch shows the progress of reading if somebody sits before standard
// error, and standard output goes elsewhere.
func (s *session) watch() *progress {
	p := &progress{quit: make(chan struct{}), done: make(chan struct{})}
	src, known := s.from.(interface{ Progress() (done, total int64) })
	if !known || s.opt.quiet || !isTerminal(s.stderr) || isTerminal(s.stdout) {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		next := time.NewTimer(progressAfter)
		defer next.Stop()
		began := time.Now()
		for {
			select {
			case <-p.quit:
				fmt.Fprint(s.stderr, "\r\x1b[K")
				return
			case <-next.C:
				done, total := src.Progress()
				fmt.Fprint(s.stderr, "\r\x1b[K"+progressText(done, total, time.Since(began)))
				next.Reset(progressEvery)
			}
		}
	}()
	return p
}

// stop takes the line away.
func (p *progress) stop() {
	close(p.quit)
	<-p.done
}

// progressText says how far reading has come, and when it will have ended.
func progressText(done, total int64, took time.Duration) string {
	text := fmt.Sprintf("%s read, %s/s", octetsText(uint64(done)), octetsText(uint64(float64(done)/took.Seconds())))
	if total > 0 && done > 0 && done <= total {
		left := time.Duration(float64(took) * float64(total-done) / float64(done))
		text = fmt.Sprintf("%3d%%  %s of %s, %s left", done*100/total, text, octetsText(uint64(total)), durationText(left))
	}
	return text
}

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
