package live

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// live is a stack that captures on an interface in a namespace. Several captures
// and other processes share two CPUs with it, so no test relies on the kernel
// dropping nothing: it relies on drops being counted.
type live struct {
	t      *testing.T
	stack  *mbox.Stack
	rings  []*rx.Ring
	in     *netns.Namespace
	device string
	cancel context.CancelFunc
	ended  chan error
	before netns.Counters
	gone   bool // the device was, and its counts went with it
	scoped bool // the kernel may hold frames back that no socket wants
}

// capture starts a stack on a device of a namespace; register opens its sockets.
func capture(t *testing.T, in *netns.Namespace, device string, rc rx.RingConfig, c mbox.Config, register func(*mbox.Stack)) *live {
	t.Helper()
	l := &live{t: t, in: in, device: device, ended: make(chan error, 1)}
	c.Log = slog.New(slog.DiscardHandler)
	var err error
	if l.stack, err = mbox.New(c); err != nil {
		t.Fatal(err)
	}
	register(l.stack)
	rc.Interface, rc.CPUs = device, []int{-1}
	if rc.Retire == 0 {
		rc.Retire = 2 * time.Millisecond
	}
	rc.Log = slog.New(slog.DiscardHandler)
	l.open(rc)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	sources := make([]rx.Source, len(l.rings))
	for i, r := range l.rings {
		sources[i] = r
	}
	go func() { l.ended <- l.stack.Run(ctx, sources...) }()
	t.Cleanup(func() { l.stop() })
	return l
}

// open opens the rings at a moment when nothing passes the device, so that what
// passes from then on is what they see. Namespaces that have just been made have
// a few words to say about multicast.
func (l *live) open(rc rx.RingConfig) {
	l.t.Helper()
	for range 100 {
		l.before = l.count()
		if err := l.in.Do(func() (err error) {
			l.rings, err = rx.OpenRings(rc)
			return err
		}); err != nil {
			l.t.Fatal(err)
		}
		if l.count() == l.before {
			return
		}
		for _, r := range l.rings {
			r.Close()
		}
	}
	l.t.Fatal("the device does not fall silent")
}

// count returns the kernel's counts of the device.
func (l *live) count() netns.Counters {
	l.t.Helper()
	c, err := l.in.Counters(l.device)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// dropped returns what the rings had no room for.
func (l *live) dropped() (n uint64) {
	for _, r := range l.rings {
		n += r.Counters().Drops
	}
	return n
}

// missed returns what was not followed, or not in its place: frames that the rings
// or the mailboxes had no room for, or for which others had not waited, as nobody
// had run their receiver for too long.
func (l *live) missed() uint64 {
	st := l.stack.Stats()
	n := l.dropped() + st.Total().Late
	for i := range st.Sources {
		n += st.Sources[i].Dropped().Frames
	}
	return n
}

// passed returns how many frames have gone over the device since the capture
// began, as the kernel counts them.
func (l *live) passed() uint64 {
	now := l.count()
	return now.Received + now.Sent - l.before.Received - l.before.Sent
}

// settled reports whether what has passed the device has been captured or
// dropped, and what was captured has met its fate.
func (l *live) settled() bool {
	st := l.stack.Stats()
	frames, _ := st.Received()
	_, fates := st.Packets()
	var packets uint64
	for _, r := range l.rings {
		packets += r.Counters().Packets
	}
	return frames >= packets && (l.gone || l.scoped || frames+l.dropped() >= l.passed()) && fates[len(fates)-1].Count == 0
}

// add checks that the frames captured, dropped and left unread in a ring that was
// closed make what has passed the device, but for what the kernel held back.
func (l *live) add(frames uint64) {
	l.t.Helper()
	var unread uint64
	for _, r := range l.rings {
		unread += r.Counters().Unread
	}
	if sent, all := l.passed(), frames+l.dropped()+unread; all > sent || all < sent && !l.scoped {
		l.t.Errorf("%d frames captured + %d dropped + %d unread != %d that passed the device", frames, l.dropped(), unread, sent)
	}
}

// await waits until the capture has settled, or patience is at an end.
func (l *live) await() {
	for end := time.Now().Add(patience); !l.settled() && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
	}
}

// stop waits until everything that was sent has been dealt with, ends the stack
// and checks what holds for every capture. It leaves the device down.
func (l *live) stop() mbox.Stats {
	l.t.Helper()
	if l.cancel == nil {
		return l.stack.Stats()
	}
	l.await()
	if !l.gone { // then the kernel has nothing to add, such as that it still knows its neighbours
		if err := l.in.Down(l.device); err != nil {
			l.t.Error(err)
		}
		l.await()
	}
	l.cancel()
	l.cancel = nil
	if err := <-l.ended; err != nil {
		l.t.Errorf("run: %v", err)
	}
	st := l.stack.Stats()
	frames, _ := st.Received()
	if !l.gone {
		l.add(frames)
	}
	if !st.Balanced() {
		l.t.Errorf("the ledgers do not balance: %v of %d", st.Frames(), frames)
	}
	if total := st.Total(); total.Hurried > 0 || total.Late > 0 {
		l.t.Logf("%d frames did not wait for their turn, %d came too late for it", total.Hurried, total.Late)
	}
	if n := l.missed(); n > 0 {
		l.t.Logf("%d of %d frames were not followed", n, frames+l.dropped())
	}
	return st
}

// handle registers a handler after the state changes.
func handle(t *testing.T, s *mbox.Socket, ev mbox.Event, h mbox.Handler) {
	t.Helper()
	hook := mbox.PostTCP
	if s.Kind() == mbox.Raw {
		hook = mbox.PreTCP
	}
	if err := s.Handle(ev, hook, h); err != nil {
		t.Fatal(err)
	}
}

// everything opens a socket that wants every frame, so that the kernel holds none
// back.
func everything(t *testing.T, s *mbox.Stack) {
	t.Helper()
	handle(t, s.Monitor(mbox.Raw), mbox.OnPacket, func(*mbox.Context) {})
}

// waitFor waits until something is so. A test that waits in vain fails.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

// patience is how long a test waits for what is sure to happen.
const patience = 20 * time.Second

// limitMemory fails the test if the heap, with everything collectable collected,
// has grown by more than so many octets since f was called.
func limitMemory(t *testing.T, octets uint64, f func()) {
	t.Helper()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	f()
	if after := heap(); after > before+octets {
		t.Errorf("the heap has grown from %d to %d octets", before, after)
	}
}
