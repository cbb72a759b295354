package merge

import (
	"bufio"
	"io"
	"sync/atomic"

	"github.com/mbox-stack/mbox/uevents"
)

// partMax bounds what a shard holds back while it ends its last flows, when
// all of them may have a record: beyond it parts are handed over early. Between
// marks there is no such limit, as a mark comes with each chunk of input.
const partMax = 1 << 20

// chunksMax is how many chunks of a shard may wait for the others'. A shard that
// is further ahead waits.
const chunksMax = 4

// entry is a piece of output: where it belongs and how long it is.
type entry struct {
	order uevents.Order
	len   int
}

// chunk is output of one shard, in order.
type chunk struct {
	entries []entry
	octets  []byte
	end     bool  // all that the shard has up to its mark
	from    *part // whose it is
}

// Mode says how the output of shards comes together.
type Mode uint8

const (
	// InOrder writes what shards have up to a mark in one order, and so waits for
	// the slowest at every mark. All shards must get all marks.
	InOrder Mode = iota
	// AsItComes writes the chunks of shards in the order in which they are handed
	// over, each shard's in its own: for live sources, which must not hold one
	// shard up for another and leave marks out where one has no room.
	AsItComes
)

// Writer merges the output of shards. Append and Flush may be called for
// different shards at once, for one shard by one goroutine; Run by one.
type Writer struct {
	to     *bufio.Writer
	mode   Mode
	parts  []part
	failed atomic.Pointer[error]
	done   chan struct{}
	stop   <-chan struct{}
}

// part is what one shard does with a Writer.
type part struct {
	open  *chunk
	queue chan *chunk // the same for all parts iff they are written as they come
	spare chan *chunk
	_     [64]byte // shards do not share a cache line
}

// NewWriter returns a writer of the output of shards to w. Closing stop ends it
// wherever it is, when a shard has failed and nobody is left to Close it.
func NewWriter(w io.Writer, shards int, mode Mode, stop <-chan struct{}) *Writer {
	m := &Writer{to: bufio.NewWriterSize(w, 1<<16), mode: mode, parts: make([]part, shards), done: make(chan struct{}), stop: stop}
	common := make(chan *chunk, chunksMax*shards)
	for i := range m.parts {
		p := &m.parts[i]
		p.open, p.queue, p.spare = &chunk{from: p}, common, make(chan *chunk, chunksMax)
		if mode == InOrder {
			p.queue = make(chan *chunk, chunksMax)
		}
	}
	return m
}

// Append adds output of a shard at its place in the order, which must not come
// before the shard's last one.
func (m *Writer) Append(shard int, o uevents.Order, b []byte) {
	p := &m.parts[shard]
	c := p.open
	c.entries = append(c.entries, entry{o, len(b)})
	c.octets = append(c.octets, b...)
	if o.Phase == uevents.PhaseEnd && len(c.octets) >= partMax {
		m.hand(p, false)
	}
}

// Flush hands over what a shard has, at a mark. Every shard must be flushed at
// every mark.
func (m *Writer) Flush(shard int) { m.hand(&m.parts[shard], true) }

func (m *Writer) hand(p *part, end bool) {
	p.open.end = end
	select {
	case p.queue <- p.open:
	case <-m.done: // nobody writes any more
	}
	select {
	case p.open = <-p.spare:
	default:
		p.open = &chunk{from: p}
	}
}

// Close ends Run once all that was handed over has been written. No shard may
// use the writer afterwards.
func (m *Writer) Close() {
	for i := range m.parts {
		if i == 0 || m.mode == InOrder {
			close(m.parts[i].queue)
		}
	}
}

// Err returns the first error of the underlying writer. It may be called at any
// time, from anywhere.
func (m *Writer) Err() error {
	if err := m.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Run writes until Close, or until the underlying writer fails, and calls
// failed then. Output that comes after a failure is discarded.
func (m *Writer) Run(failed func(error)) error {
	defer close(m.done)
	if m.mode == AsItComes {
		return m.mix(failed)
	}
	now := make([]cursor, len(m.parts))
	for {
		for i := range now {
			if !m.next(&now[i], &m.parts[i]) {
				return m.flush(failed)
			}
		}
		if !m.round(now) {
			return m.flush(failed)
		}
		if (m.idle() || m.Err() != nil) && m.flush(failed) != nil {
			return m.Err()
		}
	}
}

// mix writes chunks as they come.
func (m *Writer) mix(failed func(error)) error {
	var c cursor
	for m.next(&c, &m.parts[0]) {
		m.write(c.octets)
		if (m.idle() || m.Err() != nil) && m.flush(failed) != nil {
			return m.Err()
		}
	}
	return m.flush(failed)
}

// cursor is how far the merge has come in one shard's output.
type cursor struct {
	*chunk
	entry, octet int
}

// next takes the next chunk of a queue, and gives the one before back. It
// reports false when there will be none.
func (m *Writer) next(c *cursor, p *part) bool {
	if c.chunk != nil {
		c.entries, c.octets, c.end = c.entries[:0], c.octets[:0], false
		select {
		case c.from.spare <- c.chunk:
		default:
		}
	}
	*c = cursor{}
	select {
	case c.chunk = <-p.queue:
	case <-m.stop:
	}
	return c.chunk != nil
}

// round writes what all shards have up to one mark, in order.
func (m *Writer) round(now []cursor) bool {
	for {
		best := -1
		for i := range now {
			c := &now[i]
			for c.entry == len(c.entries) && !c.end {
				if !m.next(c, &m.parts[i]) {
					return false
				}
			}
			if c.entry < len(c.entries) && (best < 0 || c.entries[c.entry].order.Compare(now[best].entries[now[best].entry].order) < 0) {
				best = i
			}
		}
		if best < 0 {
			return true
		}
		c := &now[best]
		n := c.entries[c.entry].len
		m.write(c.octets[c.octet : c.octet+n])
		c.entry++
		c.octet += n
	}
}

func (m *Writer) write(b []byte) {
	if _, err := m.to.Write(b); err != nil && m.failed.Load() == nil {
		m.failed.Store(&err)
	}
}

// idle reports whether nothing more is waiting to be merged.
func (m *Writer) idle() bool {
	for i := range m.parts {
		if len(m.parts[i].queue) > 0 {
			return false
		}
	}
	return true
}

func (m *Writer) flush(failed func(error)) error {
	if err := m.to.Flush(); err != nil && m.failed.Load() == nil {
		m.failed.Store(&err)
	}
	if err := m.Err(); err != nil {
		failed(err)
		return err
	}
	return nil
}
