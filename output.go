package mbox

import (
	"fmt"
	"io"

	"github.com/mbox-stack/mbox/internal/merge"
)

// Output is text that handlers write, in an order that two runs over a capture
// share for any number of shards: that of the events it was written in.
//
// Each shard collects its own and hands it over at the marks of the source,
// several in a megabyte of input, where the parts are merged. With a live source,
// of which no two runs are alike, parts are written as they come instead. Make
// one with Stack.Output before Run.
type Output struct {
	to     io.Writer
	writer *merge.Writer // while the stack runs
	lines  []line        // one for each shard
}

// line is where a shard formats what it writes.
type line struct {
	b []byte
	_ [104]byte // shards do not share a cache line
}

// Output returns an output that writes to w, in one goroutine, while the stack
// runs. If w fails, the stack stops and Run returns the error. A slow w holds up
// shards and with them a capture; it must not call the stack, which may be
// waiting for it.
func (s *Stack) Output(w io.Writer) *Output {
	o := &Output{to: w}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outputs = append(s.outputs, o)
	return o
}

// Write adds b at the place of the event at hand.
func (o *Output) Write(c *Context, b []byte) { o.writer.Append(c.Shard(), c.Order(), b) }

// Printf adds formatted text at the place of the event at hand.
func (o *Output) Printf(c *Context, format string, args ...any) {
	l := &o.lines[c.Shard()]
	l.b = fmt.Appendf(l.b[:0], format, args...)
	o.Write(c, l.b)
}

// open makes the output ready for a run of so many shards.
func (o *Output) open(shards int, mode merge.Mode, stop <-chan struct{}) *merge.Writer {
	o.writer = merge.NewWriter(o.to, shards, mode, stop)
	o.lines = make([]line, shards)
	return o.writer
}
