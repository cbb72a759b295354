package rx

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// What can be wrong with an interface. Errors of rings wrap one of them and say
// in the same line what to do.
var (
	ErrNoInterface   = errors.New("no such interface")
	ErrPermission    = errors.New("not permitted to capture")
	ErrInterfaceDown = errors.New("the interface is down")
	ErrFanoutTaken   = errors.New("the fanout group is taken")
	ErrRingMemory    = errors.New("no memory for a ring")
	ErrNoTPACKETv3   = errors.New("the kernel has no TPACKETv3")
	ErrUnsupported   = errors.New("capturing on interfaces is for Linux only")
)

// Fanout says how the kernel deals frames out to several rings. Steering to
// shards does not depend on it, nor does the order in which frames are taken there.
type Fanout uint8

// The modes. With FanoutHash a flow's frames, both directions, come to one ring,
// in order, and so does all of a tunnel between two hosts; with FanoutQueue ring k
// gets what the card's queue k received; with FanoutCPU what CPU k (modulo the
// number of rings) handled. With those two, unless the card is known to keep the
// directions of a flow together, shards put what several rings bring in the order
// of its timestamps, which delays it until the slowest ring has come as far.
const (
	FanoutHash Fanout = iota
	FanoutQueue
	FanoutCPU
)

// ParseFanout returns the mode that is named: hash, qm (or queue) or cpu.
func ParseFanout(name string) (Fanout, error) {
	switch name {
	case "hash":
		return FanoutHash, nil
	case "qm", "queue":
		return FanoutQueue, nil
	case "cpu":
		return FanoutCPU, nil
	}
	return 0, fmt.Errorf("%w: fanout %q: must be hash, qm or cpu", ErrOptions, name)
}

// String returns the mode's name: hash, qm or cpu.
func (f Fanout) String() string {
	switch f {
	case FanoutHash:
		return "hash"
	case FanoutQueue:
		return "qm"
	case FanoutCPU:
		return "cpu"
	}
	return fmt.Sprintf("fanout-%d", uint8(f))
}

// AnyInterface names all interfaces of the network namespace together.
const AnyInterface = "any"

// RingConfig says how rings are opened. The zero value, with an interface's
// name, is right for most.
type RingConfig struct {
	// Interface is the name of the interface; "any" stands for all of them.
	Interface string
	// Rings is how many rings share the interface's traffic; 0 stands for 1.
	Rings int
	// Fanout says how the kernel shares it out.
	Fanout Fanout
	// FanoutGroup is the group's number. 0 has the kernel choose one that is free.
	// A number that another program uses is ErrFanoutTaken.
	FanoutGroup uint16
	// BlockOctets and Blocks are a ring's size: 0 stands for 256 KiB and 128.
	// Where the kernel has no memory for it, smaller rings are tried, and Setup
	// says so. BlockOctets is a multiple of the page size.
	BlockOctets, Blocks int
	// Retire is how long the kernel waits for a block to fill before it hands it
	// over as it is: the delay of the first frame in it. 0 stands for 10 ms.
	Retire time.Duration
	// NoPromisc leaves out frames that are for other stations.
	NoPromisc bool
	// CPUs are those that receive goroutines are pinned to, in turn: that of ring k to
	// CPUs[(Ahead+k)%len(CPUs)]. A single -1 pins none. Empty stands for the CPU that
	// handles queue k with FanoutQueue, the k-th one with FanoutCPU, else for the
	// k-th last that the program may use: the first ones mostly serve interrupts.
	CPUs []int
	// Ahead is how many rings of other interfaces the program has: CPUs are dealt
	// out to all of them in turn.
	Ahead int
	// Log is told of interfaces that go down, come back, are renamed or removed.
	// nil stands for slog.Default().
	Log *slog.Logger
}

// The defaults and bounds of RingConfig.
const (
	// ringBlockOctets is a block's size: four of the largest segmentation offload
	// packets, and less than a core's second-level cache, so that the headers
	// that the receiver has read are there when the shard reads them.
	ringBlockOctets = 256 << 10
	// ringBlocks makes a ring of 32 MiB: a quarter of a second of 1 Gbit/s.
	ringBlocks    = 128
	ringsMax      = 256 // of one group, as the kernel has it
	ringBlocksMax = 1 << 16
	// ringOctetsMax is of one ring: the kernel counts its octets in 32 bits.
	ringOctetsMax = 1<<32 - 1

	// retireDefault: with 1 ms frames come after 0.9 ms (p50), with 10 ms after
	// 4 ms, and a monitor has no use for it that is worth ten times the wake-ups.
	retireDefault = 10 * time.Millisecond
	retireMax     = 10 * time.Second
)

// withDefaults returns c with defaults in the place of zeros, or an error that
// names every problem.
func (c RingConfig) withDefaults() (RingConfig, error) {
	if c.Rings == 0 {
		c.Rings = 1
	}
	if c.BlockOctets == 0 {
		c.BlockOctets = ringBlockOctets
	}
	if c.Blocks == 0 {
		c.Blocks = ringBlocks
	}
	if c.Retire == 0 {
		c.Retire = retireDefault
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, c.validate()
}

func (c *RingConfig) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...))
		}
	}
	check(c.Interface != "", "Interface is empty")
	check(c.Rings >= 1 && c.Rings <= ringsMax, "Rings is %d, not within 1 and %d", c.Rings, ringsMax)
	check(c.Fanout <= FanoutCPU, "Fanout is %d: not a mode", c.Fanout)
	check(c.BlockOctets > 0 && c.BlockOctets%pageOctets == 0,
		"BlockOctets is %d, not a multiple of the page size, %d", c.BlockOctets, pageOctets)
	check(c.Blocks >= ringBlocksMin && c.Blocks <= ringBlocksMax,
		"Blocks is %d, not within %d and %d", c.Blocks, ringBlocksMin, ringBlocksMax)
	check(c.BlockOctets <= ringOctetsMax/max(c.Blocks, 1), "a ring of %d blocks of %d octets is too large: at most %d octets",
		c.Blocks, c.BlockOctets, int64(ringOctetsMax))
	check(c.Retire >= time.Millisecond && c.Retire <= retireMax, "Retire is %v, not within 1ms and %v", c.Retire, retireMax)
	check(c.Ahead >= 0, "Ahead is %d", c.Ahead)
	for _, cpu := range c.CPUs {
		check(cpu >= 0 || cpu == -1 && len(c.CPUs) == 1, "CPUs has %d", cpu)
	}
	return errors.Join(problems...)
}

// RingCounters is what became of an interface's frames before they were
// received, since the ring was opened. Frames that a kernel filter held back
// are in none of them.
//
//	Packets = frames received + Loopbacks + Unread
type RingCounters struct {
	Packets    uint64 // frames that the kernel put into the ring
	Drops      uint64 // frames for which the ring had no room
	Freezes    uint64 // times that the ring had no free block
	Losing     uint64 // blocks that were handed over while there were drops
	Loopbacks  uint64 // second copies of frames on a loopback interface, discarded
	Unread     uint64 // frames that lie in the ring, or did when it was closed
	Truncated  uint64 // frames longer than a block, received cut short
	Reopened   uint64 // times that the ring was opened anew on an interface that came back
	LinkDowns  uint64 // times that the interface went down or away
	BlocksLent uint64 // blocks that shards hold now
	// BlocksMoved counts blocks that were copied aside, because a shard held them
	// for so long that they stood in the kernel's way.
	BlocksMoved uint64
}

// Interface returns a source of the frames of a network interface, with
// defaults. The first call of Next opens it: what is wrong with it is known
// then. OpenRings opens at once, and has options.
func Interface(name string) Source {
	return newRing(RingConfig{Interface: name})
}
