package main

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// streamFile is a file that a stream is written to. The zero value is none.
type streamFile struct {
	path     string // once it is whole; partSuffix behind it until then
	file     *os.File
	octets   uint64
	gaps     []byte // where octets were given up, in words
	gapCount int
	older    *streamFile // neighbours among the open files
	newer    *streamFile
}

// filesMax is how many files may be open at once: of the 256 that the least
// generous system allows, what the program needs for itself taken off. Where a
// system allows fewer, the cache finds out.
const filesMax = 200

// fileCache keeps the files open that were written to last. Others are opened
// again when their streams go on.
//
// All shards share one: with a cache each, those of one shard could keep all
// descriptors from another. What waits for the lock would wait for the disk.
type fileCache struct {
	mu     sync.Mutex // guards what follows, and every streamFile
	limit  int
	open   int
	oldest *streamFile
	newest *streamFile
}

// append writes octets behind those that f has.
func (k *fileCache) append(f *streamFile, b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reopen(f); err != nil {
		return err
	}
	k.unlink(f)
	k.link(f)
	n, err := f.file.Write(b)
	f.octets += uint64(n)
	return err
}

// reopen makes f an open file, at the cost of others where there are too many.
func (k *fileCache) reopen(f *streamFile) error {
	if f.file != nil {
		return nil
	}
	for {
		for k.open >= k.limit && k.oldest != nil {
			if err := k.close(k.oldest); err != nil {
				return err
			}
		}
		file, err := os.OpenFile(f.path+partSuffix, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if errors.Is(err, syscall.EMFILE) && k.open > 0 {
			k.limit = k.open // the system's limit is lower
			continue
		}
		if err != nil {
			return err
		}
		f.file = file
		k.link(f)
		k.open++
		return nil
	}
}

// close closes an open file.
func (k *fileCache) close(f *streamFile) error {
	k.unlink(f)
	k.open--
	err := f.file.Close()
	f.file = nil
	return err
}

// finish gives a file its name.
func (k *fileCache) finish(f *streamFile) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f.file != nil {
		if err := k.close(f); err != nil {
			return err
		}
	}
	return os.Rename(f.path+partSuffix, f.path)
}

// link makes f the newest of the open files.
func (k *fileCache) link(f *streamFile) {
	f.older, f.newer = k.newest, nil
	if k.newest != nil {
		k.newest.newer = f
	} else {
		k.oldest = f
	}
	k.newest = f
}

// unlink takes f out of the list of open files.
func (k *fileCache) unlink(f *streamFile) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		k.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		k.newest = f.older
	}
	f.older, f.newer = nil, nil
}
