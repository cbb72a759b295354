package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// capture is a pcapng file in the making (draft-ietf-opsawg-pcapng). It is
// written here because link types beyond 255, which Linux's cooked captures
// have, do not fit the type that gopacket's writer has for them.
//
// It is written under a name of its own and gets its real one when it is whole,
// so that no half of a capture is left behind: but what is there and no regular
// file, such as a pipe or /dev/null, is written to as it is.
type capture struct {
	name string
	part string     // what is written to until it is whole; name itself if that is no regular file
	mu   sync.Mutex // several receive goroutines write frames
	// Frames of several rings come in the order of each, but not of all: they are
	// held for so long, and written in the order of their times. 0: not held.
	window time.Duration
	late   lateFrames
	file   *os.File
	to     *bufio.Writer
	links  map[wire.LinkType]uint32 // interface of each link type
	block  []byte
	err    error // the first one; nothing is written from then on
	// early is told of it at once. Then what was written before is kept: frames of
	// an interface do not come again. nil: that of a capture, which can be read again.
	early   func(error)
	whole   int64 // octets of blocks that are in the file
	waiting int64 // octets of blocks that are in to
}

// writeBuffer is how many octets wait to be written at most.
const writeBuffer = 1 << 18

// partSuffix marks files that are not whole yet.
const partSuffix = ".part"

// The blocks of a section, and the options that are written.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6
	byteOrderMagic = 0x1a2b3c4d
	optTSResol     = 9
)

// create begins the file.
func (c *capture) create() (err error) {
	c.part = c.name + partSuffix
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if there, err := os.Stat(c.name); err == nil {
		switch mode := there.Mode(); {
		case mode.IsDir():
			return fmt.Errorf("%s: is a directory, not a file to write to", c.name)
		case mode.IsRegular(): // a link stays one
			if c.name, err = filepath.EvalSymlinks(c.name); err != nil {
				return err
			}
			c.part = c.name + partSuffix
		default:
			c.part, flags = c.name, os.O_WRONLY
		}
	}
	if c.file, err = os.OpenFile(c.part, flags, 0o666); err != nil {
		return err
	}
	c.to, c.links = bufio.NewWriterSize(c.file, writeBuffer), map[wire.LinkType]uint32{}
	body := binary.LittleEndian.AppendUint32(nil, byteOrderMagic)
	body = append(body, 1, 0, 0, 0)                           // version 1.0
	body = binary.LittleEndian.AppendUint64(body, ^uint64(0)) // length of the section: not known
	c.write(blockSection, body)
	return nil
}

// frame takes a frame. Receive goroutines call it, each for its source.
func (c *capture) frame(f *rx.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if c.window == 0 {
		c.put(f)
		return
	}
	c.late.hold(f)
	for c.late.octets > lateMax || c.late.due(c.window) {
		c.put(c.late.next())
	}
}

// put writes a frame.
func (c *capture) put(f *rx.Frame) {
	id, known := c.links[f.Link]
	if !known {
		id = c.describe(f.Link)
	}
	b := binary.LittleEndian.AppendUint32(c.block[:0], id)
	b = binary.LittleEndian.AppendUint32(b, uint32(uint64(f.Timestamp)>>32))
	b = binary.LittleEndian.AppendUint32(b, uint32(f.Timestamp))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
	b = binary.LittleEndian.AppendUint32(b, f.WireLen)
	b = append(b, f.Data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	c.block = b
	c.write(blockPacket, b)
}

// describe writes that there is an interface of a link type, and returns its number.
func (c *capture) describe(link wire.LinkType) (id uint32) {
	id = uint32(len(c.links))
	c.links[link] = id
	body := binary.LittleEndian.AppendUint16(nil, uint16(link))
	body = append(body, 0, 0, 0, 0, 0, 0)                            // reserved, and no snaplen
	body = append(body, optTSResol, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0) // nanoseconds; end of options
	c.write(blockInterface, body)
	return id
}

// write writes a block: type, length, body, and the length again. What is in the
// file are whole blocks, but for one that is longer than the buffer.
func (c *capture) write(kind uint32, body []byte) {
	var head, tail [8]byte
	total := uint32(len(body) + 12)
	if c.to.Available() < int(total) {
		c.flush()
	}
	binary.LittleEndian.PutUint32(head[:], kind)
	binary.LittleEndian.PutUint32(head[4:], total)
	binary.LittleEndian.PutUint32(tail[:], total)
	for _, part := range [][]byte{head[:], body, tail[:4]} {
		if _, err := c.to.Write(part); err != nil {
			c.fail(err)
		}
	}
	c.waiting += int64(total)
}

// flush has what waits written to the file.
func (c *capture) flush() {
	if err := c.to.Flush(); err != nil {
		c.fail(err)
		return
	}
	c.whole, c.waiting = c.whole+c.waiting, 0
}

// fail notes an error, the first one.
func (c *capture) fail(err error) {
	if c.err != nil {
		return
	}
	if c.err = err; c.early != nil {
		c.early(err)
	}
}

// close gives the capture its name, or takes it away if it could not be
// written, or if nothing could be read. Damage behind the first frame is no
// reason: what came before it is whole.
func (c *capture) close(failed error) error {
	for len(c.late.frames) > 0 && c.err == nil {
		c.put(c.late.next())
	}
	empty := failed != nil && len(c.links) == 0
	if len(c.links) == 0 && !empty {
		c.describe(wire.LinkEthernet) // a file without an interface is none to libpcap
	}
	c.flush()
	if c.err != nil && c.early != nil && c.whole > 0 && c.part != c.name {
		return c.cut()
	}
	if err := c.file.Close(); err != nil {
		c.fail(err)
	}
	if c.part == c.name {
		return c.err
	}
	if c.err == nil && !empty {
		c.err = os.Rename(c.part, c.name)
	}
	if c.err != nil || empty {
		os.Remove(c.part)
	}
	return c.err
}

// cut gives its name to as much of the capture as could be written.
func (c *capture) cut() error {
	err := errors.Join(c.file.Truncate(c.whole), c.file.Close(), os.Rename(c.part, c.name))
	return errors.Join(fmt.Errorf("%s ends early: %w", c.name, c.err), err)
}
