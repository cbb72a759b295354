package outfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sink is the file as it lies there. It is written in whole lines.
type sink struct {
	f       *File
	to      io.Writer
	file    *os.File // nil: To
	regular bool     // it can be rotated and cut
	size    uint64   // octets in the file
	next    time.Time
	number  int    // of the file that was rotated away last
	head    []byte // of each file after the first
	first   bool   // it is the first file
	empty   bool   // no line stands in it yet, but for the head
	rest    []byte // of a line that was written in part where it cannot be cut off
	full    bool   // it has been said that there is no room
}

// retryEvery is how often a full disk is tried again.
const retryEvery = 200 * time.Millisecond

// begin opens the file for the first time.
func (s *sink) begin() error {
	c := &s.f.cfg
	s.first, s.empty = true, true
	if c.Path == "" {
		s.to = c.To
		return nil
	}
	info, err := os.Stat(c.Path)
	s.regular = err != nil || info.Mode().IsRegular()
	rotates := c.RotateSize > 0 || c.RotateEvery > 0
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: is a directory", c.Path)
	case rotates && !s.regular:
		return fmt.Errorf("%s: is no ordinary file, and cannot be rotated", c.Path)
	case rotates:
		if s.number, err = s.last(); err != nil {
			return err
		}
		if info != nil && info.Size() > 0 {
			if err := s.moveAway(); err != nil {
				return err
			}
		}
	}
	return s.open(os.O_TRUNC)
}

// open opens the file by its name.
func (s *sink) open(how int) error {
	file, err := os.OpenFile(s.f.cfg.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|how, 0o644)
	if err != nil {
		return err
	}
	s.file, s.to, s.size = file, file, 0
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		s.size = uint64(info.Size())
	}
	s.empty = s.size == 0
	if every := s.f.cfg.RotateEvery; every > 0 {
		s.next = s.f.cfg.Now().Truncate(every).Add(every)
	}
	return nil
}

// last returns the highest number of a file that was rotated away.
func (s *sink) last() (highest int, err error) {
	dir, base := filepath.Split(s.f.cfg.Path)
	if dir == "" {
		dir = "."
	}
	there, err := os.ReadDir(dir)
	for _, e := range there {
		if suffix, ok := strings.CutPrefix(e.Name(), base+"."); ok {
			if n, err := strconv.Atoi(suffix); err == nil {
				highest = max(highest, n)
			}
		}
	}
	return highest, err
}

// moveAway gives the file the next number, and takes the oldest away where not
// all are kept.
func (s *sink) moveAway() error {
	path := s.f.cfg.Path
	name := path + "." + strconv.Itoa(s.number+1)
	if err := os.Rename(path, name); err != nil {
		return err
	}
	s.number++
	s.f.rotations.Add(1)
	if keep := s.f.cfg.Keep; keep > 0 && s.number > keep {
		old := path + "." + strconv.Itoa(s.number-keep)
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.f.log("%v", err)
		}
	}
	return nil
}

// rotate begins a new file. Where that fails, the old one goes on.
func (s *sink) rotate() {
	old, size, empty := s.file, s.size, s.empty
	err := s.moveAway()
	if err == nil {
		err = s.open(os.O_TRUNC)
	}
	if err != nil {
		s.f.log("%s cannot be rotated, and goes on: %v", s.f.cfg.Path, err)
		s.file, s.to, s.size, s.empty = old, old, size, empty
		if s.f.cfg.RotateEvery > 0 {
			s.next = s.f.cfg.Now().Add(s.f.cfg.RotateEvery)
		}
		return
	}
	s.first = false
	if err := old.Close(); err != nil {
		s.f.log("%v", err)
	}
}

// renew opens the file by its name again, if that was asked for.
func (s *sink) renew() {
	if !s.f.reopen.Swap(false) || s.file == nil || !s.regular {
		return
	}
	old, size, empty := s.file, s.size, s.empty
	if err := s.open(0); err != nil {
		s.f.log("%s cannot be opened again, and goes on: %v", s.f.cfg.Path, err)
		s.file, s.to, s.size, s.empty = old, old, size, empty
		return
	}
	s.first = false
	if err := old.Close(); err != nil {
		s.f.log("%v", err)
	}
}

// write writes whole lines, into new files where they are due.
func (s *sink) write(lines []byte) error {
	for len(lines) > 0 {
		s.renew()
		if s.due(lines) {
			s.rotate()
		}
		if s.empty && !s.first && s.size == 0 && len(s.head) > 0 {
			if err := s.whole(s.head); err != nil {
				return err
			}
		}
		n := s.fits(lines)
		if n == 0 { // a line of any length has room in an empty file, and in one that cannot be rotated
			n = bytes.IndexByte(lines, '\n') + 1
		}
		if err := s.whole(lines[:n]); err != nil {
			return err
		}
		s.empty = false
		lines = lines[n:]
	}
	return nil
}

// due reports whether lines belong in a new file.
func (s *sink) due(lines []byte) bool {
	if s.empty || s.file == nil {
		return false
	}
	late := !s.next.IsZero() && !s.f.cfg.Now().Before(s.next)
	return late || s.fits(lines) == 0
}

// fits returns how many octets of whole lines the file has room for.
func (s *sink) fits(lines []byte) int {
	if s.f.cfg.RotateSize == 0 {
		return len(lines)
	}
	return s.upTo(lines, s.f.cfg.RotateSize-min(s.size, s.f.cfg.RotateSize))
}

// upTo returns the length of the whole lines within room octets.
func (s *sink) upTo(lines []byte, room uint64) int {
	if uint64(len(lines)) <= room {
		return len(lines)
	}
	return bytes.LastIndexByte(lines[:room], '\n') + 1
}

// whole writes lines to their end, and waits for room or drops them as it is
// wanted.
func (s *sink) whole(lines []byte) error {
	all := append(s.rest, lines...)
	if len(s.rest) == 0 {
		all = lines
	}
	done := 0
	for {
		n, err := s.to.Write(all[done:])
		n = max(n, 0)
		done += n
		s.size += uint64(n)
		if err == nil {
			s.count(all, s.rest)
			s.rest, s.full = nil, false
			return nil
		}
		if !noRoom(err) {
			return err
		}
		if !s.full {
			s.full = true
			s.f.log("%v%s", err, map[bool]string{true: "; lines are dropped until there is", false: "; waiting until there is (--when-full drop goes on without)"}[s.f.cfg.Drop])
		}
		if s.f.cfg.Drop || !s.wait() {
			s.cutOff(all, done)
			return nil
		}
	}
}

// count counts lines that have been written; rest is what was of an older one.
func (s *sink) count(all, rest []byte) {
	s.f.lines.Add(uint64(bytes.Count(all[len(rest):], []byte("\n"))))
	s.f.octets.Add(uint64(len(all) - len(rest)))
}

// cutOff drops the lines of all that have not been written whole: done octets
// have. The beginning of a line is taken back, or where that cannot be, its end
// is owed.
func (s *sink) cutOff(all []byte, done int) {
	owed := len(s.rest)
	end := max(bytes.LastIndexByte(all[:done], '\n')+1, owed)
	if done > end && !s.takeBack(done-end) {
		end = done + bytes.IndexByte(all[done:], '\n') + 1
	}
	s.count(all[:end], all[:owed])
	s.f.drop(all[end:])
	s.rest = bytes.Clone(all[min(done, end):end])
}

// takeBack takes the file's last octets back, where it lets them go.
func (s *sink) takeBack(octets int) bool {
	if !s.regular || s.file == nil || s.file.Truncate(int64(s.size)-int64(octets)) != nil {
		return false
	}
	s.size -= uint64(octets)
	return true
}

// wait waits before the next try. It reports false when nobody waits any more.
func (s *sink) wait() bool {
	select {
	case <-s.f.stopped:
		return false
	case <-time.After(retryEvery):
		return true
	}
}

// noRoom reports whether an error may pass.
func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EAGAIN)
}

// close closes the file.
func (s *sink) close() error {
	file := s.file
	if s.file = nil; file == nil { // nobody opens it anew
		return nil
	}
	return file.Close()
}
