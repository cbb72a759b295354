package measure

import (
	"io"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/rx"
)

// Player is a source that plays a load from memory, turn after turn. A chunk's
// frames count as lying in one block, so that Drain can tell when their reader
// has done with them.
//
// One goroutine uses it, but for the release of chunks.
type Player struct {
	load    *Load
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

// NewPlayer returns a player of l, whose frames it stamps anew at each turn.
func NewPlayer(l *Load) *Player {
	p := &Player{load: l, drained: make(chan struct{}, 1)}
	p.step = silence + time.Duration(l.Frames[len(l.Frames)-1].Timestamp-l.Frames[0].Timestamp)
	p.block = buffers.NewBlock(nil, func(*buffers.Block) { p.drained <- struct{}{} })
	return p
}

// Rewind begins a turn: every frame comes so much later than in the one before
// that the flows of that one have timed out.
func (p *Player) Rewind() {
	for i := range p.load.Frames {
		p.load.Frames[i].Timestamp += int64(p.step)
	}
	p.next = 0
	p.block.Retain()
}

// Next implements rx.Source.
func (p *Player) Next(c *rx.Chunk) error {
	frames := p.load.Frames
	if p.next == len(frames) {
		return io.EOF
	}
	end := min(p.next+chunkFrames, len(frames))
	*c = rx.Chunk{Frames: frames[p.next:end], Block: p.block}
	p.block.Retain()
	p.next = end
	return nil
}

// Drain waits until every chunk of the turn has been released.
func (p *Player) Drain() {
	p.block.Release()
	<-p.drained
}

// After returns a time, in ns since 1970, when the flows of this turn have timed
// out and the next one has not begun.
func (p *Player) After() int64 { return p.load.Frames[0].Timestamp + int64(p.step) }

// Close implements rx.Source.
func (p *Player) Close() error { return nil }

// Chunks runs f on the frames of every chunk that is left: what peers do that
// have no sources of their own.
func (p *Player) Chunks(f func(frames []rx.Frame) error) error {
	var c rx.Chunk
	for {
		switch err := p.Next(&c); err {
		case nil:
		case io.EOF:
			p.Drain()
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

// Each runs f on every frame that is left.
func (p *Player) Each(f func(*rx.Frame) error) error {
	return p.Chunks(func(frames []rx.Frame) error {
		for i := range frames {
			if err := f(&frames[i]); err != nil {
				return err
			}
		}
		return nil
	})
}
