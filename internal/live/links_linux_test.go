package live

import (
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// TestInterfaceComesAndGoes: an interface that goes down, is removed and made
// again, or renamed, is captured on as before when it is back, and all is counted.
func TestInterfaceComesAndGoes(t *testing.T) {
	for name, c := range map[string]rx.RingConfig{"one ring": {}, "rings in order": {Rings: 2, Fanout: rx.FanoutCPU}} {
		t.Run(name, func(t *testing.T) { comesAndGoes(t, c) })
	}
}

func comesAndGoes(t *testing.T, c rx.RingConfig) {
	cable := netns.Cable{}
	client, server := netns.PairForTest(t, cable)
	o := &overheard{flows: map[mbox.Flow]*conversation{}}
	l := capture(t, server, "s0", c, mbox.Config{Shards: 2}, o.register(t))
	l.gone = true
	k := newTalk()
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	counts := func() rx.RingCounters { return l.rings[0].Counters() }
	talked := 0
	talk := func() {
		t.Helper()
		converse(t, client, server, "10.0.0.2", talked, 10, k)
		talked += 10
		waitFor(t, l.settled)
	}
	talk()

	must(server.Down("s0"))
	waitFor(t, func() bool { return counts().LinkDowns == 1 })
	must(server.Up("s0"))
	talk()

	must(server.Remove("s0"))
	waitFor(t, func() bool { return counts().LinkDowns == 2 })
	cable.A = netns.End{In: client, Name: "c0", Addrs: []string{"10.0.0.1/24"}}
	cable.B = netns.End{In: server, Name: "s0", Addrs: []string{"10.0.0.2/24"}}
	must(netns.Connect(cable))
	waitFor(t, func() bool { return counts().Reopened == 1 })
	talk()

	must(server.Down("s0"), server.Rename("s0", "s1"), server.Up("s1"))
	talk()

	l.stop()
	o.compare(t, k, l.missed())
	t.Logf("%+v", counts())
}

// TestRings: whatever the kernel deals frames out to rings by, all frames of a
// connection come to one shard, in order, inside a tunnel, too.
func TestRings(t *testing.T) {
	for _, test := range []struct {
		name   string
		fanout rx.Fanout
		rings  int
	}{{"qm", rx.FanoutQueue, 2}, {"cpu", rx.FanoutCPU, 2}, {"hash", rx.FanoutHash, 4}} {
		t.Run(test.name, func(t *testing.T) {
			client, server := netns.PairForTest(t, netns.Cable{Queues: 2})
			a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
			err := errors.Join(
				netns.VXLAN(42, a, b, netns.End{In: client, Name: "v0", Addrs: []string{"192.168.7.1/24"}}),
				netns.VXLAN(42, b, a, netns.End{In: server, Name: "v0", Addrs: []string{"192.168.7.2/24"}}))
			if err != nil && !errors.Is(err, netns.ErrNoKind) {
				t.Fatal(err)
			}
			addresses := []string{"10.0.0.2", "fd00::2"}
			if err == nil {
				addresses = append(addresses, "192.168.7.2")
			}
			o := &overheard{flows: map[mbox.Flow]*conversation{}}
			var mu sync.Mutex
			shards := map[ends]map[int]bool{} // by either end, in the order of the key
			l := capture(t, server, "s0", rx.RingConfig{Rings: test.rings, Fanout: test.fanout}, mbox.Config{Shards: 3}, func(s *mbox.Stack) {
				o.register(t)(s)
				handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, func(c *mbox.Context) {
					mu.Lock()
					defer mu.Unlock()
					k := c.Flow().Key
					of := ends{k.Endpoint(0), k.Endpoint(1)}
					if shards[of] == nil {
						shards[of] = map[int]bool{}
					}
					shards[of][c.Shard()] = true
				})
			})
			k := newTalk()
			for i, address := range addresses {
				converse(t, client, server, address, i*30, 30, k)
			}
			l.stop()
			o.compare(t, k, l.missed())
			for of, on := range shards {
				if len(on) != 1 {
					t.Errorf("%v was on shards %v", of, on)
				}
			}
			if len(shards) < len(k.plans) && l.missed() == 0 {
				t.Errorf("%d connections were seen of %d", len(shards), len(k.plans))
			}
		})
	}
}
