package rx

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// Memory is a Source of frames that lie in memory. They are lent as they are,
// nothing is copied, and they can be played again: what benchmarks use.
//
// One goroutine calls Next and Rewind; Close may be called concurrently.
type Memory struct {
	frames []Frame
	next   int
	octets int64 // captured, of all frames
	closed atomic.Bool
}

// NewMemory returns a source that plays frames. It keeps the slice, whose
// octets must not change while the source or a batch cut from it is in use.
func NewMemory(frames ...Frame) *Memory {
	m := &Memory{frames: frames}
	for i := range frames {
		m.octets += int64(len(frames[i].Data))
	}
	return m
}

// arenaOctets is how much memory Load takes at once.
const arenaOctets = 16 << 20

// Load reads src to its end into memory and closes it. Frames that came before
// an error are in the result, which is never nil.
func Load(src Source) (*Memory, error) {
	var frames []Frame
	var arena []byte
	var c Chunk
	err := error(nil)
	for err == nil {
		err = src.Next(&c)
		for _, f := range c.Frames {
			if len(f.Data) > cap(arena)-len(arena) {
				arena = make([]byte, 0, max(arenaOctets, len(f.Data)))
			}
			from := len(arena)
			arena = append(arena, f.Data...)
			f.Data = arena[from:len(arena):len(arena)]
			frames = append(frames, f)
		}
		c.Release()
	}
	if err == io.EOF {
		err = nil
	}
	return NewMemory(frames...), errors.Join(err, src.Close())
}

// Len returns the number of frames.
func (m *Memory) Len() int { return len(m.frames) }

// Octets returns the captured octets of all frames.
func (m *Memory) Octets() int64 { return m.octets }

// Span returns the time between the earliest timestamp and the latest.
func (m *Memory) Span() time.Duration {
	var first, last int64
	for i := range m.frames {
		t := m.frames[i].Timestamp
		if t == 0 {
			continue
		}
		if first == 0 || t < first {
			first = t
		}
		last = max(last, t)
	}
	return time.Duration(last - first)
}

// Rewind makes the source start again, each timestamp later by shift; a source
// that has been closed is open again.
func (m *Memory) Rewind(shift time.Duration) {
	for i := range m.frames {
		if t := &m.frames[i].Timestamp; *t != 0 {
			*t += int64(shift)
		}
	}
	m.next = 0
	m.closed.Store(false)
}

// Next implements Source.
func (m *Memory) Next(c *Chunk) error {
	*c = Chunk{}
	if m.closed.Load() {
		return ErrClosed
	}
	if m.next == len(m.frames) {
		return io.EOF
	}
	end := min(m.next+chunkFrames, len(m.frames))
	c.Frames = m.frames[m.next:end]
	m.next = end
	return nil
}

// Close implements Source.
func (m *Memory) Close() error {
	m.closed.Store(true)
	return nil
}
