package rx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mbox-stack/mbox/wire"
)

// What can be wrong with a capture; a CaptureError wraps one of them, or an
// error of the operating system.
var (
	ErrEmpty      = errors.New("the file is empty")
	ErrDirectory  = errors.New("is a directory, not a capture")
	ErrNotCapture = errors.New("not a capture")
	ErrCutShort   = errors.New("cut short")
	ErrDamaged    = errors.New("damaged")
)

// CaptureError says where a capture broke. All frames before that place have
// been delivered.
type CaptureError struct {
	File    string // as it was named, "standard input" for "-"
	Offset  int64  // octets from the start of the capture, once decompressed; -1 where there is no place
	Packets uint64 // packets of this file that were read before that place
	Detail  string // what is wrong, in words; may be empty
	Err     error  // one of the sentinels, or what the operating system said
}

// Error gives one line: file, what is wrong, octet, last good packet.
func (e *CaptureError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.File, e.Err)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at octet %d", e.Offset)
	}
	if e.Packets > 0 {
		fmt.Fprintf(&b, ", after packet %d", e.Packets)
	}
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", e.Detail)
	}
	return b.String()
}

// Unwrap returns what is wrong, for errors.Is.
func (e *CaptureError) Unwrap() error { return e.Err }

// LinkError says that a source had frames, and that not one of them had a link
// type that mbox reads.
type LinkError struct {
	Source string // name of the source; may be empty
	Link   wire.LinkType
	Frames uint64
}

// Error names the first link type seen and how many frames there were.
func (e *LinkError) Error() string {
	name := e.Source
	if name == "" {
		name = "source"
	}
	link := fmt.Sprintf("link type %d", e.Link)
	if known := e.Link.Name(); known != "" {
		link += " (" + known + ")"
	}
	if e.Frames == 1 {
		return fmt.Sprintf("%s: %s is not supported (1 frame received, it could not be read)", name, link)
	}
	return fmt.Sprintf("%s: %s is not supported (%d frames received, none could be read)", name, link, e.Frames)
}

// place is damage at an octet of the window, before the file's name and the
// packet's ordinal are known.
type place struct {
	at     int // index in the window's memory
	err    error
	detail string
}

// damaged returns a place for a record that contradicts itself.
func damaged(at int, format string, args ...any) *place {
	return &place{at: at, err: ErrDamaged, detail: fmt.Sprintf(format, args...)}
}
