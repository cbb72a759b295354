package rx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// Capture is a Source of frames from capture files, one after another: pcap and
// pcapng in all their variants, plain or compressed with gzip. Use File or
// Reader to make one.
//
// One goroutine calls Next; all other methods may be called concurrently.
type Capture struct {
	files  []origin
	next   int    // index in files of the one to be opened next
	in     *input // the open file; nil between files
	format format // nil until the file's head has been read
	win    window
	frames []Frame // lent with the last chunk
	read   uint64  // packets of this file so far
	failed []error // of the files so far
	end    error   // what Next returns from now on; nil until then

	done   atomic.Int64 // octets read, of all files
	total  atomic.Int64 // octets there are; 0 while unknown
	closed chan struct{}

	mu      sync.Mutex
	open    io.Closer // the open file; guarded by mu
	closing bool      // guarded by mu
}

// File returns a source that reads the captures at paths one after another as
// if they were one. "-" is standard input. Nothing is opened before the first
// call of Next, which begins with a Check.
//
// A capture that is damaged or cut short is read up to that place, and the next
// one follows; the errors come at the end, each a CaptureError.
func File(paths ...string) *Capture {
	files := make([]origin, len(paths))
	for i, path := range paths {
		files[i] = fileOrigin(path)
	}
	return newCapture(blockOctets, files...)
}

// Reader returns a source that reads one capture from r, which errors call
// name. Close closes r if it is an io.Closer; that must end a Read that waits.
func Reader(name string, r io.Reader) *Capture {
	rc, ok := r.(io.ReadCloser)
	if !ok {
		rc = io.NopCloser(r)
	}
	return newCapture(blockOctets, origin{name: name, open: func() (io.ReadCloser, error) { return rc, nil }})
}

func newCapture(octets int, files ...origin) *Capture {
	c := &Capture{files: files, closed: make(chan struct{})}
	c.win.supply = newBlocks(octets, blocksMax, c.closed)
	return c
}

// String names the files.
func (c *Capture) String() string {
	switch n := len(c.files); n {
	case 0:
		return "no capture"
	case 1:
		return c.files[0].name
	default:
		return fmt.Sprintf("%s and %d more", c.files[0].name, n-1)
	}
}

// Progress returns how many octets have been read, and how many there are, 0 if
// that is not known. Of compressed files the compressed octets count.
func (c *Capture) Progress() (done, total int64) { return c.done.Load(), c.total.Load() }

// Close implements Source.
func (c *Capture) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.closing = true
		close(c.closed)
	}
	return c.shut()
}

// shut closes the open file, if there is one. The caller holds mu.
func (c *Capture) shut() error {
	f := c.open
	if c.open = nil; f == nil {
		return nil
	}
	return f.Close()
}

// Next implements Source.
func (c *Capture) Next(out *Chunk) error {
	*out = Chunk{}
	if c.frames == nil {
		// No block holds more records than it has room for their headers.
		c.frames = make([]Frame, 0, min(chunkFrames, 1+c.win.supply.octets/pcapRecordOctets))
		c.end = c.Check()
	}
	for c.end == nil {
		if c.in == nil {
			c.end = c.advance()
			continue
		}
		if c.stopped() {
			break
		}
		frames, need, bad := c.cut()
		if len(frames) > 0 {
			c.read += uint64(len(frames))
			c.win.block.Retain()
			out.Frames, out.Block = frames, c.win.block
			return nil // what is missing or bad will be so again
		}
		switch {
		case bad != nil:
			c.finish(c.fault(c.win.offset(bad.at), bad.err, bad.detail))
		case need > 0:
			c.fetch(need)
		}
	}
	return c.end
}

// stopped reports whether the source has been closed, and then lets go of the
// open file.
func (c *Capture) stopped() bool {
	select {
	case <-c.closed:
		c.finish(nil)
		c.end = ErrClosed
		return true
	default:
		return false
	}
}

// Check looks whether all files are there and may be read, so that a mistyped
// name is told before hours of work and not after. Whoever writes to files asks
// it ahead of making them. Its errors are CaptureErrors, joined.
func (c *Capture) Check() error {
	var sum int64
	var bad []error
	known := true
	for _, f := range c.files {
		if f.size == nil {
			known = false
			continue
		}
		n, err := f.size()
		if err != nil {
			detail, kind := cause(err)
			bad = append(bad, &CaptureError{File: f.name, Offset: -1, Detail: detail, Err: kind})
		}
		sum, known = sum+n, known && n > 0
	}
	if known {
		c.total.Store(sum)
	}
	return errors.Join(bad...)
}

// advance opens the next file. After the last one it returns io.EOF, or what
// was wrong with the files.
func (c *Capture) advance() error {
	if c.next == len(c.files) {
		if len(c.failed) > 0 {
			return errors.Join(c.failed...)
		}
		return io.EOF
	}
	f := c.files[c.next]
	c.next++
	r, err := f.open()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		if err == nil {
			r.Close()
		}
		return ErrClosed
	}
	if err != nil {
		detail, kind := cause(err)
		c.failed = append(c.failed, &CaptureError{File: f.name, Offset: -1, Detail: detail, Err: kind})
		return nil
	}
	c.open, c.in, c.format, c.read = r, newInput(r, &c.done), nil, 0
	return nil
}

// finish closes the file and notes what was wrong with it, if err is not nil.
func (c *Capture) finish(err error) {
	c.mu.Lock()
	c.shut() // it was only read
	c.mu.Unlock()
	c.in = nil
	c.win.reset()
	if err != nil {
		c.failed = append(c.failed, err)
	}
}

// fault returns an error for a place in the open file.
func (c *Capture) fault(offset int64, kind error, detail string) error {
	return &CaptureError{File: c.files[c.next-1].name, Offset: offset, Packets: c.read, Detail: detail, Err: kind}
}

// fetch reads until need octets are there, and ends the file if there are not
// as many.
func (c *Capture) fetch(need int) {
	err := c.win.fill(c.in, need)
	if err == nil || c.stopped() { // whatever a read says then, it was Close that broke it
		return
	}
	left := len(c.win.unread())
	switch {
	case err != io.EOF || c.win.skip > 0:
	case c.format != nil && left == 0:
		c.finish(nil)
		return
	case c.format == nil && left == 0:
		c.finish(&CaptureError{File: c.files[c.next-1].name, Offset: -1, Err: ErrEmpty})
		return
	case c.format == nil && left < magicOctets:
		err = ErrNotCapture
	}
	detail, kind := cause(err)
	c.finish(c.fault(c.win.offset(c.win.end), kind, detail))
}

// cut takes frames out of the window; the first time it finds out what kind of
// file this is.
func (c *Capture) cut() ([]Frame, int, *place) {
	if c.format == nil {
		need, bad := c.sniff(c.win.unread())
		return nil, need, bad
	}
	return c.format.cut(&c.win, c.frames[:0])
}

// sniff reads the head of a file. It sets format when it has seen enough, and
// else says how many octets it wants to see.
func (c *Capture) sniff(head []byte) (need int, bad *place) {
	if len(head) < magicOctets {
		return magicOctets, nil
	}
	switch {
	case binary.BigEndian.Uint32(head) == magicSection:
		c.format = new(pcapng)
		return 0, nil
	case bytes.HasPrefix(head, magicGzip) && !c.in.compressed:
		err := c.in.decompress(head)
		c.win.reset()
		if err != nil {
			detail, kind := cause(err)
			return 0, &place{err: kind, detail: detail}
		}
		return magicOctets, nil
	case !isPcap(head):
		return 0, &place{err: ErrNotCapture, detail: foreign(head)}
	case len(head) < pcapHeaderOctets:
		return pcapHeaderOctets, nil
	}
	c.format = newPcap((*[pcapHeaderOctets]byte)(head))
	c.win.discard(pcapHeaderOctets)
	return 0, nil
}

// magicOctets is how much of a file's head tells its kind.
const magicOctets = 4

// magicGzip is how a gzip member begins (RFC 1952 §2.3.1).
var magicGzip = []byte{0x1f, 0x8b}

// foreigners are kinds of file that are mistaken for captures, or that hold one.
var foreigners = []struct{ magic, is string }{
	{"\x28\xb5\x2f\xfd", "it is compressed with zstd; pipe it in: zstd -dc FILE | mbox ... -r -"},
	{"\xfd7zX", "it is compressed with xz; pipe it in: xz -dc FILE | mbox ... -r -"},
	{"BZh", "it is compressed with bzip2; pipe it in: bzip2 -dc FILE | mbox ... -r -"},
	{"\x04\x22\x4d\x18", "it is compressed with lz4; pipe it in: lz4 -dc FILE | mbox ... -r -"},
	{"PK\x03\x04", "it is a zip archive; unpack it first"},
	{"snoo", "it is in snoop format; convert it with editcap -F pcap"},
	{"\x1f\x8b", "it is compressed twice"},
}

// foreign says in words what begins with head.
func foreign(head []byte) string {
	for _, f := range foreigners {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.is
		}
	}
	return fmt.Sprintf("it begins with % x", head[:magicOctets])
}
