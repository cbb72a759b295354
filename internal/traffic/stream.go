package traffic

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Stream is a source of Ethernet frames in the order of their times.
//
// A stream is read once, by one goroutine; one that is made again from the same
// description gives the same frames.
type Stream interface {
	// Next appends the next frame to dst and returns the frame alone, with its
	// time in ns since 1970, never less than the one before. A caller that
	// passes the frame it got last, cut to nothing, reuses one buffer. At the
	// end ok is false.
	Next(dst []byte) (frame []byte, timestampNs int64, ok bool)
}

// All ranges over what is left of a stream. The frame is lent until the next
// one is asked for.
func All(s Stream) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		frame, ns, ok := s.Next(nil)
		for ok && yield(ns, frame) {
			frame, ns, ok = s.Next(frame[:0])
		}
	}
}

// snaplenDefault is what tcpdump uses: more than any frame has.
const snaplenDefault = 262144

// WriteCapture writes what is left of a stream as a capture file of nanosecond
// resolution, cutting frames to snaplen octets (0: not at all). It returns how
// many frames it wrote.
func WriteCapture(w io.Writer, s Stream, snaplen int) (frames int, err error) {
	if snaplen <= 0 {
		snaplen = snaplenDefault
	}
	buf := bufio.NewWriterSize(w, 1<<16)
	pw := pcapgo.NewWriterNanos(buf)
	if err := pw.WriteFileHeader(uint32(snaplen), layers.LinkTypeEthernet); err != nil {
		return 0, err
	}
	for ns, frame := range All(s) {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(0, ns), Length: len(frame), CaptureLength: min(len(frame), snaplen)}
		if err := pw.WritePacket(info, frame[:info.CaptureLength]); err != nil {
			return frames, err
		}
		frames++
	}
	return frames, buf.Flush()
}

// Merge interleaves streams by time: a flood with the connections that must
// survive it. Frames of equal time come in the order of the arguments.
func Merge(streams ...Stream) Stream {
	m := &merged{}
	for i, s := range streams {
		p := &part{Stream: s, place: i}
		if p.advance() {
			m.parts.push(p)
		}
	}
	return m
}

// merged is the stream that Merge returns.
type merged struct{ parts heap[*part] }

// part is a stream with its next frame already read.
type part struct {
	Stream
	frame []byte
	ns    int64
	place int
}

func (p *part) advance() (ok bool) {
	p.frame, p.ns, ok = p.Next(p.frame[:0])
	return ok
}

func (p *part) compare(q *part) int {
	return cmp.Or(cmp.Compare(p.ns, q.ns), cmp.Compare(p.place, q.place))
}

// Next implements Stream.
func (m *merged) Next(dst []byte) (frame []byte, timestampNs int64, ok bool) {
	if len(m.parts) == 0 {
		return nil, 0, false
	}
	p := m.parts[0]
	start := len(dst)
	dst, timestampNs = append(dst, p.frame...), p.ns
	if p.advance() {
		m.parts.down(0)
	} else {
		m.parts.pop()
	}
	return dst[start:], timestampNs, true
}
