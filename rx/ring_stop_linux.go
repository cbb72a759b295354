package rx

import (
	"io"
	"time"
)

// stopMax is how long a ring that is asked to end waits for its open block at most,
// which comes within about two retire times where the kernel's timer is not late:
// nobody wants to wait for long ones then. What it leaves is counted
// (RingCounters.Unread).
const stopMax = time.Second

// stopping is a ring that is asked to end: what the kernel has captured until then
// is still handed over. The zero value is one that goes on.
type stopping struct {
	until time.Time // when what the kernel has not handed over is left to it; zero: go on
}

// Stop implements Stopper.
func (r *Ring) Stop() {
	r.stopped.Store(true)
	r.napper.wake()
}

// shut lets no more frames into the ring, once it is asked to stop, and reports
// whether the ring has handed everything over.
func (r *Ring) shut(now time.Time) (over bool, err error) {
	if r.sock == nil {
		return true, nil
	}
	if r.stopping.until.IsZero() {
		r.stopping.until = now.Add(stopMax)
		if err := attach(r.sock.fd, rejectAll); err != nil {
			return false, err
		}
	}
	return now.After(r.stopping.until) || !r.sock.ready() && r.empty(), nil
}

// last sets c to what is left in a ring that is asked to stop, or returns io.EOF.
func (r *Ring) last(c *Chunk) error {
	for {
		over, err := r.shut(time.Now())
		switch {
		case err != nil:
			return err
		case r.closed.Load():
			return ErrClosed
		case r.cut(c):
			r.note(r.frames[len(r.frames)-1].Timestamp)
			return nil
		case over:
			return io.EOF
		}
		r.sleep(nil, time.Millisecond) // the socket counts as readable while its last block is lent
	}
}
