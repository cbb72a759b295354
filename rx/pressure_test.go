package rx

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// live is a source that cannot wait: it plays frames, then ticks, then ends.
type live struct {
	Memory
	ticks []int64
}

// Live implements Live.
func (l *live) Live() bool { return true }

// Next implements Source.
func (l *live) Next(c *Chunk) error {
	err := l.Memory.Next(c)
	if err == io.EOF && len(l.ticks) > 0 {
		c.Clock, l.ticks = l.ticks[0], l.ticks[1:]
		return nil
	}
	return err
}

// TestLiveSourceDrops: what a full mailbox does not take is dropped and counted
// there; the marks it missed are made up for, and the last one gets through.
func TestLiveSourceDrops(t *testing.T) {
	frames := traffic(5000)
	full, fine := &shard{full: true}, &shard{}
	src := &live{Memory: *NewMemory(frames...)}
	r, err := NewReceiver(src, []Outlet{full, fine}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.WantRaw(true)
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := r.Counters()
	balanced(t, &c)
	if d := c.Shards[0].Dropped; d.Frames == 0 || d.Raw == 0 || d.Octets == 0 || len(full.frames) != 0 {
		t.Errorf("full shard: %+v", c.Shards[0])
	}
	if d := c.Shards[1].Dropped; d != (Delivery{}) || len(fine.frames) == 0 {
		t.Errorf("other shard: %+v", c.Shards[1])
	}
	if want := []Mark{{5000, frames[4999].Timestamp, true}}; !slices.Equal(full.marks, want) {
		t.Errorf("marks of the full shard %v, want %v", full.marks, want)
	}
}

// moody is a shard that refuses every second batch, and counts the others.
type moody struct {
	taken Delivery
	calls int
}

// Batch implements Outlet.
func (m *moody) Batch(b *buffers.Batch, _ bool) bool {
	if m.calls++; m.calls%2 == 0 {
		return false
	}
	for i := range b.Frames {
		switch f := &b.Frames[i]; f.Role {
		case buffers.RolePacket:
			m.taken.Frames++
			m.taken.Octets += uint64(len(f.Data))
		case buffers.RoleRaw:
			m.taken.Raw++
		case buffers.RoleDatagram:
			m.taken.Datagrams++
		}
	}
	b.Release()
	return true
}

// Mark implements Outlet.
func (m *moody) Mark(Mark, bool) bool { return true }

// TestDeliveryIsOfItsBatch: what is counted as handed over is what the batches
// held that were, whatever the frames next to them are.
func TestDeliveryIsOfItsBatch(t *testing.T) {
	for _, batch := range []int{1, 2, 3, 128} {
		shards := []*moody{{}, {}}
		src := &live{Memory: *NewMemory(traffic(5000)...)}
		r, err := NewReceiver(src, []Outlet{shards[0], shards[1]}, Options{BatchFrames: batch})
		if err != nil {
			t.Fatal(err)
		}
		r.WantRaw(true)
		if err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := r.Counters()
		balanced(t, &c)
		for i, s := range shards {
			if c.Shards[i].Handed != s.taken || s.taken.Frames == 0 {
				t.Errorf("batches of %d, shard %d: %+v counted, %+v taken", batch, i, c.Shards[i].Handed, s.taken)
			}
		}
	}
}

// TestCaptureWaits: what a full mailbox does not take at once it gets later, and
// that is counted.
func TestCaptureWaits(t *testing.T) {
	full := &shard{full: true}
	r, err := NewReceiver(NewMemory(traffic(500)...), []Outlet{full}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := r.Counters()
	if s := &c.Shards[0]; s.Waits == 0 || s.Waits != c.Shards[0].Handed.Frames/batchFramesDefault+1 || s.Dropped != (Delivery{}) {
		t.Errorf("%d batches waited, and %+v were dropped", s.Waits, s.Dropped)
	}
}

// TestSharedLimit: receivers that share a limit let exactly so many frames pass
// together, and what else they had received is counted.
func TestSharedLimit(t *testing.T) {
	var passed atomic.Uint64
	var wait sync.WaitGroup
	var tapped atomic.Uint64
	counters := make([]Counters, 4)
	for i := range counters {
		wait.Go(func() {
			r, err := NewReceiver(NewMemory(traffic(500)...), []Outlet{&shard{}}, Options{Limit: 700, Passed: &passed, Tap: func(*Frame) { tapped.Add(1) }})
			if err == nil {
				err = r.Run(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			counters[i] = r.Counters()
			balanced(t, &counters[i])
		})
	}
	wait.Wait()
	var received, surplus uint64
	for i := range counters {
		received += counters[i].Frames
		surplus += counters[i].Surplus
	}
	if tapped.Load() != 700 || received != 700+surplus {
		t.Errorf("%d frames passed, want 700; %d were received, of them %d surplus", tapped.Load(), received, surplus)
	}
}

// TestStoppedShard: what a shard that is gone does not take is dropped, also
// from a capture.
func TestStoppedShard(t *testing.T) {
	r, err := NewReceiver(NewMemory(traffic(500)...), []Outlet{&shard{gone: true}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := r.Counters()
	balanced(t, &c)
	if c.Dropped().Frames == 0 || c.Handed() != (Delivery{}) || c.Shards[0].MarksOwed == 0 {
		t.Errorf("%+v", c)
	}
}

// TestIdleSourceTicks: time goes on without frames, and fragments expire.
func TestIdleSourceTicks(t *testing.T) {
	p := flowPath(1)
	first := craft.Fragments(&p, wire.ProtoUDP, 9, make([]byte, 1000), 400)[0]
	src := &live{Memory: *NewMemory(Frame{Data: first, Timestamp: start, Link: wire.LinkEthernet})}
	src.ticks = []int64{start + second, start + 60*second, start + 2*second}
	shards, c, err := run(t, src, 2, Options{Fragments: frag.Config{TimeoutV4: 30 * time.Second}}, false)
	if err != nil {
		t.Fatal(err)
	}
	var clocks []int64
	for _, m := range shards[1].marks {
		clocks = append(clocks, (m.Clock-start)/second)
	}
	if want := []int64{0, 1, 60, 60, 60}; !slices.Equal(clocks, want) {
		t.Errorf("clocks of the marks %v, want %v", clocks, want)
	}
	if c.Fragments.Expired != 1 || c.Fragments.Held != 0 {
		t.Errorf("fragments %+v", c.Fragments)
	}
}

// TestUnsupportedLinkType: a capture of nothing but unknown link types is an
// error that counts them, and does not fail when some frames can be read.
func TestUnsupportedLinkType(t *testing.T) {
	frames := traffic(3)
	for i := range frames {
		frames[i].Link = 147
	}
	path := save(t, "user.pcap", pack(binary.LittleEndian, magicNano, 147, frames))
	_, c, err := run(t, File(path), 1, Options{}, false)
	want := path + ": link type 147 is not supported (3 frames received, none could be read)"
	if err == nil || err.Error() != want || c.Refused[wire.UnknownLink] != 3 {
		t.Errorf("error %v, want %s", err, want)
	}
	one := (&LinkError{Link: 239, Frames: 1}).Error()
	if want := "source: link type 239 (nflog) is not supported (1 frame received, it could not be read)"; one != want {
		t.Errorf("%q, want %q", one, want)
	}
	none := Options{Filter: func(*wire.Packet, []byte, uint32) bool { return false }}
	if _, _, err := run(t, File(path), 1, none, false); err == nil || err.Error() != want {
		t.Errorf("with a filter: error %v, want %s", err, want)
	}
	frames[1].Link = wire.LinkEthernet
	if _, _, err := run(t, NewMemory(frames...), 1, Options{}, false); err != nil {
		t.Error(err)
	}
}

// TestDamageIsReportedLast: what came before it has been handed over.
func TestDamageIsReportedLast(t *testing.T) {
	data := pack(binary.LittleEndian, magicNano, 1, traffic(300))
	shards, c, err := run(t, Reader("trace", bytes.NewReader(data[:len(data)-1])), 1, Options{}, false)
	if !errors.Is(err, ErrCutShort) || c.Frames != 299 || shards[0].marks[len(shards[0].marks)-1].Number != 299 {
		t.Errorf("%d frames, error %v", c.Frames, err)
	}
}

// TestStopWhileWaiting: a source that waits for a pipe, and one that waits for
// its blocks, end when the context does; being stopped is no error.
func TestStopWhileWaiting(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := to.Write(pack(binary.LittleEndian, magicNano, 1, traffic(10))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	src := newCapture(blockOctets, origin{name: "pipe", open: func() (io.ReadCloser, error) {
		return newDetached(func() (io.ReadCloser, error) { return from, nil }), nil
	}})
	r, err := NewReceiver(src, []Outlet{stopper{new(shard), cancel}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(ctx); err != nil || r.Counters().Frames != 10 {
		t.Errorf("%d frames, error %v", r.Counters().Frames, err)
	}
	to.Close() // ends the read that was given up
}

// stopper is a shard that has seen enough after its first batch.
type stopper struct {
	*shard
	stop func()
}

// Batch implements Outlet.
func (s stopper) Batch(b *buffers.Batch, wait bool) bool {
	defer s.stop()
	return s.shard.Batch(b, wait)
}

// hoarder is a shard that keeps batches until it is told to release them.
type hoarder struct {
	shard
	mu      sync.Mutex
	batches []*buffers.Batch
	stalled chan struct{} // closed when it holds as many as it wants
	enough  int
}

// Batch implements Outlet.
func (h *hoarder) Batch(b *buffers.Batch, _ bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.batches = append(h.batches, b); len(h.batches) == h.enough && h.stalled != nil {
		close(h.stalled)
		h.stalled = nil
	}
	return true
}

func (h *hoarder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.batches {
		h.shard.Batch(b, true)
	}
	h.batches = nil
}

// TestSlowShardHoldsTheReaderUp: a capture's memory is bounded by its blocks;
// when all are lent the reader waits, and goes on when they come back.
func TestSlowShardHoldsTheReaderUp(t *testing.T) {
	frames := traffic(2000)
	src := bytesCapture(4096, pack(binary.LittleEndian, magicNano, 1, frames))
	stalled := make(chan struct{})
	h := &hoarder{stalled: stalled, enough: blocksMax - 1} // one block is the reader's
	r, err := NewReceiver(src, []Outlet{h}, Options{BatchFrames: 256})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- r.Run(t.Context()) }()
	<-stalled
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		default:
			h.release()
		}
	}
	h.release()
	if err != nil || src.win.supply.made != blocksMax {
		t.Fatalf("%d blocks, error %v", src.win.supply.made, err)
	}
	want, _, err := run(t, NewMemory(frames...), 1, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	sameFrames(t, h.frames, want[0].frames)
}

// TestCountersAddUpAtAnyTime: a snapshot is never torn.
func TestCountersAddUpAtAnyTime(t *testing.T) {
	r, err := NewReceiver(NewMemory(traffic(30_000)...), []Outlet{new(shard), new(shard)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- r.Run(t.Context()) }()
	for {
		c := r.Counters()
		balanced(t, &c)
		select {
		case err := <-done:
			if c := r.Counters(); err != nil || c.Frames != 30_000 {
				t.Errorf("%d frames, error %v", c.Frames, err)
			}
			return
		default:
		}
	}
}
