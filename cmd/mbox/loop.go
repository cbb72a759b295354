package main

import (
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/rx"
)

// loop is a source that plays the same frames again and again, from memory, and
// times each turn: from when the first chunk is asked for until the shards have
// given back the last batch. Between turns time passes until the table is
// empty, which is not timed, and each turn's frames come later than those of
// the one before. So every turn starts alike, in a stack that has its size.
//
// The receive goroutine calls Next; turns may be read when the stack has ended.
type loop struct {
	frames []rx.Frame
	from   int           // index of the next frame
	step   time.Duration // from one turn to the next: longer than any flow may be silent
	span   time.Duration // of the frames
	stack  *mbox.Stack
	limit  int           // turns, the first one aside; 0: none
	until  time.Duration // of timed turns; 0: none
	closed atomic.Bool

	block   *buffers.Block // that the turn's batches count as lying in
	drained chan struct{}  // the shards have given all of them back
	stage   loopStage
	began   time.Time
	cpu     time.Duration // of the program when the turn began
	allocs  uint64
	turns   []turn
	sum     time.Duration // of turns
}

// turn is what one turn took.
type turn struct {
	took   time.Duration
	cpu    time.Duration // of all CPUs together; 0 where the system does not say
	allocs uint64
}

// loopStage says what the next call of Next is for.
type loopStage uint8

const (
	loopStart loopStage = iota
	loopPlay
	loopEmpty
)

// chunkFrames is how many frames are handed over at once, as by a capture.
const chunkFrames = 2048

// newLoop returns a loop over frames. Their times are counted from 1970, so that
// there is room for turns.
func newLoop(frames []rx.Frame, longest time.Duration) *loop {
	l := &loop{frames: frames, drained: make(chan struct{}, 1)}
	first, last := frames[0].Timestamp, int64(0)
	for _, f := range frames {
		first = min(first, f.Timestamp)
	}
	for i := range frames {
		t := &frames[i].Timestamp
		if *t -= first; first == 0 { // no times: a microsecond each
			*t = int64(i) * int64(time.Microsecond)
		}
		*t += int64(24 * time.Hour)
		last = max(last, *t)
	}
	l.span = time.Duration(last - int64(24*time.Hour))
	l.step = l.span + longest + time.Minute
	l.block = buffers.NewBlock(nil, func(*buffers.Block) { l.drained <- struct{}{} })
	return l
}

// Next implements rx.Source.
func (l *loop) Next(c *rx.Chunk) error {
	*c = rx.Chunk{}
	if l.closed.Load() {
		return rx.ErrClosed
	}
	if l.stage == loopEmpty {
		if err := l.emptied(); err != nil {
			return err
		}
		l.stage = loopStart
	}
	if l.stage == loopStart {
		l.start()
	}
	if l.from < len(l.frames) {
		end := min(l.from+chunkFrames, len(l.frames))
		c.Frames, c.Block = l.frames[l.from:end], l.block
		l.block.Retain()
		l.from = end
		return nil
	}
	l.block.Release()
	<-l.drained
	l.stop()
	if l.enough() {
		return io.EOF
	}
	for i := range l.frames {
		l.frames[i].Timestamp += int64(l.step)
	}
	c.Clock, l.from, l.stage = l.frames[0].Timestamp, 0, loopEmpty
	return nil
}

// emptied waits until no flow is left.
func (l *loop) emptied() error {
	for {
		live := 0
		if err := l.stack.EachFlow(func(*mbox.Context) { live++ }); err != nil {
			return err
		}
		if live == 0 {
			return nil
		}
		if l.closed.Load() {
			return rx.ErrClosed
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// start begins a turn.
func (l *loop) start() {
	l.stage = loopPlay
	l.block.Retain()
	l.allocs = mallocs()
	l.cpu = cpuTime()
	l.began = time.Now()
}

// stop ends a turn. The first one is not counted: in it tables and pools grow
// to the size that they keep.
func (l *loop) stop() {
	t := turn{took: time.Since(l.began)}
	t.cpu = cpuTime() - l.cpu
	t.allocs = mallocs() - l.allocs
	l.turns = append(l.turns, t)
	if len(l.turns) > 1 {
		l.sum += t.took
	}
}

// turnsMax bounds the turns, whose times must not run beyond what a clock holds.
const turnsMax = 100_000

// enough reports whether there have been as many turns as were asked for.
func (l *loop) enough() bool {
	n := len(l.turns) - 1
	room := l.frames[len(l.frames)-1].Timestamp < 1<<61-int64(l.step)
	return l.limit > 0 && n >= l.limit || l.until > 0 && l.sum >= l.until && n > 0 || n >= turnsMax || !room
}

// cpuTime returns how long the program has run, on all CPUs together: 0 where
// the system does not say.
func cpuTime() time.Duration {
	d, err := sys.CPUTime()
	if err != nil {
		return 0
	}
	return d
}

// mallocs returns how many allocations there have been.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// Close implements rx.Source.
func (l *loop) Close() error {
	l.closed.Store(true)
	return nil
}
