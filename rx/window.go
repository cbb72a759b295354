package rx

import (
	"io"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/assert"
)

const (
	// blockOctets is how much of a capture is read at once: measured, half of a
	// core's second-level cache of 1 MiB. A quarter as much takes a fifth longer,
	// twice as much a tenth to a third (BenchmarkCapture, and see doc.go).
	blockOctets = 512 << 10

	// blocksMax bounds the memory of a capture: when all blocks are lent, the
	// reader waits for one to come back, which is how slow shards hold it up.
	// Enough for all batches that two shards' mailboxes hold; 8 MiB.
	blocksMax = 16

	// frameMax is the longest frame that a capture may hold. Captures of
	// segmentation offload have 64 KiB to 512 KiB, and snap lengths are 256 KiB
	// by custom; a length beyond eight times that is taken for damage, and for
	// an attempt to make the reader allocate what the file does not hold.
	frameMax = 8 * 256 << 10

	// recordMax is the longest record that is read as a whole: a frame and its
	// pcapng options.
	recordMax = frameMax + 64<<10
)

// blocks is the supply of memory for one capture: up to max blocks, each lent
// to batches and coming back when the last of them has been released.
type blocks struct {
	free   chan *buffers.Block
	closed <-chan struct{} // ends the wait for a block
	made   int
	max    int
	octets int // length of a new block
}

func newBlocks(octets, max int, closed <-chan struct{}) *blocks {
	return &blocks{free: make(chan *buffers.Block, max), closed: closed, max: max, octets: octets}
}

// get returns a block of at least need octets with one reference, which the
// caller owns. It waits while all blocks are lent, and returns nil if the
// source is closed meanwhile. A block that is too short for one long record is
// made longer and stays so: recordMax bounds it.
func (s *blocks) get(need int) *buffers.Block {
	assert.That(need <= recordMax, "no record is longer than recordMax")
	var b *buffers.Block
	select {
	case b = <-s.free:
	default:
		if s.made < s.max {
			s.made++
			b = buffers.NewBlock(make([]byte, max(s.octets, need)), s.put)
			break
		}
		select {
		case b = <-s.free:
		case <-s.closed:
			return nil
		}
	}
	if len(b.Mem) < need {
		b.Mem = make([]byte, need)
	}
	b.Retain()
	return b
}

// put takes a block back; it is called by whoever releases the last reference.
func (s *blocks) put(b *buffers.Block) { s.free <- b }

// window is the part of a capture that lies in the current block. Records are
// read in place; one that goes beyond the block's end is moved to the head of
// the next block, so that every record is contiguous.
//
//	mem   [ lent frames | unread | free ]
//	                    pos      end
type window struct {
	supply *blocks
	block  *buffers.Block // holds one reference; nil before the first octet
	mem    []byte
	pos    int // first octet not yet read
	end    int // end of what has been filled in
	base   int64
	skip   int64 // octets beyond end that nobody wants
}

// reset forgets everything, for the next file.
func (w *window) reset() {
	if w.block != nil {
		w.block.Release()
	}
	*w = window{supply: w.supply}
}

// unread returns the octets that are there and have not been read.
func (w *window) unread() []byte { return w.mem[w.pos:w.end] }

// offset returns where in the capture index i of the window's memory lies.
func (w *window) offset(i int) int64 { return w.base + int64(i) }

// discard passes over n octets, which may reach beyond what has been filled in.
func (w *window) discard(n int64) {
	if have := int64(w.end - w.pos); n > have {
		w.skip += n - have
		n = have
	}
	w.pos += int(n)
}

// fill reads until at least need unread octets are there. It returns io.EOF at
// the end of the input, with whatever octets there were left in the window, and
// ErrClosed if the source is closed while it waits for a block.
func (w *window) fill(r io.Reader, need int) error {
	if w.pos+need > len(w.mem) || w.skip > 0 && w.pos > 0 {
		if err := w.turn(need); err != nil {
			return err
		}
	}
	for empty := 0; w.end-w.pos < need || w.skip > 0; {
		n, err := r.Read(w.mem[w.end:])
		w.take(n)
		if err != nil && (w.end-w.pos < need || w.skip > 0) {
			return err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty == readsEmptyMax {
			return io.ErrNoProgress
		}
	}
	return nil
}

// readsEmptyMax is how often in a row a reader may return nothing and no error,
// as io.Reader allows, before it is taken for broken.
const readsEmptyMax = 100

// take accounts for n octets that were read behind end. Octets to be skipped
// are overwritten by the next read.
func (w *window) take(n int) {
	if w.skip == 0 {
		w.end += n
		return
	}
	assert.That(w.pos == w.end, "nothing is unread while octets are skipped")
	skipped := int(min(w.skip, int64(n)))
	w.skip -= int64(skipped)
	rest := copy(w.mem[w.end:], w.mem[w.end+skipped:w.end+n])
	w.base += int64(skipped)
	w.end += rest
}

// turn goes over to another block, taking the unread octets along.
func (w *window) turn(need int) error {
	next := w.supply.get(need)
	if next == nil {
		return ErrClosed
	}
	n := copy(next.Mem, w.unread())
	if w.block != nil {
		w.block.Release()
	}
	w.base += int64(w.pos)
	w.block, w.mem, w.pos, w.end = next, next.Mem, 0, n
	return nil
}
