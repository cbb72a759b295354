// Command ring measures what a packet costs that lies in a full ring: fetching
// it, parsing it, and hashing its key. Nothing is captured while the clock runs,
// so the kernel's share is left out.
//
// It needs root: it makes a network namespace with a veth pair in it, and sends
// frames of 64 octets from one end to the other. Where the program is built with
// cgo, gopacket's afpacket with its DecodingLayerParser and FastHash drains a
// ring of the same size, filled by the same frames, in turns with ours.
//
//	go run ./perf/ring
//	go run ./perf/ring -turns 31 -flows 100000
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

const (
	nearEnd, farEnd = "ring0", "ring1"
	frameOctets     = 60 // with the checksum that cards leave out: 64 on the wire
)

func main() {
	o := options{}
	flag.IntVar(&o.turns, "turns", 15, "how often each ring is filled and drained")
	flag.IntVar(&o.flows, "flows", 1000, "connections that the frames belong to")
	flag.IntVar(&o.blocks, "blocks", 128, "blocks of each ring")
	flag.IntVar(&o.blockKiB, "block", 256, "KiB of a block")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "ring:", err)
		os.Exit(1)
	}
}

type options struct {
	turns, flows, blocks, blockKiB int
}

// drainer empties a ring.
type drainer interface {
	// held returns how many frames have come since the last call: as many as
	// were sent, unless the sender had to stand still for so long that blocks
	// were handed over half full.
	held() (int, error)
	// drain parses and hashes n frames. The sum of the hashes is of no use but
	// that they are computed.
	drain(n int) (sum uint64, err error)
	close()
}

// reader is a way to read a ring, measured.
type reader struct {
	name  string
	ring  drainer
	takes []float64 // ns a packet, of each turn
	sum   uint64
}

func run(o *options) error {
	runtime.LockOSThread() // the namespace is the thread's
	if err := bench(); err != nil {
		return err
	}
	frames := traffic(o.flows)
	send, err := newSender(farEnd)
	if err != nil {
		return err
	}
	ours, err := newOurs(o)
	if err != nil {
		return err
	}
	readers := []*reader{{name: "mbox", ring: ours}}
	if peer, err := newPeer(o); err == nil {
		readers = append(readers, &reader{name: "gopacket", ring: peer})
	} else if !errors.Is(err, errNoPeer) {
		return err
	}
	cpus := sys.CPUs()
	leave, err := sys.Stay(cpus[len(cpus)-1])
	defer leave()
	if err != nil {
		return err
	}
	n := o.blocks * o.blockKiB << 10 * 9 / 10 / slotOctets // short of full: nothing is lost
	for turn := range o.turns {
		if err := send.send(frames, n); err != nil {
			return err
		}
		time.Sleep(3 * retire) // for the last block to be handed over
		slices.Reverse(readers)
		for _, r := range readers {
			if err := r.turn(); err != nil {
				return fmt.Errorf("%s, turn %d: %w", r.name, turn+1, err)
			}
		}
	}
	report(readers, n)
	for _, r := range readers {
		r.ring.close()
	}
	return nil
}

const (
	// retire is longer than a block takes to fill, so that blocks are full.
	retire = 300 * time.Millisecond
	// slotOctets is what a frame of 60 octets takes in a ring: its header, the
	// address behind it, padding that aligns the IP header, and the frame.
	slotOctets = 160
)

// turn drains a ring that has been filled.
func (r *reader) turn() error {
	runtime.GC()
	n, err := r.ring.held()
	if err != nil {
		return err
	}
	began := cpuNs()
	sum, err := r.ring.drain(n)
	r.takes = append(r.takes, float64(cpuNs()-began)/float64(n))
	r.sum += sum
	return err
}

// cpuNs returns how long the calling thread has run: what others do on the
// machine counts only as far as they spoil its caches.
func cpuNs() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // a Linux of the last twenty years has it
	}
	return t.Nano()
}

// report prints medians, and spreads.
func report(readers []*reader, n int) {
	slices.SortFunc(readers, func(a, b *reader) int { return len(a.name) - len(b.name) })
	fmt.Printf("up to %d frames of %d octets a turn, %d turns, %s %s/%s\n",
		n, frameOctets+4, len(readers[0].takes), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("%-10s %10s %10s %10s %8s\n", "reader", "CPU ns", "least", "most", "times")
	first := 0.0
	for _, r := range readers {
		slices.Sort(r.takes)
		median := r.takes[len(r.takes)/2]
		if first == 0 {
			first = median
		}
		fmt.Printf("%-10s %10.1f %10.1f %10.1f %8.2f\n", r.name, median, r.takes[0], r.takes[len(r.takes)-1], median/first)
	}
	if len(readers) == 1 {
		fmt.Println("gopacket's afpacket is not compared with: this program was built without cgo")
	}
}

// traffic returns frames of 64 octets (with their checksum) of so many flows.
func traffic(flows int) [][]byte {
	frames := make([][]byte, flows)
	for i := range frames {
		p := craft.Path{
			Src:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint16(1024+i%60000)),
			Dst:   netip.MustParseAddrPort("192.0.2.1:80"),
			PadTo: frameOctets,
		}
		frames[i] = craft.AppendTCP(nil, &p, &craft.TCP{Flags: wire.ACK}, nil)
	}
	return frames
}

// ours is mbox's ring with mbox's parser.
type ours struct {
	ring *rx.Ring
	had  uint64
}

func newOurs(o *options) (*ours, error) {
	rings, err := rx.OpenRings(rx.RingConfig{Interface: nearEnd, Blocks: o.blocks, BlockOctets: o.blockKiB << 10, Retire: retire})
	if err != nil {
		return nil, err
	}
	return &ours{ring: rings[0]}, nil
}

func (o *ours) held() (int, error) {
	all := o.ring.Counters().Packets
	n := int(all - o.had)
	o.had = all
	return n, nil
}

// idleMax is how often the ring may have nothing though frames are still due: it
// waits longer than the kernel keeps a block back.
const idleMax = 10

func (o *ours) drain(n int) (sum uint64, err error) {
	var parser wire.Parser
	var p wire.Packet
	var c rx.Chunk
	for idle := 0; n > 0; {
		if err := o.ring.Next(&c); err != nil {
			return 0, err
		}
		for i := range c.Frames {
			f := &c.Frames[i]
			if g := parser.Glance(f.Link, f.Data, seed); g.Plain() {
				parser.Describe(&p, f.Data, g)
				sum += g.Hash
			} else {
				parser.Parse(&p, f.Link, f.Data)
				sum += p.Key.Hash(seed)
			}
		}
		if len(c.Frames) == 0 { // the last block is not handed over yet
			idle++
		}
		if idle > idleMax {
			return 0, fmt.Errorf("%d frames are missing: %+v", n, o.ring.Counters())
		}
		n -= len(c.Frames)
		c.Release()
	}
	return sum, nil
}

func (o *ours) close() { o.ring.Close() }

const seed = 0x6d626f78
