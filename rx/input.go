package rx

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// stdinName asks for standard input, as it does of other tools.
const stdinName = "-"

// origin is a file that has not been opened yet.
type origin struct {
	name string // as errors call it
	open func() (io.ReadCloser, error)
	// size asks how long the file is and whether it can be read at all; nil
	// where that is not to be known beforehand.
	size func() (int64, error)
}

// fileOrigin returns the origin for a path, or for standard input.
func fileOrigin(path string) origin {
	if path == stdinName {
		return origin{name: "standard input", open: func() (io.ReadCloser, error) {
			return newDetached(func() (io.ReadCloser, error) { return io.NopCloser(os.Stdin), nil }), nil
		}}
	}
	open := func() (io.ReadCloser, error) { return os.Open(path) }
	return origin{
		name: path,
		size: func() (int64, error) { return fileSize(path) },
		open: func() (io.ReadCloser, error) {
			if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
				return open()
			}
			return newDetached(open), nil
		},
	}
}

// fileSize returns the length of a regular file, 0 for a pipe or a device, and
// an error for what is certain not to be readable.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return 0, err
	case info.IsDir():
		return 0, ErrDirectory
	case !info.Mode().IsRegular():
		return 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Close()
}

// input is an opened file: its octets, or the text that they are the compressed
// form of.
type input struct {
	io.Reader
	raw        counting
	compressed bool
}

// counting counts what is read, for whoever watches progress.
type counting struct {
	from  io.ReadCloser
	total *atomic.Int64
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.total.Add(int64(n))
	return n, err
}

func newInput(from io.ReadCloser, total *atomic.Int64) *input {
	in := &input{raw: counting{from, total}}
	in.Reader = &in.raw
	return in
}

// inflateOctets is how much compressed text is fetched at once.
const inflateOctets = 64 << 10

// decompress goes over to the text; head is what has been read of the file.
func (in *input) decompress(head []byte) error {
	all := io.MultiReader(bytes.NewReader(bytes.Clone(head)), &in.raw)
	z, err := gzip.NewReader(bufio.NewReaderSize(all, inflateOctets))
	if err != nil {
		return err
	}
	in.Reader, in.compressed = z, true
	return nil
}

// cause turns an error of opening or reading into one that reads well behind
// the file's name: the name is not repeated, and bad compressed data is damage
// like any other.
func cause(err error) (detail string, kind error) {
	var path *fs.PathError
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &path):
		return "", path.Err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "", ErrCutShort
	case errors.As(err, &corrupt), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return "its compressed form: " + err.Error(), ErrDamaged
	}
	return "", err
}

// detached reads a pipe or a device, which may keep a read waiting for as long
// as it likes, from a goroutine of its own, so that Close need not wait. That
// goroutine ends when its last read does.
type detached struct {
	open   func() (io.ReadCloser, error)
	start  sync.Once
	stop   sync.Once
	asks   chan []byte
	gives  chan given // has room for one: the goroutine never waits to answer
	closed chan struct{}
}

type given struct {
	n   int
	err error
}

func newDetached(open func() (io.ReadCloser, error)) *detached {
	return &detached{
		open:   open,
		asks:   make(chan []byte),
		gives:  make(chan given, 1),
		closed: make(chan struct{}),
	}
}

// Read implements io.Reader. After Close p may still be written to.
func (d *detached) Read(p []byte) (int, error) {
	d.start.Do(func() { go d.serve() })
	select {
	case d.asks <- p:
	case <-d.closed:
		return 0, ErrClosed
	}
	select {
	case g := <-d.gives:
		return g.n, g.err
	case <-d.closed:
		return 0, ErrClosed
	}
}

// Close ends a Read that waits.
func (d *detached) Close() error {
	d.stop.Do(func() { close(d.closed) })
	return nil
}

func (d *detached) serve() {
	from, err := d.open()
	if err == nil {
		defer from.Close()
	}
	for {
		select {
		case p := <-d.asks:
			g := given{err: err}
			if err == nil {
				g.n, g.err = from.Read(p)
			}
			d.gives <- g
		case <-d.closed:
			return
		}
	}
}
