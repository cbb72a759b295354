package rx

import "time"

const (
	// timestampMax is the latest time that is believed, 2116-02-20: beyond what
	// 32 bits of seconds can say, and far enough from the end of an int64 that
	// adding any timeout to it does not overflow.
	timestampMax = 1 << 62

	// stepBackMax is how far a timestamp may lie behind the clock and count as
	// disorder: interfaces of one capture are out of step by milliseconds.
	// Further back, time itself was set, or another capture has begun.
	stepBackMax = second

	second = int64(time.Second)
)

// clock is the one clock of a source: it never goes backwards. The zero value
// has not started.
type clock struct {
	now     int64 // ns
	shift   int64 // what is added to timestamps since the last step back
	latest  int64 // the latest time that is believed: timestampMax; 0 before the first
	started bool
	steps   uint64 // times that the clock was re-based
	late    uint64 // frames whose timestamp lay behind the clock by less
	common  *pace  // of sources that go by one clock; nil: it is this one's own
}

// stamp moves the clock to the timestamp of a frame and returns its time.
// Timestamp 0 says nothing about time: the clock stands.
func (c *clock) stamp(timestamp int64) int64 {
	if t := timestamp + c.shift; t < c.now || t > c.latest || timestamp <= 0 {
		c.adjust(timestamp)
	} else {
		c.now = t // in nearly every case
	}
	return c.now
}

// adjust is stamp's rare cases: the first timestamp, none, one that lies behind
// the clock, and one beyond all belief.
//
//go:noinline
func (c *clock) adjust(timestamp int64) {
	if timestamp <= 0 {
		return
	}
	timestamp = min(timestamp, timestampMax)
	t := timestamp + c.shift
	switch {
	case !c.started:
		c.start(timestamp)
	case t < c.now-stepBackMax:
		c.steps++
		c.rebase(timestamp)
	case t < c.now:
		c.late++
	default:
		c.now = min(t, timestampMax)
	}
}

// start sets the clock for the first time.
func (c *clock) start(now int64) { c.started, c.now, c.latest = true, now, timestampMax }

// rebase has a timestamp from before the clock be of now. Sources that go by one
// clock must shift it alike, or what came at once would never look so again: if
// another one has done so already, its shift is as good.
func (c *clock) rebase(timestamp int64) {
	shift := c.now - timestamp
	if c.common != nil {
		theirs := c.common.shift.Load()
		if t := timestamp + theirs; theirs != c.shift && t >= c.now-stepBackMax && t <= timestampMax ||
			!c.common.shift.CompareAndSwap(theirs, shift) {
			shift = c.common.shift.Load()
		}
	}
	c.shift = shift
	c.now = max(c.now, min(timestamp+shift, timestampMax))
}

// tick moves the clock of an idle source to now, its time in ns since 1970.
func (c *clock) tick(now int64) {
	if !c.started && c.common != nil && now > 0 && now <= timestampMax {
		c.start(now) // others wait for this one, though it has seen nothing
	}
	if c.common != nil && now+c.shift < c.now-stepBackMax { // as others have seen, perhaps
		c.shift = c.common.shift.Load()
	}
	if t := now + c.shift; c.started && now > 0 && now <= timestampMax && t > c.now {
		c.now = min(t, timestampMax)
	}
}

// follow moves the clock to the timestamp of a frame that another ring of the
// same interface received: forward only, and not counted.
func (c *clock) follow(timestamp int64) {
	if !c.started {
		c.stamp(timestamp)
	}
	c.tick(timestamp)
}
