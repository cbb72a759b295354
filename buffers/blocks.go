package buffers

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/internal/assert"
)

// chunkOctets is the size of the memory that blocks are cut from, and of the
// largest block: what one IP packet can carry. Larger chunks would cost fewer
// pointers but be pinned by fewer live blocks.
const chunkOctets = 1 << 16

// classOctets are the block sizes, in octets. A segment of a full Ethernet
// frame, the one that matters, fits 1536 with little waste; below and above,
// doubling wastes at most half.
var classOctets = [...]uint32{64, 128, 256, 512, 1024, 1536, 2048, 4096, 8192, 16384, 32768, chunkOctets}

// classCount is the number of block sizes.
const classCount = len(classOctets)

// classFor returns the smallest class whose blocks hold n octets. n must not
// exceed chunkOctets.
func classFor(n int) uint8 {
	for c, size := range classOctets {
		if uint32(n) <= size {
			return uint8(c)
		}
	}
	panic("buffers: no block is that large")
}

// A block's handle is its chunk's index and its place in the chunk. Place 0 of
// chunk 0 is a block too: whether there is one is known elsewhere.
const (
	placeBits = 10 // chunkOctets / classOctets[0] places
	placeMask = 1<<placeBits - 1
)

// blocks is memory for octets in blocks of a few sizes. A chunk serves one size
// at a time; once all its blocks are free any size may have it.
//
// The zero value is empty and ready. It belongs to one goroutine at a time.
type blocks struct {
	chunks []blockChunk
	open   [classCount]uint32 // 1 + first chunk with free blocks of that size; 0: none
	idle   uint32             // 1 + first chunk with memory and no blocks in use; 0: none
	bare   []uint32           // chunks whose memory was given back
}

// blockChunk is chunkOctets of memory, cut into blocks of one class. A free
// block's first two octets hold 1 + the place of the next free one.
type blockChunk struct {
	mem    []byte
	before uint32 // 1 + neighbours in the list of open chunks; 0: none
	after  uint32 // the same, also in the list of idle chunks
	live   uint16 // blocks in use
	free   uint16 // 1 + place of the first block given back; 0: none
	cut    uint16 // places that were in use at least once since the chunk got its class
	places uint16 // how many blocks the chunk is cut into
	class  uint8
}

// at returns the octets of the block at a place.
func (c *blockChunk) at(place uint16) []byte {
	size := classOctets[c.class]
	off := uint32(place) * size
	return c.mem[off : off+size : off+size]
}

// bytes returns a block's octets, all of its class's size.
func (b *blocks) bytes(h uint32) []byte {
	return b.chunks[h>>placeBits].at(uint16(h & placeMask))
}

// size returns how many octets a block has.
func (b *blocks) size(h uint32) uint32 {
	return classOctets[b.chunks[h>>placeBits].class]
}

// get returns a block of a class. Its octets hold what an earlier use left.
func (b *blocks) get(class uint8) uint32 {
	if b.open[class] == 0 {
		b.cutChunk(class)
	}
	at := b.open[class] - 1
	c := &b.chunks[at]
	var place uint16
	if c.free != 0 {
		place = c.free - 1
		c.free = binary.LittleEndian.Uint16(c.at(place))
	} else {
		place = c.cut
		c.cut++
	}
	c.live++
	if c.live == c.places {
		b.unlist(at)
	}
	return at<<placeBits | uint32(place)
}

// put takes a block back.
func (b *blocks) put(h uint32) {
	at, place := h>>placeBits, uint16(h&placeMask)
	c := &b.chunks[at]
	assert.That(c.live > 0, "a block is given back once")
	if assert.Enabled {
		scribble(c.at(place))
	}
	if c.live == c.places {
		b.list(at)
	}
	binary.LittleEndian.PutUint16(c.at(place), c.free)
	c.free = place + 1
	c.live--
	if c.live == 0 {
		b.unlist(at)
		c.after = b.idle
		b.idle = at + 1
	}
}

// footprint returns how much memory the chunks occupy, in octets.
func (b *blocks) footprint() int { return (len(b.chunks) - len(b.bare)) * chunkOctets }

// trim leaves the memory of idle chunks to the collector.
func (b *blocks) trim() {
	for b.idle != 0 {
		at := b.idle - 1
		c := &b.chunks[at]
		b.idle = c.after
		c.mem = nil
		b.bare = append(b.bare, at)
	}
}

// cutChunk opens a chunk for a class: an idle one if there is any.
func (b *blocks) cutChunk(class uint8) {
	var at uint32
	switch n := len(b.bare); {
	case b.idle != 0:
		at = b.idle - 1
		b.idle = b.chunks[at].after
	case n > 0:
		at = b.bare[n-1]
		b.bare = b.bare[:n-1]
		b.chunks[at].mem = make([]byte, chunkOctets)
	default:
		at = uint32(len(b.chunks))
		b.chunks = append(b.chunks, blockChunk{mem: make([]byte, chunkOctets)})
	}
	c := &b.chunks[at]
	c.class, c.free, c.cut = class, 0, 0
	c.places = uint16(chunkOctets / classOctets[class])
	b.list(at)
}

// list puts a chunk with a free block in front of those of its class.
func (b *blocks) list(at uint32) {
	c := &b.chunks[at]
	head := &b.open[c.class]
	c.before, c.after = 0, *head
	if *head != 0 {
		b.chunks[*head-1].before = at + 1
	}
	*head = at + 1
}

// unlist takes a chunk out of the list of its class.
func (b *blocks) unlist(at uint32) {
	c := &b.chunks[at]
	if c.before == 0 {
		b.open[c.class] = c.after
	} else {
		b.chunks[c.before-1].after = c.after
	}
	if c.after != 0 {
		b.chunks[c.after-1].before = c.before
	}
}

// scribbleOctet shows, in a dump, octets that were read after their time.
const scribbleOctet = 0xDB

// scribble makes octets that are read after they were given back show it.
func scribble(p []byte) {
	for i := range p {
		p[i] = scribbleOctet
	}
}
