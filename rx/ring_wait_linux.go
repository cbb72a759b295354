package rx

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// napper lets a goroutine that polls be woken by others. The zero value is
// closed: nobody can be woken.
type napper struct {
	asleep atomic.Bool // somebody waits for blocks that are lent
	called atomic.Bool // Next is to return

	mu   sync.Mutex // held while fd is written or closed
	fd   int        // of an eventfd; valid iff made
	made bool
}

func (n *napper) open() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fd, n.made = fd, true
	return nil
}

func (n *napper) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made {
		unix.Close(n.fd)
	}
	n.made = false
}

// wake ends a poll now, or the next one.
func (n *napper) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made {
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		unix.Write(n.fd, one[:])
	}
}

// call has Next return soon, with frames or without.
func (n *napper) call() {
	if !n.called.Swap(true) {
		n.wake()
	}
}

// nudge wakes whoever waits for a block.
func (n *napper) nudge() {
	if n.asleep.Load() && n.asleep.Swap(false) {
		n.wake()
	}
}

// drain makes the next poll wait again.
func (n *napper) drain() {
	var count [8]byte
	unix.Read(n.fd, count[:])
}

// wait waits until there may be frames. It reports idle if there were none for a
// while, or if somebody wants Next to return.
//
// A packet socket counts as readable while the block that was filled last is
// lent, read or not. Then it naps: polling again would spin.
func (r *Ring) wait() (idle bool, err error) {
	deadline := time.Now().Add(idleAfter)
	for {
		now := time.Now()
		if r.lookAfter(now); r.sock == nil {
			r.sleep(nil, r.owed(now, idleAfter))
			return true, nil
		}
		if r.closed.Load() || r.stopped.Load() || r.sock.ready() {
			return false, nil
		}
		left := r.owed(now, deadline.Sub(now))
		if r.napper.called.Swap(false) || left <= 0 {
			return true, nil
		}
		state, err := r.sleep(r.sock, left)
		if err != nil {
			return false, err
		}
		if state&unix.POLLERR != 0 {
			r.failing()
		} else if state != 0 && !r.sock.ready() {
			r.nap()
		}
	}
}

// nap waits for a block to come back, a little while.
func (r *Ring) nap() {
	r.napper.asleep.Store(true)
	if !r.sock.ready() { // none has come back meanwhile
		r.sleep(nil, napFor)
	}
	r.napper.asleep.Store(false)
}

// sleep polls s, unless it is nil, until something happens, the ring is woken or
// the time is over. It returns what is with s.
func (r *Ring) sleep(s *ringSocket, most time.Duration) (int16, error) {
	fds := [2]unix.PollFd{{Fd: int32(r.napper.fd), Events: unix.POLLIN}}
	n := 1
	if s != nil {
		fds[1] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN | unix.POLLERR}
		n = 2
	}
	t := unix.NsecToTimespec(int64(most))
	if _, err := unix.Ppoll(fds[:n], &t, nil); err != nil && err != unix.EINTR {
		return 0, fmt.Errorf("%s: poll: %w", r, err)
	}
	if fds[0].Revents != 0 {
		r.napper.drain()
	}
	return fds[1].Revents, nil
}

// tally counts what became of frames before they were received.
type tally struct {
	received, losing, loopbacks, truncated, reopened, linkDowns atomic.Uint64

	mu                      sync.Mutex
	sock                    *ringSocket // nil when there is none that can be asked
	packets, drops, freezes uint64
	moved                   uint64 // of sockets before sock
}

// end takes what the socket has counted, before it is closed.
func (t *tally) end() {
	t.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sock != nil {
		t.moved += t.sock.moved.Load()
	}
	t.sock = nil
}

// read adds what the socket has counted since the last time: asking resets it.
// The kernel counts drops among its packets.
func (t *tally) read() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sock == nil {
		return
	}
	st, err := unix.GetsockoptTpacketStatsV3(t.sock.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return
	}
	t.packets += uint64(st.Packets - st.Drops)
	t.drops += uint64(st.Drops)
	t.freezes += uint64(st.Freeze_q_cnt)
}

// Counters returns what became of the interface's frames so far.
func (r *Ring) Counters() RingCounters {
	t := &r.tally
	t.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.received.Load() + t.loopbacks.Load() // what came since the kernel was asked is in neither
	c := RingCounters{
		Unread:  t.packets - min(t.packets, out),
		Packets: t.packets, Drops: t.drops, Freezes: t.freezes,
		Losing: t.losing.Load(), Loopbacks: t.loopbacks.Load(), Truncated: t.truncated.Load(),
		Reopened: t.reopened.Load(), LinkDowns: t.linkDowns.Load(), BlocksMoved: t.moved,
	}
	if t.sock != nil {
		c.BlocksLent = uint64(t.sock.lent.Load())
		c.BlocksMoved += t.sock.moved.Load()
	}
	return c
}
