package mbox

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/wire"
)

// Config says how a Stack works. The zero value is right for most: every field
// that is zero stands for its documented default.
type Config struct {
	// Shards is how many shards own flows. 0 stands for one for each CPU that
	// the program may use, less one for the receiver, but at least one. What is
	// found in a capture does not depend on it.
	Shards int
	// PinShards has shard i run on the i-th of the CPUs that the program may use,
	// and nowhere else: for machines that have a CPU for each shard and each ring
	// (rings take theirs from the last one on). A shard that has nothing to do and
	// gets something then takes longer to wake. Where the system cannot do it, Log
	// is told.
	PinShards bool
	// Rebalance says when slots are moved from shards that have too much to do to
	// those that have less: by default, with live sources.
	Rebalance Rebalance
	// Seed is of the flow hash. 0 stands for a fixed one on captures, so that two
	// runs are alike, and for a random one on live sources.
	Seed uint64
	// Memory bounds what flows, streams and fragments take together, in octets.
	// 0 stands for 2 GiB. The least is 32 MiB.
	Memory uint64
	// StreamMax bounds what one direction of one flow may hold out of order and
	// for history, in octets. 0 stands for 4 MiB.
	StreamMax uint64
	// Timeouts end silent flows.
	Timeouts Timeouts
	// Checksums says what a wrong transport checksum leads to: by default a label.
	Checksums Checksums
	// Strict takes only what an RFC 9293 receiver would take into streams and
	// states. By default everything plausible is observed and labelled.
	Strict bool
	// NoPickup follows connections from their SYN or SYN-ACK only; other segments
	// are orphans. By default a connection is picked up anywhere.
	NoPickup bool
	// History keeps so many octets of each direction readable (Context.ReadAt)
	// after they were acknowledged, on all flows.
	History uint64
	// Policy says which copy of overlapping octets counts where no rule says
	// otherwise: by default the first.
	Policy Policy
	// Policies gives parts of the network their own policy, by the address of the
	// receiver. The first match counts.
	Policies []PolicyRule
	// ByVLAN and ByTunnel make VLAN and tunnel identifiers part of a flow's
	// identity, for networks whose addresses overlap.
	ByVLAN, ByTunnel bool
	// Filter limits what is looked at to packets that a tcpdump expression
	// selects, on their innermost headers. "" selects all.
	Filter string
	// Batch is how many frames go to a shard at once. 0 stands for 128.
	Batch int
	// Count ends the run after so many frames that passed Filter, of all sources
	// together. 0: no end.
	Count uint64
	// Tap is shown each frame that passed Filter, fragments singly, in the order
	// of each source, on its receive goroutine. The frame is lent for the call.
	Tap func(*rx.Frame)
	// Fragments bounds the reassembly of IP fragments.
	Fragments frag.Config
	// Offload is how many goroutines run work that handlers push off their shard.
	// 0 stands for one for each CPU.
	Offload int
	// Log is told of panics in handlers. nil stands for slog.Default().
	Log *slog.Logger
}

// The defaults and bounds of Config.
const (
	memoryDefault    = 2 << 30
	memoryMin        = 32 << 20
	streamMaxDefault = 4 << 20
	shardsMax        = 256
	batchDefault     = 128
	batchMax         = 4096
)

// captureSeed is the seed of the flow hash on captures.
const captureSeed = 0x6d626f78

// withDefaults returns c with defaults in the place of zeros, or an error that
// names every problem.
func (c Config) withDefaults() (Config, error) {
	if c.Shards == 0 {
		c.Shards = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if c.Memory == 0 {
		c.Memory = memoryDefault
	}
	if c.StreamMax == 0 {
		c.StreamMax = streamMaxDefault
	}
	if c.Batch == 0 {
		c.Batch = batchDefault
	}
	if c.Offload == 0 {
		c.Offload = runtime.GOMAXPROCS(0)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Timeouts = c.Timeouts.Defaults()
	return c, c.validate()
}

func (c *Config) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	check(c.Shards > 0 && c.Shards <= shardsMax, "Shards is %d: must be between 1 and %d", c.Shards, shardsMax)
	check(c.Rebalance <= RebalanceNever, "Rebalance is %d: not a choice", c.Rebalance)
	check(c.Memory >= memoryMin, "Memory is %d octets: must be at least %d", c.Memory, memoryMin)
	check(c.StreamMax <= buffers.FlowCapMax, "StreamMax is %d octets: must be at most %d", c.StreamMax, buffers.FlowCapMax)
	check(c.Batch > 0 && c.Batch <= batchMax, "Batch is %d: must be between 1 and %d", c.Batch, batchMax)
	check(c.Offload > 0, "Offload is %d: must not be negative", c.Offload)
	check(c.Checksums <= ChecksumsOff, "Checksums is %d: not a mode", c.Checksums)
	check(c.Policy <= buffers.Solaris, "Policy is %d: not a policy", c.Policy)
	for name, d := range map[string]time.Duration{
		"Embryonic": c.Timeouts.Embryonic, "Established": c.Timeouts.Established, "Closing": c.Timeouts.Closing,
		"Closed": c.Timeouts.Closed, "Datagram": c.Timeouts.Datagram,
	} {
		check(d >= 0 || d == Never, "Timeouts.%s is %v: must not be negative, but for Never", name, d)
	}
	for i, r := range c.Policies {
		check(r.Prefix.IsValid(), "Policies[%d]: the prefix is not valid", i)
		check(r.Policy <= buffers.Solaris, "Policies[%d]: %d is not a policy", i, r.Policy)
	}
	if err := c.Fragments.Validate(); err != nil {
		problems = append(problems, fmt.Errorf("%w: Fragments: %w", ErrConfig, err))
	}
	if _, err := filter.Compile(c.Filter); err != nil {
		problems = append(problems, fmt.Errorf("%w: Filter: %w", ErrConfig, err))
	}
	return errors.Join(problems...)
}

// What a flow without streams takes, with its share of index and timers
// (TestFlowMemory pins it), and how memory is divided: shares of a hundred.
const (
	flowOctets  = 320
	flowShare   = 45
	streamShare = 25
)

// flowsPerSlot returns how many flow records a slot may have.
func (c *Config) flowsPerSlot() int {
	return max(1, int(c.Memory/100*flowShare/flowOctets/wire.SlotCount))
}

// streams returns how stream memory is shared out: a quarter of it is dealt out
// to the slots for good, the rest goes where it is needed.
func (c *Config) streams() (m shard.Memory, pool uint64) {
	total := c.Memory / 100 * streamShare
	return shard.Memory{
		FlowCap:   c.StreamMax,
		Floor:     total / 4 / wire.SlotCount,
		Allowance: total,
	}, total / 4 * 3
}
