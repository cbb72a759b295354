//go:build unix

package rx

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipeWithoutWriter: a named pipe that nobody writes to cannot even be
// opened; Close ends the wait all the same.
func TestPipeWithoutWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	src := File(path)
	next := make(chan error)
	go func() { next <- src.Next(new(Chunk)) }()
	src.Close()
	err := <-next
	if !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
	// What still waits in open, or is about to, goes on as long as there is a
	// writer, and ends: goleak sees to that.
	if fifoWriter, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
}

// fifoWriter stays open until all tests are over.
var fifoWriter *os.File
