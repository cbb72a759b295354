package live

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// datagram returns a frame of UDP flow number i, with so many octets of payload.
func datagram(i, octets int) []byte {
	p := craft.Path{
		Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5000),
		Dst: netip.MustParseAddrPort("10.2.0.1:53"),
	}
	return craft.AppendUDP(nil, &p, make([]byte, octets))
}

// newSender returns a sender that ends with the test.
func newSender(t *testing.T, in *netns.Namespace, device string) *netns.Sender {
	t.Helper()
	s, err := netns.NewSender(in, device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// flood sends count frames in turn and returns how many the kernel took.
func flood(s *netns.Sender, frames [][]byte, count int) (sent uint64) {
	for i := range count {
		if s.Send(frames[i%len(frames)]) == nil {
			sent++
		}
	}
	return sent
}

// flows returns one frame of each of n flows.
func flows(n, octets int) (frames [][]byte) {
	for i := range n {
		frames = append(frames, datagram(i, octets))
	}
	return frames
}

// TestDropsAddUp sends more than a small ring and a mailbox hold while a handler
// does not return: what there was no room for is counted, and nothing is missing
// between the counts.
func TestDropsAddUp(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	var seen atomic.Uint64
	hold := make(chan struct{})
	l := capture(t, server, "s0", rx.RingConfig{BlockOctets: 64 << 10, Blocks: 4}, mbox.Config{Shards: 1}, func(s *mbox.Stack) {
		handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, func(c *mbox.Context) {
			if c.Flow().Proto().String() == "udp" {
				<-hold // at the first, until all have been sent; then it is closed
				seen.Add(1)
			}
		})
	})
	sent := flood(newSender(t, client, "c0"), flows(16, 1000), 20_000)
	close(hold)
	st := l.stop()
	frames, _ := st.Received()
	dropped, missed := l.dropped(), l.missed()
	t.Logf("%d sent, %d captured, %d dropped by the ring, %d by the mailbox", sent, frames, dropped, missed-dropped)
	if frames+dropped < sent {
		t.Errorf("%d sent, %d captured + %d dropped", sent, frames, dropped)
	}
	if missed == 0 {
		t.Error("there was room for 20 MB that nobody took")
	}
	if n := seen.Load(); n+missed < sent {
		t.Errorf("handlers saw %d of %d, %d were dropped", n, sent, missed)
	}
}

// TestOverload: a handler that does not return holds its shard up and nobody
// else. What that shard has no room for is dropped and counted as its own, and
// memory stays what it was.
func TestOverload(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	hold := make(chan struct{})
	var asleep sync.Once
	held := make(chan struct{})
	var awake atomic.Uint64
	l := capture(t, server, "s0", rx.RingConfig{}, mbox.Config{Shards: 2}, func(s *mbox.Stack) {
		handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, func(c *mbox.Context) {
			if c.Shard() == 0 {
				asleep.Do(func() { close(held) })
				<-hold
			} else {
				awake.Add(1)
			}
		})
	})
	wake := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(wake)
	s, frames := newSender(t, client, "c0"), flows(64, 200)
	// Each part goes when the shard that is awake has dealt with the one before,
	// so that it has no reason to drop.
	push := func(parts int) {
		for range parts {
			flood(s, frames, 1000)
			waitFor(t, func() bool {
				st := l.stack.Stats()
				n, _ := st.Received()
				return n+l.dropped() >= l.passed() && len(st.Sources) == 1 && awake.Load() >= st.Sources[0].Shards[1].Handed.Frames
			})
		}
	}
	push(10)
	<-held
	limitMemory(t, 8<<20, func() { push(100) })
	during := l.stack.Stats().Sources[0].Shards
	slow, quick := during[0], during[1]
	t.Logf("asleep: %d handed, %d dropped; awake: %d handed, %d dropped; the ring dropped %d",
		slow.Handed.Frames, slow.Dropped.Frames, quick.Handed.Frames, quick.Dropped.Frames, l.dropped())
	if slow.Dropped.Frames == 0 {
		t.Error("the shard whose handler sleeps has dropped nothing")
	}
	if quick.Dropped.Frames > quick.Handed.Frames/10 {
		t.Errorf("the shard that is awake has dropped %d and was handed %d", quick.Dropped.Frames, quick.Handed.Frames)
	}
	if n := l.dropped(); n > 110_000/10 {
		t.Errorf("one slow shard had the ring drop %d frames", n)
	}
	wake()
	l.stop()
}

// garbage returns frames of n octets of no sense, or of just enough: an ether
// type that asks for a closer look, or a good frame cut short or made longer.
func garbage(rng *rand.Rand, n int, good []byte, buf []byte) []byte {
	b := buf[:n]
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	types := []uint16{0x0800, 0x86dd, 0x8100, 0x88a8, 0x8847, 0x8864, 0x22f3, 0x894f, 0x8035, 0}
	switch rng.IntN(3) {
	case 0:
		copy(b, good)
	case 1:
		if n >= 16 {
			binary.BigEndian.PutUint16(b[12:], types[rng.IntN(len(types))])
			b[14] = []byte{0x45, 0x60, 0x4f, 0x00}[rng.IntN(4)]
		}
	}
	return b
}

// TestGarbage sends frames of every length that an interface takes, from nothing
// to 64 KiB, and in short tests a part of the long ones. All are
// counted, and the stack is as good as new afterwards.
func TestGarbage(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{MTU: 65535})
	o := &overheard{flows: map[mbox.Flow]*conversation{}}
	l := capture(t, server, "s0", rx.RingConfig{Rings: 2, Fanout: rx.FanoutCPU}, mbox.Config{Shards: 2}, o.register(t))
	s := newSender(t, client, "c0")
	rng := rand.New(rand.NewPCG(7, 7))
	good, buf := datagram(1, 1000), make([]byte, 14+65535)
	var sent, refused, longest uint64
	for n := 0; n <= len(buf); n++ {
		if testing.Short() && n > 2000 && n < len(buf)-100 {
			n += 50
		}
		if s.Send(garbage(rng, n, good, buf)) == nil {
			sent++
			longest = uint64(n)
		} else {
			refused++
		}
	}
	if sent+refused < 3000 || refused > 100 || longest != uint64(len(buf)) {
		t.Errorf("the kernel took %d frames, the longest of %d octets", sent, longest)
	}
	waitFor(t, l.settled)
	missed := l.missed()
	k := newTalk()
	converse(t, client, server, "10.0.0.2", 0, 20, k)
	st := l.stop()
	o.compare(t, k, l.missed()-missed)
	total := st.Total()
	if total.Panics != 0 {
		t.Errorf("%d handlers panicked", total.Panics)
	}
	t.Logf("%d frames of garbage, %d refused by the kernel, %d not followed: %v", sent, refused, missed, st.Frames())
}

// TestLeavesNothing: descriptors, mappings and goroutines of a capture go
// with it.
func TestLeavesNothing(t *testing.T) {
	if err := netns.Available(); err != nil {
		t.Skip(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	held := func() (descriptors, rings int) {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return len(all), strings.Count(string(maps), "socket:")
	}
	round := func(i int) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			client, server := netns.PairForTest(t, netns.Cable{Queues: 2})
			l := capture(t, server, "s0", rx.RingConfig{Rings: 2, Fanout: rx.FanoutCPU}, mbox.Config{Shards: 2}, func(s *mbox.Stack) {
				handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, func(*mbox.Context) {})
			})
			flood(newSender(t, client, "c0"), flows(8, 100), 1000)
			l.stop()
		})
	}
	round(0) // what is made once for good
	descriptors, rings := held()
	for i := range 5 {
		round(1 + i)
	}
	waitFor(t, func() bool { // a ring is closed beside the run that it ends
		d, r := held()
		return d <= descriptors && r <= rings
	})
}
