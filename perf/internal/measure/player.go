package measure

import (
	"io"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/rx"
)

// Source is a source that a peer is measured with, turn after turn.
//
// One goroutine uses it at a time, but for the release of chunks.
type Source interface {
	rx.Source
	// Rewind begins a turn. Every frame comes so much later than those of the
	// turn before that the flows of that one have timed out.
	Rewind() error
	// Drain waits until every chunk of the turn has been released.
	Drain()
	// After returns a time, in ns since 1970, when the flows of this turn have
	// timed out and the next one has not begun.
	After() int64
}

// player is a Source of frames in memory. They count as lying in one block, so
// that Drain can tell when their reader has done with them.
type player struct {
	frames  []rx.Frame
	next    int
	step    time.Duration // from one turn to the next
	block   *buffers.Block
	drained chan struct{}
}

// silence is longer than any flow lives that nothing is heard of, with every
// timeout at its default.
const silence = 3 * time.Hour

// chunkFrames is how many frames a chunk brings: as many as one of a capture.
const chunkFrames = 2048

// newPlayer returns a player of frames, which it stamps anew at each turn.
func newPlayer(frames []rx.Frame) *player {
	p := &player{frames: frames, drained: make(chan struct{}, 1)}
	p.step = silence + time.Duration(frames[len(frames)-1].Timestamp-frames[0].Timestamp)
	p.block = buffers.NewBlock(nil, func(*buffers.Block) { p.drained <- struct{}{} })
	return p
}

// Rewind implements Source.
func (p *player) Rewind() error {
	for i := range p.frames {
		p.frames[i].Timestamp += int64(p.step)
	}
	p.next = 0
	p.block.Retain()
	return nil
}

// Next implements rx.Source.
func (p *player) Next(c *rx.Chunk) error {
	if p.next == len(p.frames) {
		return io.EOF
	}
	end := min(p.next+chunkFrames, len(p.frames))
	*c = rx.Chunk{Frames: p.frames[p.next:end], Block: p.block}
	p.block.Retain()
	p.next = end
	return nil
}

// Drain implements Source.
func (p *player) Drain() {
	p.block.Release()
	<-p.drained
}

// After implements Source.
func (p *player) After() int64 { return p.frames[0].Timestamp + int64(p.step) }

// Close implements rx.Source.
func (p *player) Close() error { return nil }

// Chunks runs f on the frames of every chunk that src has left: what peers do
// that have no sources of their own.
func Chunks(src Source, f func(frames []rx.Frame) error) error {
	var c rx.Chunk
	for {
		switch err := src.Next(&c); err {
		case nil:
		case io.EOF:
			src.Drain()
			return nil
		default:
			return err
		}
		err := f(c.Frames)
		c.Release()
		if err != nil {
			return err
		}
	}
}

// Each runs f on every frame that src has left.
func Each(src Source, f func(*rx.Frame) error) error {
	return Chunks(src, func(frames []rx.Frame) error {
		for i := range frames {
			if err := f(&frames[i]); err != nil {
				return err
			}
		}
		return nil
	})
}
