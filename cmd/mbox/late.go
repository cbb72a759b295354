package main

import (
	"bytes"
	"container/heap"
	"time"

	"github.com/mbox-stack/mbox/rx"
)

// lateMax bounds the octets of frames that are held: half a second of 1 Gbit/s.
// Beyond it the earliest is written, whatever may still come.
const lateMax = 64 << 20

// lateFrames are frames that wait for earlier ones, which another receiver may
// bring later. The zero value is empty.
type lateFrames struct {
	frames []lateFrame // a heap
	newest int64       // timestamp of all that have come
	count  uint64
	octets int
}

// lateFrame is a frame that is held, and which it was: of those at one time the
// first comes first.
type lateFrame struct {
	rx.Frame
	number uint64
}

// hold adds a copy of a frame.
func (l *lateFrames) hold(f *rx.Frame) {
	kept := *f
	kept.Data = bytes.Clone(f.Data)
	l.count++
	l.newest = max(l.newest, f.Timestamp)
	l.octets += len(kept.Data)
	heap.Push(l, lateFrame{kept, l.count})
}

// due reports whether the earliest frame has waited long enough, by the time of
// those that came later.
func (l *lateFrames) due(window time.Duration) bool {
	return len(l.frames) > 0 && l.frames[0].Timestamp <= l.newest-int64(window)
}

// next takes the earliest frame out.
func (l *lateFrames) next() *rx.Frame {
	f := heap.Pop(l).(lateFrame)
	l.octets -= len(f.Data)
	return &f.Frame
}

// Len implements heap.Interface, as do the other methods.
func (l *lateFrames) Len() int { return len(l.frames) }

func (l *lateFrames) Less(i, j int) bool {
	a, b := &l.frames[i], &l.frames[j]
	return a.Timestamp < b.Timestamp || a.Timestamp == b.Timestamp && a.number < b.number
}

func (l *lateFrames) Swap(i, j int) { l.frames[i], l.frames[j] = l.frames[j], l.frames[i] }

// Push implements heap.Interface.
func (l *lateFrames) Push(f any) { l.frames = append(l.frames, f.(lateFrame)) }

// Pop implements heap.Interface.
func (l *lateFrames) Pop() any {
	last := len(l.frames) - 1
	f := l.frames[last]
	l.frames[last] = lateFrame{}
	l.frames = l.frames[:last]
	return f
}
