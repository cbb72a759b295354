package shard

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/wire"
)

// Checksums says what is done about transport checksums.
type Checksums uint8

// The modes.
const (
	ChecksumsLabel  Checksums = iota // verified; a wrong one labels the flow, the segment is processed
	ChecksumsVerify                  // a segment with a wrong one reaches nobody; counted and raised
	ChecksumsOff                     // not looked at
)

// Timeouts are how long a flow may be silent before it ends, by what is known
// of it. A field of 0 stands for its default, Never for no timeout.
type Timeouts struct {
	// Embryonic is for connections that are not established yet. Default 60 s:
	// a SYN that is repeated for as long as Linux does (1+2+4+8+16+32 s) meets
	// its flow again.
	Embryonic time.Duration
	// Established is for connections that carry data. Default 2 h 4 min, RFC 5382
	// REQ-5: the keep-alive of RFC 1122 §4.2.3.6 comes within two hours.
	Established time.Duration
	// Closing is for connections that one side has closed. Default 4 min, the
	// transitory timeout of RFC 5382 REQ-5.
	Closing time.Duration
	// Closed is for connections that are over: late segments belong to them
	// until then. Default 60 s, what Linux waits in TIME-WAIT instead of the four
	// minutes of RFC 9293 MUST-13: too short, and a late FIN looks like the start
	// of nothing; too long, and every closed connection holds its record for no use.
	Closed time.Duration
	// Datagram is for flows other than TCP. Default 2 min, RFC 4787 REQ-5.
	Datagram time.Duration
}

// Never is a timeout that ends nothing.
const Never time.Duration = -1

// Defaults returns t with the defaults in place of zeros.
func (t Timeouts) Defaults() Timeouts {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Embryonic, 60 * time.Second},
		{&t.Established, 2*time.Hour + 4*time.Minute},
		{&t.Closing, 4 * time.Minute},
		{&t.Closed, 60 * time.Second},
		{&t.Datagram, 2 * time.Minute},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return t
}

// PolicyRule chooses the overlap policy for what is sent to a part of the
// network: whose stack decides which copy counts.
type PolicyRule struct {
	Prefix netip.Prefix // of the receiver
	Policy buffers.Policy
}

// Config is what a shard needs to know. It is filled in by the stack; zero
// values are valid for tests.
type Config struct {
	Index        int    // of this shard
	Seed         uint64 // of the flow hash, as the receiver has it
	Live         bool   // a source cannot wait for the shard
	FlowsPerSlot int    // flow records that one slot may have; 0: flowsPerSlotDefault
	Rules        tcpfsm.Rules
	Checksums    Checksums
	Timeouts     Timeouts // with defaults filled in
	NoPickup     bool     // connections are followed from their SYN or SYN-ACK only
	History      uint64   // octets readable after they were acknowledged, on every flow
	Keep         bool     // delivered octets stay readable until acknowledged, on every flow
	Policies     []PolicyRule
	Policy       buffers.Policy // where no rule matches
	Memory       Memory
	// Rings are the sources whose frames are brought into one order, by their clocks:
	// for each, how many of its blocks may wait for that.
	Rings []int
	Log   *slog.Logger // of panics in handlers; nil: nowhere
	Pool  Pool         // for Offload; nil: Offload is ErrBusy
	// Reply hands a request to the owner of a slot from the pool, waiting for room
	// as long as the stack runs.
	Reply func(wire.Slot, Request)
	// Owns says which slots the shard has to begin with; nil: all.
	Owns func(wire.Slot) bool
	// Senders is how many receivers there are: each may have to find room for a
	// word about a move in a mailbox that is full.
	Senders int
	Loads   bool // which slots make work is asked: see Load
	// OnMark is called at each mark, after everything before it has been raised.
	OnMark func(shard int, m Mark)
}

// Pool runs work beside the shards. Submit never waits: with no room it returns
// an error.
type Pool interface {
	Submit(work func()) error
}

// Mark is a message between batches: everything the source has received up to
// Number has been handed over. It carries the source's clock, so that timers
// fire and output that is ordered across shards can be written.
type Mark struct {
	Number uint64 // frames so far
	Clock  int64  // ns
	Step   bool   // memory is shared out anew
	Last   bool   // all sources have ended
	Over   bool   // the source has ended; said of one with a Ring only
}

// Message is one message of traffic: a batch, or a mark, or a word about a move.
// The receiver owns the batch.
type Message struct {
	Batch *buffers.Batch
	Mark  Mark  // valid iff Batch and Move are nil
	Move  *Move // nil: none is concerned
	order order // valid iff Move is not nil
	// Ring says which of Config.Rings it comes from, counted from 1. 0 is a source
	// whose frames are taken as they come.
	Ring uint16
}

// flowsPerSlotDefault lets a stack without limits follow a million flows.
const flowsPerSlotDefault = 1 << 20 / wire.SlotCount

// ErrConfig is wrapped by every error of New.
var ErrConfig = errors.New("mbox: bad config")

func (c *Config) validate() error {
	if c.FlowsPerSlot == 0 {
		c.FlowsPerSlot = flowsPerSlotDefault
	}
	c.Timeouts = c.Timeouts.Defaults()
	if c.FlowsPerSlot < 0 {
		return fmt.Errorf("%w: FlowsPerSlot %d: must not be negative", ErrConfig, c.FlowsPerSlot)
	}
	return nil
}

// policyFor returns the policy for what a flow's endpoint i receives.
func (c *Config) policyFor(k *wire.FlowKey, receiver uint8) (buffers.Policy, bool) {
	if len(c.Policies) == 0 {
		return c.Policy, false
	}
	addr := k.IP(receiver)
	for _, r := range c.Policies {
		if r.Prefix.Contains(addr) {
			return r.Policy, true
		}
	}
	return c.Policy, false
}

// timeoutOf returns how long a flow of a class may be silent, and whether it
// ends at all.
func (t *Timeouts) of(l lifecycle) (time.Duration, bool) {
	var d time.Duration
	switch l {
	case lifeEmbryonic:
		d = t.Embryonic
	case lifeEstablished:
		d = t.Established
	case lifeClosing:
		d = t.Closing
	case lifeClosed:
		d = t.Closed
	default:
		d = t.Datagram
	}
	return d, d >= 0
}

// lifecycle is what a flow's timeout depends on.
type lifecycle uint8

const (
	lifeEmbryonic lifecycle = iota
	lifeEstablished
	lifeClosing
	lifeClosed
	lifeDatagram
)
