package actors

import "sync/atomic"

// Mailbox is a bounded queue of messages to one actor. Any number of senders
// may use it at once; one actor receives. It is never closed: an actor ends by
// a message or by its context.
//
// Invariant I8: 0 =< Depth =< Cap.
type Mailbox[M any] struct {
	queue   chan M
	room    int // what Offer may fill
	refused atomic.Uint64
}

// NewMailbox returns a mailbox that holds up to capacity messages.
func NewMailbox[M any](capacity int) *Mailbox[M] { return NewReserved[M](capacity, 0) }

// NewReserved returns a mailbox that holds up to capacity messages from Offer,
// and reserved more from Put: so that a few messages that must get through need
// not wait where the many are turned away. Offers that are made at once may take
// one place of it each, but for the first.
func NewReserved[M any](capacity, reserved int) *Mailbox[M] {
	return &Mailbox[M]{queue: make(chan M, capacity+reserved), room: capacity}
}

// Put adds m, waiting for room if need be. It gives up when stop is closed, and
// reports whether m was added.
func (b *Mailbox[M]) Put(m M, stop <-chan struct{}) bool {
	select {
	case b.queue <- m: // the usual case, without the cost of a second channel
		return true
	default:
	}
	select {
	case b.queue <- m:
		return true
	case <-stop:
		return false
	}
}

// Offer adds m if there is room, and reports whether there was. What it refuses
// is counted.
func (b *Mailbox[M]) Offer(m M) bool {
	if len(b.queue) >= b.room {
		b.refused.Add(1)
		return false
	}
	select {
	case b.queue <- m:
		return true
	default:
		b.refused.Add(1)
		return false
	}
}

// Receive returns the channel that the actor takes its messages from.
func (b *Mailbox[M]) Receive() <-chan M { return b.queue }

// Depth returns how many messages wait; of those that fill what is reserved, none.
func (b *Mailbox[M]) Depth() int { return min(len(b.queue), b.room) }

// Cap returns how many messages may wait.
func (b *Mailbox[M]) Cap() int { return b.room }

// Refused returns how many messages Offer has turned away.
func (b *Mailbox[M]) Refused() uint64 { return b.refused.Load() }
