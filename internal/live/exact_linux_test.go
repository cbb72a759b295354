package live

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// overheard is what the stack made of the connections it saw.
type overheard struct {
	scoped bool       // no socket wants anything else
	mu     sync.Mutex // handlers run on several shards
	flows  map[mbox.Flow]*conversation
	odd    map[string]int // anomalies by name
	missed uint64         // frames that were not followed
}

// conversation is one flow as the stack sees it.
type conversation struct {
	pieces   [2][]piece
	gaps     [2]uint64 // octets
	evidence mbox.Evidence
	ended    int
}

// piece is what one OnNewData brought.
type piece struct {
	off  uint64
	text []byte
}

// register returns what opens a socket for the TCP of networks that are the
// benches' own.
func (o *overheard) register(t *testing.T) func(*mbox.Stack) {
	return func(s *mbox.Stack) {
		if !o.scoped {
			everything(t, s)
		}
		sock := s.Monitor(mbox.Stream)
		if err := sock.Bind("tcp and (net 10.0.0.0/24 or net 192.168.7.0/24 or net fd00::/12)"); err != nil {
			t.Fatal(err)
		}
		on := func(ev mbox.Event, f func(c *mbox.Context, v *conversation)) {
			handle(t, sock, ev, func(c *mbox.Context) {
				o.mu.Lock()
				defer o.mu.Unlock()
				v := o.flows[c.Flow()]
				if v == nil {
					v = &conversation{}
					o.flows[c.Flow()] = v
				}
				f(c, v)
			})
		}
		on(mbox.OnNewData, func(c *mbox.Context, v *conversation) {
			v.pieces[c.Side()] = append(v.pieces[c.Side()], piece{c.Offset(), bytes.Clone(c.Payload())})
		})
		on(mbox.OnGap, func(c *mbox.Context, v *conversation) { v.gaps[c.Side()] += c.Gap().Len })
		on(mbox.OnAnomaly, func(c *mbox.Context, v *conversation) {
			if o.odd == nil {
				o.odd = map[string]int{}
			}
			o.odd[c.Anomaly().String()]++
		})
		on(mbox.OnConnEnd, func(c *mbox.Context, v *conversation) {
			v.evidence = c.Evidence()
			v.ended++
		})
	}
}

// compare checks the streams against what was said. Where frames were missed,
// and counted, octets may be missing; what is there must be right all the same.
func (o *overheard) compare(t *testing.T, k *talk, missed uint64) {
	t.Helper()
	seen := map[ends]int{}
	octets := 0
	for f, v := range o.flows {
		at := ends{f.Client(), f.Server()}
		p, ok := k.plans[at]
		if !ok {
			if _, turned := k.plans[ends{at.server, at.client}]; missed == 0 || !turned {
				t.Errorf("%s never took place", f)
			}
			continue // its client was guessed when the handshake was missed
		}
		seen[at]++
		for side, text := range [2][]byte{p.request(), p.response()} {
			octets += len(text)
			if err := v.check(side, text, missed > 0); err != nil {
				t.Errorf("%s, side %d, of %d octets: %v", f, side, len(text), err)
			}
		}
		if missed == 0 && !v.evidence.Complete() && !v.evidence.MatchUnknown {
			t.Errorf("%s: %+v", f, v.evidence)
		}
		if v.ended != 1 {
			t.Errorf("%s has ended %d times", f, v.ended)
		}
	}
	for at, n := range seen {
		if n > 1 && missed == 0 {
			t.Errorf("the connection of %v was seen as %d", at, n)
		}
	}
	if len(seen) < len(k.plans) && missed == 0 {
		t.Errorf("%d connections took place, %d were seen", len(k.plans), len(seen))
	}
	t.Logf("%d connections, %d octets, anomalies %v", len(seen), octets, o.odd)
}

// check compares one side's pieces with what it said.
func (v *conversation) check(side int, text []byte, missed bool) error {
	var next, have uint64
	for _, p := range v.pieces[side] {
		if p.off < next || p.off != next && !missed {
			return fmt.Errorf("a piece at %d follows one that ends at %d", p.off, next)
		}
		next = p.off + uint64(len(p.text))
		have += uint64(len(p.text))
		if v.evidence.Midstream {
			continue // offset 0 is the first octet seen, wherever that was
		}
		if next > uint64(len(text)) || !bytes.Equal(text[p.off:next], p.text) {
			return fmt.Errorf("what came at %d was never said there", p.off)
		}
	}
	if missed {
		return nil
	}
	if have != uint64(len(text)) || v.gaps[side] > 0 {
		return fmt.Errorf("%d octets came, and gaps of %d", have, v.gaps[side])
	}
	return nil
}

// exact has connections go from client to server while a stack captures at a
// device, and compares what was said with what it heard.
func exact(t *testing.T, client, server, at *netns.Namespace, device string, rc rx.RingConfig, c mbox.Config, connections int, addresses ...string) *overheard {
	t.Helper()
	o := &overheard{flows: map[mbox.Flow]*conversation{}}
	o.exact(t, client, server, capture(t, at, device, rc, c, o.register(t)), connections, addresses...)
	return o
}

func (o *overheard) exact(t *testing.T, client, server *netns.Namespace, l *live, connections int, addresses ...string) {
	t.Helper()
	k := newTalk()
	for i, a := range addresses {
		converse(t, client, server, a, i*connections, connections, k)
	}
	l.stop()
	o.compare(t, k, l.missed())
	o.missed = l.missed()
}

// TestExact: what real clients and servers say to each other is what the
// streams hold, octet for octet, with the frames that offloads make and with
// those that a wire carries, for any number of rings and shards, whatever the
// kernel deals frames out by; and nothing is found odd about it.
func TestExact(t *testing.T) {
	for _, test := range []struct {
		noOffloads    bool
		rings, shards int
		fanout        rx.Fanout
	}{
		{false, 1, 1, rx.FanoutHash}, {true, 1, 2, rx.FanoutHash}, {false, 2, 2, rx.FanoutHash}, {true, 4, 3, rx.FanoutHash},
		{false, 2, 1, rx.FanoutCPU}, {true, 2, 3, rx.FanoutCPU}, {true, 4, 2, rx.FanoutQueue}, {false, 2, 2, rx.FanoutQueue},
	} {
		t.Run(fmt.Sprintf("%d rings by %s, %d shards, offloads off %v", test.rings, test.fanout, test.shards, test.noOffloads), func(t *testing.T) {
			client, server := netns.PairForTest(t, netns.Cable{NoOffloads: test.noOffloads, Queues: 2})
			exact(t, client, server, server, "s0", rx.RingConfig{Rings: test.rings, Fanout: test.fanout}, mbox.Config{Shards: test.shards},
				60, "10.0.0.2", "fd00::2").sane(t)
		})
	}
}

// wireOwn are anomalies that a veth makes by itself: a sender that moves to another
// CPU hands segments over there before those that still queue for the one it left.
var wireOwn = map[string]bool{"pkt_invalid_timestamp": true, "est_packet_out_of_window": true}

// sane checks that nothing was found odd about connections that went well.
func (o *overheard) sane(t *testing.T) {
	t.Helper()
	for name, n := range o.odd {
		if !wireOwn[name] && o.missed == 0 {
			t.Errorf("%d times: %s", n, name)
		}
	}
}

// TestExactScoped: what the kernel holds back, as no socket wants it, is nothing
// that is missed.
func TestExactScoped(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	o := &overheard{scoped: true, flows: map[mbox.Flow]*conversation{}}
	l := capture(t, server, "s0", rx.RingConfig{}, mbox.Config{}, o.register(t))
	l.scoped = true
	flood(newSender(t, client, "c0"), flows(16, 100), 1000) // datagrams
	o.exact(t, client, server, l, 40, "10.0.0.2", "fd00::2")
}

// TestExactInVXLAN captures what the tunnel is made of.
func TestExactInVXLAN(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("offloads off %v", off), func(t *testing.T) {
			client, server := netns.PairForTest(t, netns.Cable{NoOffloads: off})
			a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
			err := errors.Join(
				netns.VXLAN(42, a, b, netns.End{In: client, Name: "v0", Addrs: []string{"192.168.7.1/24", "fd07::1/64"}}),
				netns.VXLAN(42, b, a, netns.End{In: server, Name: "v0", Addrs: []string{"192.168.7.2/24", "fd07::2/64"}}))
			if errors.Is(err, netns.ErrNoKind) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			exact(t, client, server, client, "c0", rx.RingConfig{Rings: 2}, mbox.Config{Shards: 2}, 40, "192.168.7.2", "fd07::2")
		})
	}
}

// TestExactOnVLAN captures under VLAN devices, where the kernel has them.
func TestExactOnVLAN(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("offloads off %v", off), func(t *testing.T) {
			client, server := netns.PairForTest(t, netns.Cable{NoOffloads: off})
			err := errors.Join(
				netns.VLAN("c0", 7, netns.End{In: client, Name: "c0.7", Addrs: []string{"192.168.7.1/24", "fd07::1/64"}}),
				netns.VLAN("s0", 7, netns.End{In: server, Name: "s0.7", Addrs: []string{"192.168.7.2/24", "fd07::2/64"}}))
			if errors.Is(err, netns.ErrNoKind) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			exact(t, client, server, server, "s0", rx.RingConfig{}, mbox.Config{ByVLAN: true}, 40, "192.168.7.2", "fd07::2")
		})
	}
}

// hops joins a client and a server by way of two hops, before and behind what is
// captured: w1 of the namespace that it returns.
func hops(t *testing.T, noOffloads bool, near, far func(int, *netns.Frame, func(*netns.Frame))) (client, server, middle *netns.Namespace) {
	t.Helper()
	ns := netns.ForTest(t, "client", "middle", "server")
	end := func(i int, name string, addrs ...string) netns.End {
		return netns.End{In: ns[i], Name: name, Addrs: addrs}
	}
	for _, c := range []netns.Cable{
		{A: end(0, "c0", "10.0.0.1/24", "fd00::1/64"), B: end(1, "a0")},
		{A: end(1, "w0"), B: end(1, "w1")},
		{A: end(1, "b0"), B: end(2, "s0", "10.0.0.2/24", "fd00::2/64")},
	} {
		c.NoOffloads = noOffloads
		if err := netns.Connect(c); err != nil {
			t.Fatal(err)
		}
	}
	hop := func(a, b string, pass func(int, *netns.Frame, func(*netns.Frame))) {
		h, err := netns.NewHop(ns[1], a, b, pass)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
	}
	hop("a0", "w0", near)
	hop("w1", "b0", far)
	return ns[0], ns[2], ns[1]
}

// TestExactTagged: the outer tag, which the kernel takes out of each frame,
// is part of what is captured.
func TestExactTagged(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("offloads off %v", off), func(t *testing.T) {
			tag := func(inward int) func(int, *netns.Frame, func(*netns.Frame)) {
				return func(from int, f *netns.Frame, send func(*netns.Frame)) {
					f.Tag = 0
					if from == inward {
						f.Tag = netns.VLANTag(7)
					}
					send(f)
				}
			}
			client, server, middle := hops(t, off, tag(0), tag(1))
			var mu sync.Mutex
			tagged := 0
			o := &overheard{flows: map[mbox.Flow]*conversation{}}
			l := capture(t, middle, "w1", rx.RingConfig{}, mbox.Config{ByVLAN: true, Tap: func(f *rx.Frame) {
				mu.Lock()
				defer mu.Unlock()
				if len(f.Data) > 16 && f.Data[12] == 0x81 && f.Data[13] == 0 && f.Data[15] == 7 {
					tagged++
				}
			}}, o.register(t))
			k := newTalk()
			converse(t, client, server, "10.0.0.2", 0, 40, k)
			converse(t, client, server, "fd00::2", 40, 40, k)
			st := l.stop()
			o.compare(t, k, l.missed())
			if frames, _ := st.Received(); uint64(tagged) != frames {
				t.Errorf("%d of %d frames bear their tag", tagged, frames)
			}
		})
	}
}

// TestExactImpaired: frames are lost, repeated and moved before and behind
// the place of the capture, which therefore sees holes, retransmissions of what
// it has, and segments out of order.
func TestExactImpaired(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("offloads off %v", off), func(t *testing.T) {
			i := netns.Impairment{Lose: 0.01, Repeat: 0.01, Delay: 0.03, Seed: 1}
			client, server, middle := hops(t, off, i.Pass(), i.Pass())
			exact(t, client, server, middle, "w1", rx.RingConfig{}, mbox.Config{Shards: 2}, 30, "10.0.0.2", "fd00::2")
		})
	}
}
