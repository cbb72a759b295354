package rx_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// queues returns a function that makes an interface send on one of its queues
// only, whichever CPU it is that sends. It writes to the sysfs of the test's
// namespace, which it mounts for the time of the test.
func queues(t *testing.T, name string, n int) (use func(queue int)) {
	t.Helper()
	sysfs := t.TempDir()
	if err := unix.Mount("sysfs", sysfs, "sysfs", 0, ""); err != nil {
		t.Skipf("no sysfs of the namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(sysfs, 0); err != nil {
			t.Fatalf("sysfs stays mounted at %s: %v", sysfs, err)
		}
	})
	return func(queue int) {
		t.Helper()
		for q := range n {
			mask := "0"
			if q == queue {
				mask = fmt.Sprintf("%x", uint32(1)<<min(runtime.NumCPU(), 31)-1)
			}
			file := filepath.Join(sysfs, "class/net", name, "queues", fmt.Sprintf("tx-%d", q), "xps_cpus")
			if err := os.WriteFile(file, []byte(mask), 0o644); err != nil {
				t.Skipf("queues of %s cannot be chosen: %v", name, err)
			}
		}
	}
}

func TestRingServesTheQueueOfItsNumber(t *testing.T) {
	const n = 4
	t.Run("veth", func(t *testing.T) {
		namespace(t)
		veth(t, "in0", "out0", n)
		use := queues(t, "out0", n)
		rings := openRings(t, rx.RingConfig{Interface: "in0", Rings: n, Fanout: rx.FanoutQueue})
		s := newSender(t, "out0")
		serveQueues(t, rings, func(queue int, f []byte) { use(queue); s.send(f) })
	})
	t.Run("tap", func(t *testing.T) {
		namespace(t)
		fds := tap(t, "in0", n)
		rings := openRings(t, rx.RingConfig{Interface: "in0", Rings: n, Fanout: rx.FanoutQueue})
		serveQueues(t, rings, func(queue int, f []byte) {
			if _, err := unix.Write(fds[queue], f); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// serveQueues sends a frame on each queue and looks on which ring it comes.
func serveQueues(t *testing.T, rings []*rx.Ring, send func(queue int, frame []byte)) {
	t.Helper()
	for q, r := range rings {
		send(q, numbered(q, 100))
		for _, f := range fetch(t, r, 1) {
			if got := binary.BigEndian.Uint32(f.Data[14:]); got != uint32(q) {
				t.Errorf("ring %d got what came on queue %d", q, got)
			}
		}
		for k, r := range rings {
			if c := r.Counters(); k <= q && c.Packets != 1 || k > q && c.Packets != 0 {
				t.Errorf("after queue %d ring %d has %d frames", q, k, c.Packets)
			}
		}
	}
}

// tap makes an interface with n queues, up, and returns what its queues are
// written by: what is written has been received.
func tap(t *testing.T, name string, n int) (fds []int) {
	t.Helper()
	for range n {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Skipf("no tap devices: %v", err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		q, err := unix.NewIfreq(name)
		if err != nil {
			t.Fatal(err)
		}
		q.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_MULTI_QUEUE)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, q); err != nil {
			t.Skipf("no tap device: %v", err)
		}
		fds = append(fds, fd)
	}
	up(t, name)
	return fds
}

// collector is an Outlet that notes whose packets it gets.
type collector struct {
	mu    sync.Mutex
	flows map[wire.FlowKey]int // packets
	texts map[uint16][]byte    // payload of UDP datagrams, by source port
	full  bool
}

func (c *collector) Batch(b *buffers.Batch, _ bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return false
	}
	for i := range b.Frames {
		f := &b.Frames[i]
		if f.Role == buffers.RoleRaw {
			continue
		}
		c.flows[f.Packet.Key]++
		if f.Packet.Key.Proto == wire.ProtoUDP {
			p := &f.Packet
			c.texts[p.Key.Port[p.Sender]] = bytes.Clone(f.Data[p.PayloadOff:min(uint32(p.PayloadOff)+p.PayloadLen, uint32(len(f.Data)))])
		}
	}
	b.Release()
	return true
}

func (c *collector) Mark(rx.Mark, bool) bool { return true }

func (c *collector) packets() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, packets := range c.flows {
		n += packets
	}
	return n
}

// conversation is traffic that the kernel spreads over rings as it likes.
type conversation struct {
	frames [][]byte // in order, for queue i modulo the number of queues
	flows  int
	whole  int               // packets that tracking gets
	texts  map[uint16][]byte // of UDP datagrams, by source port
}

// talk makes n connections of six segments, a third of them inside VXLAN in one
// direction, and n datagrams in fragments, a third of them inside VXLAN.
func talk(n int) conversation {
	c := conversation{texts: map[uint16][]byte{}}
	addr := func(host, port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(host >> 8), byte(host)}), uint16(port))
	}
	tunnel := func(i int, frame []byte) []byte {
		p := craft.Path{Src: addr(60000, 1024+i), Dst: addr(60001, 4789)}
		return craft.AppendUDP(nil, &p, append([]byte{8, 0, 0, 0, 0, 0, 7, 0}, frame...))
	}
	for i := range n {
		there := craft.Path{Src: addr(i, 2000+i), Dst: addr(i*7+1, 80)}
		back := there.Reverse()
		for k := range 6 {
			p := &there
			if k%2 == 1 {
				p = &back
			}
			f := craft.AppendTCP(nil, p, &craft.TCP{Seq: wire.Seq(k), Flags: wire.ACK}, []byte("text"))
			if k%2 == 0 && i%3 == 0 {
				f = tunnel(i, f)
			}
			c.frames = append(c.frames, f)
		}
		long := bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x'}, 1500)
		p := craft.Path{Src: addr(i+3, 30000+i), Dst: addr(i+9, 53)}
		body := craft.AppendDatagram(nil, &p, long)
		for _, f := range craft.Fragments(&p, wire.ProtoUDP, uint32(i), body, 1000) {
			if i%3 == 1 {
				f = tunnel(i+len(c.frames), f)
			}
			c.frames = append(c.frames, f)
		}
		c.texts[p.Src.Port()] = long
	}
	c.flows, c.whole = 2*n, 7*n
	return c
}

func TestNoConnectionIsSplitOverShards(t *testing.T) {
	const queuesOf, shards, count = 4, 3, 60
	for _, rings := range []int{1, 2, 4} {
		for _, fanout := range []rx.Fanout{rx.FanoutHash, rx.FanoutQueue, rx.FanoutCPU} {
			t.Run(fmt.Sprintf("%d rings by %s", rings, fanout), func(t *testing.T) {
				namespace(t)
				veth(t, "in0", "out0", queuesOf)
				use := queues(t, "out0", queuesOf)
				opened := openRings(t, rx.RingConfig{Interface: "in0", Rings: rings, Fanout: fanout, Blocks: 8, CPUs: []int{-1}})
				live := startReceivers(t, opened, shards)
				c := talk(count)
				s := newSender(t, "out0")
				sent := 0
				for q := range queuesOf {
					use(q)
					for i := q; i < len(c.frames); i += queuesOf {
						sent += s.send(c.frames[i])
					}
				}
				live.until(t, func() bool { return live.packets() >= c.whole })
				live.stop(t)
				if sent != len(c.frames) {
					t.Fatalf("the interface took %d frames of %d", sent, len(c.frames))
				}
				live.check(t, opened, &c, sent)
			})
		}
	}
}

// receivers are receivers of rings that feed the same collectors.
type receivers struct {
	all    []*rx.Receiver
	shards []*collector
	cancel context.CancelFunc
	errs   chan error
}

func startReceivers(t *testing.T, rings []*rx.Ring, shards int) *receivers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	live := &receivers{cancel: cancel, errs: make(chan error, len(rings))}
	outlets := make([]rx.Outlet, shards)
	for i := range outlets {
		c := &collector{flows: map[wire.FlowKey]int{}, texts: map[uint16][]byte{}}
		live.shards = append(live.shards, c)
		outlets[i] = c
	}
	for _, ring := range rings {
		r, err := rx.NewReceiver(ring, outlets, rx.Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		live.all = append(live.all, r)
		go func() { live.errs <- r.Run(ctx) }()
	}
	return live
}

func (l *receivers) packets() (n int) {
	for _, s := range l.shards {
		n += s.packets()
	}
	return n
}

// until waits for something, but not for ever.
func (l *receivers) until(t *testing.T, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("nothing more comes")
}

func (l *receivers) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	for range l.all {
		if err := <-l.errs; err != nil {
			t.Error(err)
		}
	}
}

// check compares what the shards got with what was sent.
func (l *receivers) check(t *testing.T, rings []*rx.Ring, c *conversation, sent int) {
	t.Helper()
	var frames, disposed, forwarded, adopted, noRoom, captured, drops uint64
	for i, r := range l.all {
		n := r.Counters()
		frames, disposed = frames+n.Frames, disposed+n.Disposed()
		forwarded, adopted, noRoom = forwarded+n.Forwarded, adopted+n.Adopted, noRoom+n.ForwardNoRoom
		k := rings[i].Counters()
		captured, drops = captured+k.Packets, drops+k.Drops
	}
	if captured+drops != uint64(sent) || frames != captured || disposed != frames || adopted != forwarded || noRoom != 0 {
		t.Errorf("sent %d, captured %d, dropped %d; received %d, disposed %d; %d forwarded, %d without room, %d adopted",
			sent, captured, drops, frames, disposed, forwarded, noRoom, adopted)
	}
	t.Logf("%d fragments changed the ring", forwarded)
	seen := map[wire.FlowKey]int{}
	for i, s := range l.shards {
		for key := range s.flows {
			if at, ok := seen[key]; ok {
				t.Errorf("%v is on shards %d and %d", key, at, i)
			}
			seen[key] = i
		}
		for port, got := range s.texts {
			if want := c.texts[port]; !bytes.Equal(got, want) {
				t.Errorf("the datagram from port %d has %d octets, want %d as sent", port, len(got), len(want))
			}
			delete(c.texts, port)
		}
	}
	if len(seen) != c.flows || l.packets() != c.whole || len(c.texts) != 0 {
		t.Errorf("%d flows of %d, %d packets of %d, %d datagrams missing", len(seen), c.flows, l.packets(), c.whole, len(c.texts))
	}
}
