package rx

import (
	"encoding/binary"
	"math/bits"

	"github.com/mbox-stack/mbox/wire"
)

// format reads one kind of capture.
type format interface {
	// cut appends to out the frames of the records that lie whole in w, until
	// out has no room left or octets are missing: then need says how many must
	// be unread for the next step. Damage ends the capture; frames before it
	// are in the result.
	cut(w *window, out []Frame) (frames []Frame, need int, bad *place)
}

// The magic numbers of captures, read in the writer's order of octets.
const (
	magicMicro    = 0xa1b2c3d4 // pcap, timestamps in microseconds
	magicNano     = 0xa1b23c4d // pcap, timestamps in nanoseconds
	magicModified = 0xa1b2cd34 // pcap of a libpcap patched in 1999: 8 octets more a record
	magicSection  = 0x0a0d0d0a // pcapng Section Header Block; the same in both orders
)

const (
	pcapHeaderOctets   = 24
	pcapRecordOctets   = 16
	pcapModifiedOctets = 24 // a record's header with interface, protocol, packet type
)

// order is the order of octets of whoever wrote a capture.
type order bool

const (
	littleEndian order = false
	bigEndian    order = true
)

func (o order) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if o == bigEndian {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (o order) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if o == bigEndian {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (o order) uint64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if o == bigEndian {
		v = bits.ReverseBytes64(v)
	}
	return v
}

// pcap reads the records of a classic capture file.
type pcap struct {
	order  order
	unit   int64 // ns that one unit of the fraction of a second stands for
	header int   // octets of a record's header
	link   wire.LinkType
}

// isPcap reports whether a file that begins with head is a pcap.
func isPcap(head []byte) bool {
	for _, o := range [...]order{littleEndian, bigEndian} {
		switch o.uint32(head) {
		case magicMicro, magicNano, magicModified:
			return true
		}
	}
	return false
}

// newPcap returns a reader for what follows the file header h, or nil if h is
// none.
func newPcap(h *[pcapHeaderOctets]byte) *pcap {
	for _, o := range [...]order{littleEndian, bigEndian} {
		f := &pcap{order: o, unit: 1000, header: pcapRecordOctets}
		switch o.uint32(h[:]) {
		case magicMicro:
		case magicNano:
			f.unit = 1
		case magicModified:
			f.header = pcapModifiedOctets
		default:
			continue
		}
		// The upper half of the field holds flags and the length of a frame
		// check sequence, which is part of the frame and harms nobody.
		f.link = wire.LinkType(o.uint32(h[20:]) & 0xffff)
		return f
	}
	return nil
}

// cut implements format. A record is its header (seconds, fraction, captured
// length, length on the wire) and the captured octets.
func (f *pcap) cut(w *window, out []Frame) ([]Frame, int, *place) {
	for len(out) < cap(out) {
		b := w.unread()
		if len(b) < f.header {
			return out, f.header, nil
		}
		captured := f.order.uint32(b[8:])
		if captured > frameMax {
			return out, 0, damaged(w.pos, "the record claims %d octets, the most is %d", captured, frameMax)
		}
		length := f.header + int(captured)
		if len(b) < length {
			return out, length, nil
		}
		out = append(out, Frame{
			Data:      b[f.header:length:length],
			Timestamp: int64(f.order.uint32(b))*second + int64(f.order.uint32(b[4:]))*f.unit,
			WireLen:   max(captured, f.order.uint32(b[12:])),
			Link:      f.link,
		})
		w.pos += length
	}
	return out, 0, nil
}
