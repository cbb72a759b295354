package outfile

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where lines go. The zero value, with To set, writes to To and
// waits where that has no room.
type Config struct {
	Path string    // of the file; "": To
	To   io.Writer // valid iff Path is ""

	RotateSize  uint64        // octets that a file may have; 0: any number
	RotateEvery time.Duration // a new file begins at multiples of this, of UTC; 0: never
	Keep        int           // files that were rotated away and are kept; 0: all

	// Drop has lines dropped that would have to wait for room: of a disk that is
	// full, of a reader that is slow. Without it the writer waits.
	Drop bool

	Now func() time.Time // nil: time.Now
	Log func(text string)
}

// Counters is what has become of lines.
type Counters struct {
	Lines     uint64 // written
	Octets    uint64 // written
	Dropped   uint64 // lines
	Rotations uint64
}

// File takes lines. One goroutine may write; everything else may be called from
// any other.
type File struct {
	cfg  Config
	tail []byte // of a line that has not come whole

	mu   sync.Mutex // guards sink
	sink sink

	queue chan []byte // of whole lines; nil: they are written at once
	room  atomic.Int64
	ended chan struct{} // what was queued has been written

	reopen  atomic.Bool
	stopped chan struct{}
	stop    sync.Once
	closed  bool

	lines, octets, dropped, rotations atomic.Uint64
	failed                            atomic.Pointer[error]
}

// queueMax bounds the octets that wait for a slow reader with Drop: what a
// second of busy traffic makes of records, and little enough to forget about.
const queueMax = 8 << 20

// closeWait is how long Close waits, with Drop, for a reader to take what is
// queued.
const closeWait = 2 * time.Second

// New returns a file that nothing has been opened of.
func New(c Config) *File {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	f := &File{cfg: c, stopped: make(chan struct{})}
	f.sink = sink{f: f}
	return f
}

// Repeat has head, a line, stand at the beginning of each file after the first.
func (f *File) Repeat(head string) { f.sink.head = []byte(head) }

// Name returns the file's name.
func (f *File) Name() string {
	if f.cfg.Path == "" {
		return "standard output"
	}
	return f.cfg.Path
}

// Open opens the file. What stands in it is rotated away if it is to be rotated,
// and else overwritten.
func (f *File) Open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.sink.begin(); err != nil {
		return err
	}
	if f.cfg.Drop {
		f.queue, f.ended = make(chan []byte, 4096), make(chan struct{})
		f.room.Store(queueMax)
		go f.drain()
	}
	return nil
}

// Write implements io.Writer.
func (f *File) Write(b []byte) (int, error) {
	if err := f.failed.Load(); err != nil {
		return 0, *err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	if end == 0 {
		f.tail = append(f.tail, b...)
		return len(b), nil
	}
	lines := b[:end]
	if len(f.tail) > 0 {
		f.tail = append(f.tail, lines...)
		lines = f.tail
	}
	err := f.take(lines)
	f.tail = append(f.tail[:0], b[end:]...)
	return len(b), err
}

// take writes whole lines, or queues them.
func (f *File) take(lines []byte) error {
	if f.queue == nil {
		return f.put(lines)
	}
	if f.room.Add(-int64(len(lines))) >= 0 {
		select {
		case f.queue <- bytes.Clone(lines):
			return nil
		default:
		}
	}
	f.room.Add(int64(len(lines)))
	f.drop(lines)
	return nil
}

// drain writes what is queued until the queue is closed.
func (f *File) drain() {
	defer close(f.ended)
	for lines := range f.queue {
		if f.failed.Load() == nil {
			if err := f.put(lines); err != nil {
				f.failed.Store(&err)
			}
		} else {
			f.drop(lines)
		}
		f.room.Add(int64(len(lines)))
	}
}

func (f *File) put(lines []byte) error {
	f.mu.Lock()
	err := f.sink.write(lines)
	f.mu.Unlock()
	f.renew()
	return err
}

// drop counts lines that nobody will read.
func (f *File) drop(lines []byte) { f.dropped.Add(uint64(bytes.Count(lines, []byte("\n")))) }

// Reopen closes the file and opens it by its name again, before anything else is
// written: what rotated it away from outside has made room for a new one.
func (f *File) Reopen() {
	f.reopen.Store(true)
	f.renew()
}

// renew opens the file anew if that was asked for. Whoever holds it now asks again
// when he gives it back.
func (f *File) renew() {
	for f.reopen.Load() && f.mu.TryLock() {
		f.sink.renew()
		f.mu.Unlock()
	}
}

// Stop has the file wait for nothing any more: what there is no room for now is
// dropped.
func (f *File) Stop() { f.stop.Do(func() { close(f.stopped) }) }

// Close writes what is left, with a line that has not come whole, and closes the
// file.
func (f *File) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	var err error
	if len(f.tail) > 0 && f.failed.Load() == nil {
		err = f.take(append(f.tail, '\n'))
	}
	if f.queue != nil && !f.settle() {
		return err // a write does not return: the file ends with the program
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.sink.close(); err == nil {
		err = e
	}
	if e := f.failed.Load(); e != nil && err == nil {
		err = *e
	}
	if n := f.dropped.Load(); n > 0 && !f.cfg.Drop && err == nil {
		err = fmt.Errorf("%s: no room for the last %d lines", f.Name(), n)
	}
	return err
}

// settle waits until what is queued has been written, or drops it, and reports
// whether nothing is under way any more.
func (f *File) settle() bool {
	close(f.queue)
	if f.endsWithin(closeWait) {
		return true
	}
	f.Stop()
	for lines := range f.queue {
		f.drop(lines)
	}
	return f.endsWithin(closeWait)
}

func (f *File) endsWithin(d time.Duration) bool {
	select {
	case <-f.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// Counters returns what has become of lines so far.
func (f *File) Counters() Counters {
	return Counters{Lines: f.lines.Load(), Octets: f.octets.Load(), Dropped: f.dropped.Load(), Rotations: f.rotations.Load()}
}

// log tells the operator something about the file.
func (f *File) log(format string, args ...any) { f.cfg.Log(fmt.Sprintf(format, args...)) }
