package measure

import (
	"io"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// A live source writes frames as they are asked for, as a card does, into a few
// blocks that stay in a core's own caches and are used again when their reader
// has released them.
const (
	liveBlocks      = 4
	liveFrames      = 512 // in a block
	liveFrameOctets = 96
)

// live is a Source that generates a crowd. The zero value is not usable.
type live struct {
	config traffic.CrowdConfig
	crowd  *traffic.Crowd
	frames [liveBlocks][]rx.Frame
	free   chan *buffers.Block
	blocks map[*buffers.Block]int
	lastNs int64
}

func newLive(c traffic.CrowdConfig) *live {
	l := &live{config: c, free: make(chan *buffers.Block, liveBlocks), blocks: map[*buffers.Block]int{}}
	for i := range liveBlocks {
		b := buffers.NewBlock(make([]byte, liveFrames*liveFrameOctets), func(b *buffers.Block) { l.free <- b })
		l.blocks[b] = i
		l.frames[i] = make([]rx.Frame, liveFrames)
		l.free <- b
	}
	return l
}

// Rewind implements Source.
func (l *live) Rewind() error {
	if l.lastNs != 0 {
		l.config.StartNs = l.After()
	}
	var err error
	l.crowd, err = traffic.NewCrowd(l.config)
	return err
}

// Next implements rx.Source.
func (l *live) Next(c *rx.Chunk) error {
	block := <-l.free
	frames := l.frames[l.blocks[block]]
	n := 0
	for ; n < liveFrames; n++ {
		at := n * liveFrameOctets
		data, ns, ok := l.crowd.Next(block.Mem[at : at : at+liveFrameOctets])
		if !ok {
			break
		}
		frames[n] = rx.Frame{Data: data, Timestamp: ns, WireLen: uint32(len(data)), Link: wire.LinkEthernet}
		l.lastNs = ns
	}
	if n == 0 {
		l.free <- block
		return io.EOF
	}
	block.Retain()
	*c = rx.Chunk{Frames: frames[:n], Block: block}
	return nil
}

// Drain implements Source.
func (l *live) Drain() {
	for range liveBlocks {
		defer func(b *buffers.Block) { l.free <- b }(<-l.free)
	}
}

// After implements Source.
func (l *live) After() int64 { return l.lastNs + int64(silence/time.Nanosecond) }

// Close implements rx.Source.
func (l *live) Close() error { return nil }
