package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/perf/internal/monitor"
)

// settle is how long the monitor is left alone behind the last packet.
const settle = 300 * time.Millisecond

// connections are frames of short connections, to be played again and again:
// each turn they come from another network, so that none is seen twice.
type connections struct {
	frames [][]byte
	client []int // where in each frame the client's address lies
	site   byte  // that the frames have now
}

// framesOfATurn, of a thousand connections at a time, take less than 40 MB.
const framesOfATurn = 320_000

// requestsMax leaves a turn its thousand connections.
const requestsMax = (framesOfATurn/1000 - 6) / 5

// newConnections returns connections of so many requests, each answered by four
// segments, and three segments more to open and to close.
func newConnections(octets, requests int) (*connections, error) {
	cfg := traffic.Staggered(1, framesOfATurn/(6+5*requests), 1000, octets)
	cfg.Exchanges = requests
	s, err := traffic.NewConnections(cfg)
	if err != nil {
		return nil, err
	}
	c := &connections{}
	for _, frame := range traffic.All(s) {
		c.frames = append(c.frames, append([]byte(nil), frame...))
		at := sourceAt
		if frame[sourceAt] != clientNet {
			at = destinationAt
		}
		c.client = append(c.client, at)
	}
	return c, nil
}

// Where addresses and checksums lie in an Ethernet frame with IPv4, without
// options, and TCP; and the first octet of the clients' addresses.
const (
	ipSumAt       = 14 + 10
	sourceAt      = 14 + 12
	destinationAt = 14 + 16
	tcpSumAt      = 14 + 20 + 16
	clientNet     = 10
)

// next moves a frame to another site: the second octet of the client's address.
// RFC 1624 §3 says what that does to the checksums.
func (c *connections) next(i int, site byte) []byte {
	f := c.frames[i]
	at := f[c.client[i]:]
	before := binary.BigEndian.Uint16(at)
	at[1] = site
	after := binary.BigEndian.Uint16(at)
	for _, sumAt := range []int{ipSumAt, tcpSumAt} {
		sum := uint32(^binary.BigEndian.Uint16(f[sumAt:])) + uint32(^before) + uint32(after)
		sum = sum&0xffff + sum>>16
		sum = sum&0xffff + sum>>16
		binary.BigEndian.PutUint16(f[sumAt:], ^uint16(sum))
	}
	return f
}

// play sends frames until end, at a rate or, with 0, as fast as they are taken.
func (c *connections) play(s *netns.Sender, rate int, end time.Time) (sent uint64, err error) {
	began := time.Now()
	for {
		c.site++
		for i := range c.frames {
			if sent%64 == 0 {
				now := time.Now()
				if now.After(end) {
					return sent, nil
				}
				if rate > 0 {
					due := began.Add(time.Duration(float64(sent) / float64(rate) * float64(time.Second)))
					if wait := due.Sub(now); wait > time.Millisecond {
						time.Sleep(wait)
					}
				}
			}
			if err := s.Send(c.next(i, c.site)); err != nil {
				return sent, err
			}
			sent++
		}
	}
}

// cpu prints what mbox web uses for a packet at full load.
func (b *bench) cpu() error {
	idle, err := b.watch(func(*netns.Sender) error { return nil })
	if err != nil {
		return err
	}
	c, err := newConnections(b.octets, b.requests)
	if err != nil {
		return err
	}
	var sent uint64
	var took time.Duration
	var args []string
	if b.profile != "" {
		args = []string{"--profile", b.profile}
	}
	r, err := b.watch(func(s *netns.Sender) (err error) {
		began := time.Now()
		sent, err = c.play(s, 0, began.Add(time.Duration(b.seconds*float64(time.Second))))
		took = time.Since(began)
		return err
	}, args...)
	if err != nil {
		return err
	}
	seen := r.C2S.Packets + r.S2C.Packets
	each := func(t time.Duration) float64 { return float64(t.Nanoseconds()) / float64(max(seen, 1)) }
	fmt.Printf("cpu: mbox web --mode %s, one ring, one shard, segments of %d octets, %d to a connection\n", b.mode, b.octets, 6+5*b.requests)
	fmt.Printf("  sent      %d packets, %.0f a second\n", sent, float64(sent)/took.Seconds())
	fmt.Printf("  counted   %d packets, %d connections opened, %d closed\n", seen, r.Opened, r.Closed)
	fmt.Printf("  dropped   %d by the ring, %d by the mailbox\n", r.RingDrops, r.MailboxDrops)
	fmt.Printf("  CPU       %.0f ns user, %.0f ns system a packet counted (%v and %v to start and stop, not in it)\n",
		each(r.User-idle.User), each(r.System-idle.System), idle.User.Round(time.Millisecond), idle.System.Round(time.Millisecond))
	if seen+r.RingDrops+r.MailboxDrops != sent {
		return fmt.Errorf("%d packets were sent, %d were counted and %d dropped", sent, seen, r.RingDrops+r.MailboxDrops)
	}
	return nil
}

// watch runs mbox web while f sends.
func (b *bench) watch(f func(*netns.Sender) error, args ...string) (*monitor.Result, error) {
	sender, watched, stop, err := pair()
	if err != nil {
		return nil, err
	}
	defer stop()
	m, err := monitor.Start(watched, b.mbox, "s0", b.mode, args...)
	if err != nil {
		return nil, err
	}
	defer m.Kill()
	s, err := netns.NewSender(sender, "c0")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := f(s); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	return m.Stop()
}
