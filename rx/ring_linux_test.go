package rx_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// openRings opens rings and closes them with the test.
func openRings(t testing.TB, c rx.RingConfig) []*rx.Ring {
	t.Helper()
	rings, err := rx.OpenRings(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range rings {
			r.Close()
		}
	})
	return rings
}

// idleMax is how many times in a row Next may have no frames, a tenth of a second
// each, before it is believed that none will come.
const idleMax = 8

// fetch calls Next until there have been n frames, or none for most of a second, and
// returns copies.
func fetch(t testing.TB, r rx.Source, n int) (frames []rx.Frame) {
	t.Helper()
	var c rx.Chunk
	for idle := 0; len(frames) < n && idle < idleMax; {
		if err := r.Next(&c); err != nil {
			t.Fatal(err)
		}
		if len(c.Frames) == 0 {
			idle++
		}
		for _, f := range c.Frames {
			f.Data = bytes.Clone(f.Data)
			frames = append(frames, f)
		}
		c.Release()
	}
	return frames
}

// numbered returns an Ethernet frame of a length, of a local experimental
// EtherType, that bears a number.
func numbered(n, octets int) []byte {
	f := make([]byte, octets)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
	binary.BigEndian.PutUint32(f[14:], uint32(n))
	return f
}

func TestRingBringsFramesAsTheyWereSent(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0"})[0]
	s := newSender(t, "out0")
	before := time.Now().Add(-time.Millisecond).UnixNano()
	var want [][]byte
	for n := range 1000 {
		want = append(want, numbered(n, 60+n))
	}
	sent := s.send(want...)
	got := fetch(t, r, sent)
	if len(got) != len(want) {
		t.Fatalf("%d frames of %d came: %+v", len(got), len(want), r.Counters())
	}
	for i, f := range got {
		if !bytes.Equal(f.Data, want[i]) || f.WireLen != uint32(len(want[i])) {
			t.Fatalf("frame %d: %d octets of %d, want %d as sent", i, len(f.Data), f.WireLen, len(want[i]))
		}
		if f.Timestamp < before || f.Timestamp > time.Now().UnixNano() {
			t.Fatalf("frame %d was captured at %v, in %v", i, f.Timestamp, before)
		}
	}
	if c := r.Counters(); c.Packets != uint64(sent) || c.Drops != 0 || c.BlocksLent != 0 {
		t.Errorf("counted %+v, sent %d", c, sent)
	}
	t.Log(r.Setup())
}

func TestRingPutsVLANTagsBack(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0"})[0]
	tags := [][]byte{
		{0x81, 0x00, 0x60, 0x05},
		{0x88, 0xa8, 0x00, 0x07},
		{0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0xef, 0xff},
	}
	var want [][]byte
	for _, tag := range tags {
		plain := numbered(1, 100)
		want = append(want, slices.Concat(plain[:12], tag, plain[12:]))
	}
	newSender(t, "out0").send(want...)
	for i, f := range fetch(t, r, len(want)) {
		if !bytes.Equal(f.Data, want[i]) || int(f.WireLen) != len(want[i]) {
			t.Errorf("tag % x: came as\n% x\nwant\n% x", tags[i], f.Data[:24], want[i][:24])
		}
	}
}

func TestRingLeavesOutSecondCopiesOnLoopback(t *testing.T) {
	namespace(t)
	for _, name := range []string{"lo", rx.AnyInterface} {
		r := openRings(t, rx.RingConfig{Interface: name})[0]
		const n = 100
		newSender(t, "lo").send(slices.Repeat([][]byte{numbered(7, 80)}, n)...)
		got := fetch(t, r, n+1)
		c := r.Counters()
		if len(got) != n || c.Loopbacks != n || c.Packets != 2*n {
			t.Errorf("%s: %d frames of %d; %+v", name, len(got), n, c)
		}
		if len(got) > 0 && got[0].Link != wire.LinkEthernet {
			t.Errorf("%s: link type %v", name, got[0].Link)
		}
	}
}

func TestRingKnowsLinksWithoutEthernet(t *testing.T) {
	namespace(t)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no tun devices: %v", err)
	}
	defer unix.Close(fd)
	q, _ := unix.NewIfreq("tun0")
	q.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, q); err != nil {
		t.Skipf("no tun device: %v", err)
	}
	up(t, "tun0")
	for _, name := range []string{"tun0", rx.AnyInterface} {
		r := openRings(t, rx.RingConfig{Interface: name})[0]
		p := craft.Path{Src: netip.MustParseAddrPort("10.0.0.1:1"), Dst: netip.MustParseAddrPort("10.0.0.2:2"), Link: craft.Bare}
		packet := craft.AppendUDP(nil, &p, []byte("text"))
		if _, err := unix.Write(fd, packet); err != nil {
			t.Fatal(err)
		}
		got := fetch(t, r, 1)
		if len(got) != 1 || got[0].Link != wire.LinkRaw || !bytes.Equal(got[0].Data, packet) {
			t.Errorf("%s: came as %+v", name, got)
		}
	}
}

// TestRingKeepsLentBlocks: what is lent stays as it is, also after Close, and
// where the kernel has gone on with the block; there are as many copies as
// blocks, and what there is no room for then is counted.
func TestRingKeepsLentBlocks(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	const blocks = 4
	r := openRings(t, rx.RingConfig{Interface: "in0", Blocks: blocks, BlockOctets: 16 << 10})[0]
	s := newSender(t, "out0")
	var lent []rx.Chunk
	sent := 0
	for len(lent) < 2*blocks {
		for range 20 {
			sent += s.send(numbered(sent, 1000))
		}
		var c rx.Chunk
		if err := r.Next(&c); err != nil {
			t.Fatal(err)
		}
		if len(c.Frames) > 0 {
			c.Frames = slices.Clone(c.Frames)
			lent = append(lent, c)
		}
	}
	for range 50 {
		sent += s.send(numbered(sent, 1000))
	}
	received := 0
	for _, c := range lent {
		received += len(c.Frames)
	}
	var none rx.Chunk
	if err := r.Next(&none); err != nil || len(none.Frames) != 0 {
		t.Fatalf("with all blocks lent there are %d frames, %v", len(none.Frames), err)
	}
	k := r.Counters()
	if k.Unread != 0 || k.BlocksLent != 2*blocks || k.BlocksMoved != blocks || k.Drops == 0 || k.Packets+k.Drops != uint64(sent) || k.Packets != uint64(received) {
		t.Errorf("sent %d, received %d: %+v", sent, received, k)
	}
	lent[1].Release()
	lent[7].Release() // in any order, and from anywhere
	lent[0].Release()
	r.Close()
	n := -1
	for _, c := range lent[2:7] {
		for _, f := range c.Frames {
			if got := int(binary.BigEndian.Uint32(f.Data[14:])); got <= n || len(f.Data) != 1000 {
				t.Fatalf("after Close a lent frame is number %d behind %d, of %d octets", got, n, len(f.Data))
			} else {
				n = got
			}
		}
		done := make(chan struct{})
		go func() { c.Release(); close(done) }()
		<-done
	}
	if err := r.Next(&none); !errors.Is(err, rx.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
}

// TestRingGoesOnWhileBlocksAreHeld: a reader that holds a few blocks for long, and
// others a little, loses nothing, however often the ring goes round, and what it
// holds does not change.
func TestRingGoesOnWhileBlocksAreHeld(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0", Blocks: 8, BlockOctets: 16 << 10, Retire: time.Millisecond})[0]
	s := newSender(t, "out0")
	type held struct {
		chunk rx.Chunk
		first int
		until int
	}
	var all []held
	check := func(h *held) {
		t.Helper()
		for i, f := range h.chunk.Frames {
			if got := int(binary.BigEndian.Uint32(f.Data[14:])); got != h.first+i || f.Data[500] != byte(got) {
				t.Fatalf("frame %d, held, is now number %d, %d", h.first+i, got, f.Data[500])
			}
		}
		h.chunk.Release()
	}
	sent, got := 0, 0
	for turn := range 400 {
		for range 5 {
			f := numbered(sent, 600)
			f[500] = byte(sent)
			sent += s.send(f)
		}
		for idle := 0; got < sent; {
			var c rx.Chunk
			if err := r.Next(&c); err != nil {
				t.Fatal(err)
			}
			if len(c.Frames) == 0 {
				if idle++; idle == idleMax {
					t.Fatalf("%d of %d frames came: %+v", got, sent, r.Counters())
				}
				continue
			}
			idle = 0
			c.Frames = slices.Clone(c.Frames)
			h := held{c, got, turn + turn%7}
			if turn%100 == 50 {
				h.until = turn + 80
			}
			got += len(c.Frames)
			all = append(all, h)
		}
		all = slices.DeleteFunc(all, func(h held) bool {
			if h.until <= turn {
				check(&h)
				return true
			}
			return false
		})
	}
	k := r.Counters()
	if k.Drops != 0 || k.BlocksMoved < 40 || k.Packets != uint64(sent) {
		t.Errorf("sent %d: %+v", sent, k)
	}
	r.Close()
	for i := range all {
		check(&all[i])
	}
	t.Logf("%+v", k)
}

// TestFramesLeftInTheRingAreCounted closes a ring before it has been read.
func TestFramesLeftInTheRingAreCounted(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0"})[0]
	sent := newSender(t, "out0").send(slices.Repeat([][]byte{numbered(1, 100)}, 30)...)
	for range 200 {
		if r.Counters().Packets == uint64(sent) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Close()
	if c := r.Counters(); c.Packets != uint64(sent) || c.Unread != uint64(sent) {
		t.Errorf("sent %d: %+v", sent, c)
	}
}

func TestRingResumesWhenBlocksComeBack(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0", Blocks: 3, BlockOctets: 16 << 10})[0]
	s := newSender(t, "out0")
	dropped := uint64(0)
	for round := range 20 {
		s.send(numbered(round, 100))
		var c rx.Chunk
		for len(c.Frames) == 0 {
			if err := r.Next(&c); err != nil {
				t.Fatal(err)
			}
			// Where all three blocks were lent yet, the frame found no room.
			if drops := r.Counters().Drops; len(c.Frames) == 0 && drops > dropped {
				dropped = drops
				s.send(numbered(round, 100))
			}
		}
		if got := binary.BigEndian.Uint32(c.Frames[0].Data[14:]); got != uint32(round) || len(c.Frames) != 1 {
			t.Fatalf("round %d: %d frames, the first is number %d", round, len(c.Frames), got)
		}
		go c.Release()
	}
}

func TestCloseEndsNextThatWaits(t *testing.T) {
	namespace(t)
	before := descriptors(t)
	for range 20 {
		rings := openRings(t, rx.RingConfig{Interface: "lo", Rings: 2})
		done := make(chan error)
		for _, r := range rings {
			go func() {
				var c rx.Chunk
				err := error(nil)
				for err == nil {
					err = r.Next(&c)
					c.Release()
				}
				done <- err
			}()
		}
		for _, r := range rings {
			r.Close()
			if err := r.Close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
			if err := <-done; !errors.Is(err, rx.ErrClosed) {
				t.Errorf("Next ended with %v", err)
			}
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors returns how many the program has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestGarbageOfEveryLength sends frames of every length that the interface
// takes, and counts them.
func TestGarbageOfEveryLength(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	for _, name := range []string{"in0", "out0"} {
		on(t, name, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 65535) })
	}
	ring := openRings(t, rx.RingConfig{Interface: "in0", BlockOctets: 1 << 20, Blocks: 16})
	live := startReceivers(t, ring, 2)
	s := newSender(t, "out0")
	garbage := rand.New(rand.NewPCG(3, 4))
	sent := 0
	for n := 14; n < 65535; n += 1 + n/300 {
		f := make([]byte, n)
		for i := range f {
			f[i] = byte(garbage.Uint32())
		}
		f[0] &^= 1
		if n%3 == 0 {
			copy(f[12:], []byte{8, 0, 0x45})
		} else if n%3 == 1 {
			copy(f[12:], []byte{0x86, 0xdd, 0x60})
		}
		sent += s.send(f)
	}
	seen := func() uint64 { c := ring[0].Counters(); return c.Packets + c.Drops }
	live.until(t, func() bool { return seen() == uint64(sent) })
	live.stop(t)
	c, k := live.all[0].Counters(), ring[0].Counters()
	if c.Disposed() != c.Frames || k.Packets+k.Drops != uint64(sent) || c.Frames > k.Packets {
		t.Errorf("sent %d, %+v, received %d, disposed %d", sent, k, c.Frames, c.Disposed())
	}
	t.Logf("%d frames sent, %d dropped", sent, k.Drops)
}

// TestReceiversArePinned: the goroutine of a ring's receiver runs on its CPU
// alone, and its thread is as it was when the receiver has ended.
func TestReceiversArePinned(t *testing.T) {
	namespace(t)
	all := sys.CPUs()
	last := all[len(all)-1]
	for _, tc := range []struct {
		c    rx.RingConfig
		cpu  int
		want []int
	}{
		{rx.RingConfig{}, last, []int{last}},
		{rx.RingConfig{CPUs: []int{all[0]}}, all[0], []int{all[0]}},
		{rx.RingConfig{Fanout: rx.FanoutCPU}, all[0], []int{all[0]}},
		{rx.RingConfig{CPUs: []int{-1}}, -1, all},
	} {
		tc.c.Interface = "lo"
		r := openRings(t, tc.c)[0]
		if cpu := r.CPU(); cpu != tc.cpu {
			t.Errorf("%+v: CPU %d, want %d", tc.c, cpu, tc.cpu)
		}
		var during []int
		receiver, err := rx.NewReceiver(r, []rx.Outlet{&collector{flows: map[wire.FlowKey]int{}}}, rx.Options{
			Limit: 1, Tap: func(*rx.Frame) { during = sys.CPUs() },
		})
		if err != nil {
			t.Fatal(err)
		}
		newSender(t, "lo").send(numbered(1, 100))
		if err := receiver.Run(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(during, tc.want) {
			t.Errorf("%+v: ran on CPUs %v, want %v", tc.c, during, tc.want)
		}
		if after := sys.CPUs(); !slices.Equal(after, all) {
			t.Errorf("%+v: the thread stays on CPUs %v", tc.c, after)
		}
	}
}
