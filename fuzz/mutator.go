package fuzz

import (
	"time"

	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// Mutator makes a sequence of frames out of conversations and a program. The
// program is any octets: each operation takes one, and its arguments behind it;
// where they end, so does the sequence.
//
// The zero value has no conversations: it makes frames of the program's own
// octets alone.
type Mutator struct {
	Frames []rx.Frame // the conversations; neither they nor their octets are changed
}

// The operations. An operation is the octet modulo their number.
const (
	opNext   = iota // n: the next 1 to 16 frames as they are
	opAgain         // n: one of the last 256 frames that came
	opSkip          // n: the next frames do not come
	opSwap          // the next frame comes after the one behind it
	opFlip          // at, mask: the next frame with an octet changed
	opCut           // n: the next frame, of which a snaplen has left so many octets of its end out
	opShort         // n: the next frame, shorter by so many octets
	opOctets        // n, octets: a frame of the program's own
	opTime          // n: the clock jumps, by up to 2^n ms, or back
	opGo            // hi, lo: go on at another place of the conversations
	opSplice        // at, octets: the next frame with 4 octets of the program's own written over it
	opCount
)

// framesMax bounds a sequence, so that a fuzz target runs many of them.
const framesMax = 400

// run is a mutator at work.
type run struct {
	base    []rx.Frame
	at      int // in base
	program []byte
	out     []rx.Frame
	shift   int64 // of the clock, ns
}

// Run returns the frames that a program makes.
func (m *Mutator) Run(program []byte) []rx.Frame {
	r := &run{base: m.Frames, program: program}
	for len(r.program) > 0 && len(r.out) < framesMax {
		r.step(r.arg() % opCount)
	}
	return r.out
}

// arg takes an octet of the program, 0 where it has ended.
func (r *run) arg() int {
	if len(r.program) == 0 {
		return 0
	}
	b := r.program[0]
	r.program = r.program[1:]
	return int(b)
}

// octets takes up to n octets of the program.
func (r *run) octets(n int) []byte {
	n = min(n, len(r.program))
	b := r.program[:n]
	r.program = r.program[n:]
	return b
}

// next takes the next frame of the conversations, a copy.
func (r *run) next() (rx.Frame, bool) {
	if len(r.base) == 0 {
		return rx.Frame{}, false
	}
	f := r.base[r.at%len(r.base)]
	r.at++
	f.Data = append([]byte(nil), f.Data...)
	return f, len(f.Data) > 0
}

// put adds a frame.
func (r *run) put(f rx.Frame) {
	f.Timestamp += r.shift
	r.out = append(r.out, f)
}

func (r *run) step(op int) {
	switch op {
	case opNext:
		for range 1 + r.arg()%16 {
			if f, ok := r.next(); ok {
				r.put(f)
			}
		}
	case opAgain:
		if n := r.arg(); n < len(r.out) {
			r.out = append(r.out, r.out[len(r.out)-1-n])
		}
	case opSkip:
		r.at += 1 + r.arg()%64
	case opSwap:
		first, ok := r.next()
		second, also := r.next()
		if ok && also {
			r.put(second)
			r.put(first)
		}
	case opOctets:
		data := r.octets(r.arg())
		r.put(rx.Frame{Data: append([]byte(nil), data...), Timestamp: r.now(), WireLen: uint32(len(data)), Link: wire.LinkEthernet})
	case opTime:
		n := r.arg()
		jump := int64(time.Millisecond) << (n % 24)
		if n >= 240 {
			jump = -jump
		}
		r.shift += jump
	case opGo:
		r.at = r.arg()<<8 | r.arg()
	default:
		if f, ok := r.next(); ok {
			r.change(op, &f)
			r.put(f)
		}
	}
}

// now returns the time of the last frame, before shifting.
func (r *run) now() int64 {
	if len(r.out) == 0 {
		return int64(time.Second)
	}
	return r.out[len(r.out)-1].Timestamp - r.shift
}

// change applies an operation to a frame of its own.
func (r *run) change(op int, f *rx.Frame) {
	switch op {
	case opFlip:
		at := r.arg()
		f.Data[at%len(f.Data)] ^= byte(r.arg())
	case opCut:
		f.Data = f.Data[:len(f.Data)-min(r.arg(), len(f.Data))]
	case opShort:
		f.Data = f.Data[:len(f.Data)-min(r.arg(), len(f.Data))]
		f.WireLen = uint32(len(f.Data))
	case opSplice:
		at := r.arg() % len(f.Data)
		copy(f.Data[at:], r.octets(4))
	}
}
