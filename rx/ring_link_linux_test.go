package rx_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

func TestWhatCanBeWrongWithAnInterface(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	veth(t, "in1", "out1", 1)
	down(t, "in1")
	taken := openRings(t, rx.RingConfig{Interface: "in0", Rings: 2, FanoutGroup: 77})
	for _, tc := range []struct {
		c    rx.RingConfig
		want error
		says string
	}{
		{rx.RingConfig{Interface: "nosuch0"}, rx.ErrNoInterface, "in0"},
		{rx.RingConfig{Interface: "a name far too long"}, rx.ErrNoInterface, "any"},
		{rx.RingConfig{Interface: "in1"}, rx.ErrInterfaceDown, "ip link set in1 up"},
		{rx.RingConfig{Interface: "in0", Rings: 2, FanoutGroup: 77}, rx.ErrFanoutTaken, "77"},
		{rx.RingConfig{Interface: "in0", FanoutGroup: 77}, rx.ErrFanoutTaken, "another program"},
		{rx.RingConfig{Interface: "out0", Rings: 2, FanoutGroup: 77}, rx.ErrFanoutTaken, "77"},
		{rx.RingConfig{}, rx.ErrOptions, "Interface is empty"},
		{rx.RingConfig{Interface: "in0", Rings: -1, Retire: time.Hour}, rx.ErrOptions, "Retire is 1h0m0s"},
		{rx.RingConfig{Interface: "in0", BlockOctets: 1000, Blocks: 1, CPUs: []int{-2}}, rx.ErrOptions, "CPUs has -2"},
	} {
		rings, err := rx.OpenRings(tc.c)
		if !errors.Is(err, tc.want) || rings != nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: %v, want %v and %q", tc.c, err, tc.want, tc.says)
		}
		if err != nil && !errors.Is(err, rx.ErrOptions) && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %v", err)
		}
	}
	for _, r := range taken {
		r.Close()
	}
	openRings(t, rx.RingConfig{Interface: "in0", Rings: 2, FanoutGroup: 77}) // free again
	src := rx.Interface("nosuch0")
	if err := src.Next(new(rx.Chunk)); !errors.Is(err, rx.ErrNoInterface) {
		t.Errorf("Interface of none: %v", err)
	}
	src.Close()
}

// journal notes what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) has(s string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), s)
}

func TestRingsFollowTheirInterface(t *testing.T) {
	for _, n := range []int{1, 3} {
		namespace(t)
		veth(t, "in0", "out0", 1)
		j := &journal{}
		rings := openRings(t, rx.RingConfig{Interface: "in0", Rings: n, Log: slog.New(slog.NewTextHandler(j, nil)), Blocks: 8})
		live := startReceivers(t, rings, 1)
		arrives := func(what string) {
			t.Helper()
			want := live.packets() + 1
			s := newSender(t, "out0")
			live.until(t, func() bool {
				p := flow(1000, 80)
				s.send(craft.AppendTCP(nil, &p, &craft.TCP{Flags: wire.ACK}, nil)) // until the rings are there
				return live.packets() >= want
			})
			if t.Failed() {
				t.Fatalf("%d rings: nothing arrives %s\n%s", n, what, j.text.String())
			}
		}
		arrives("at first")
		down(t, "in0")
		live.until(t, func() bool { return j.has("is down") })
		up(t, "in0")
		live.until(t, func() bool { return j.has("up again") })
		arrives("after it was down")

		down(t, "in0")
		on(t, "in0", func(l netlink.Link) error { return netlink.LinkSetName(l, "other0") })
		up(t, "other0")
		live.until(t, func() bool { return j.has("renamed") })
		arrives("after it was renamed")

		on(t, "other0", netlink.LinkDel)
		live.until(t, func() bool { return j.has("removed") || j.has("is down") })
		veth(t, "in0", "out0", 1)
		arrives("after it was removed and made again")
		live.until(t, func() bool {
			return !slices.ContainsFunc(rings, func(r *rx.Ring) bool { return r.Counters().Reopened == 0 })
		})
		live.stop(t)
		for _, r := range rings {
			c := r.Counters()
			if c.Reopened != 1 || c.LinkDowns < 1 || c.LinkDowns > 3 || c.BlocksLent != 0 {
				t.Errorf("%v of %d: %+v", r, n, c)
			}
			r.Close()
		}
	}
}

// TestRingDoesNotSpin: a ring whose interface is down or gone costs nearly
// nothing.
func TestRingDoesNotSpin(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0", Log: slog.New(slog.DiscardHandler)})[0]
	for _, state := range []func(){
		func() { down(t, "in0") },
		func() { on(t, "in0", netlink.LinkDel) },
	} {
		state()
		var c rx.Chunk
		calls := 0
		for began := time.Now(); time.Since(began) < 400*time.Millisecond; calls++ {
			if err := r.Next(&c); err != nil {
				t.Fatal(err)
			}
			if len(c.Frames) > 0 || c.Clock == 0 {
				t.Fatalf("a chunk of %d frames, clock %d", len(c.Frames), c.Clock)
			}
		}
		if calls > 20 {
			t.Errorf("Next returned %d times in 400 ms", calls)
		}
	}
}

func TestKernelFilterOnTheWire(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0"})[0]
	s := newSender(t, "out0")
	limit := func(text string) {
		t.Helper()
		program, err := filter.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Limit(nil, []filter.Want{{Program: program, Flow: true}}); err != nil {
			t.Fatal(err)
		}
	}
	tagged := func(p craft.Path) craft.Path {
		p.Tags = []craft.Tag{{TCI: 5}}
		return p
	}
	send := func() {
		for _, p := range []craft.Path{flow(1000, 80), flow(80, 1000), flow(1000, 443), tagged(flow(1000, 80)), tagged(flow(1000, 443))} {
			s.send(craft.AppendTCP(nil, &p, &craft.TCP{Flags: wire.ACK}, nil))
		}
	}
	if text := r.Setup(); !strings.Contains(text, "everything pass") {
		t.Error(text)
	}
	for _, tc := range []struct {
		scope string
		want  uint64
	}{{"tcp dst port 80", 3}, {"tcp port 443", 2}, {"udp", 0}, {"", 5}, {"host 192.0.2.1", 0}} {
		limit(tc.scope)
		was := r.Counters().Packets
		send()
		fetch(t, r, int(tc.want))
		if got := r.Counters().Packets - was; got != tc.want {
			t.Errorf("%q: %d frames passed, want %d (%s)", tc.scope, got, tc.want, r.Setup())
		}
	}
	if text := r.Setup(); !strings.Contains(text, "holds back") {
		t.Error(text)
	}
}
