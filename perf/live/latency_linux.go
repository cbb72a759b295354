package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// latencyEvery is how far packets are apart: blocks are handed over by their
// time, not because they are full.
const latencyEvery = 500 * time.Microsecond

// latency prints how long packets take from the kernel to a handler.
func (b *bench) latency() error {
	fmt.Println("latency: from the kernel's timestamp to a handler")
	for _, way := range []struct {
		says string
		rx.RingConfig
	}{{"one ring", rx.RingConfig{Rings: 1}}, {"two rings by cpu, in order", rx.RingConfig{Rings: 2, Fanout: rx.FanoutCPU}}} {
		for _, way.Retire = range []time.Duration{time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond} {
			times, err := b.delays(way.RingConfig)
			if err != nil {
				return err
			}
			if len(times) == 0 {
				return errors.New("no packet has come")
			}
			slices.Sort(times)
			at := func(percent int) time.Duration { return times[(len(times)-1)*percent/100].Round(time.Microsecond) }
			fmt.Printf("  %-26s  retire %-5v p50 %-8v p99 %-8v of %d packets\n", way.says, way.Retire, at(50), at(99), len(times))
		}
	}
	return nil
}

// delays has packets come while a stack captures, and returns how long each took.
func (b *bench) delays(c rx.RingConfig) (times []time.Duration, err error) {
	sender, watched, stop, err := pair()
	if err != nil {
		return nil, err
	}
	defer stop()
	stack, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		return nil, err
	}
	sock := stack.Monitor(mbox.Stream)
	err = errors.Join(sock.Bind("udp"), sock.Handle(mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		times = append(times, time.Since(c.Timestamp())) // one shard runs all handlers
	}))
	if err != nil {
		return nil, err
	}
	var rings []*rx.Ring
	if err := watched.Do(func() (err error) {
		c.Interface = "s0"
		rings, err = rx.OpenRings(c)
		return err
	}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	var sources []rx.Source
	for _, r := range rings {
		sources = append(sources, r)
	}
	go func() { ended <- stack.Run(ctx, sources...) }()
	err = b.drip(sender)
	time.Sleep(settle)
	cancel()
	return times, errors.Join(err, <-ended)
}

// drip sends a packet at a time.
func (b *bench) drip(in *netns.Namespace) error {
	s, err := netns.NewSender(in, "c0")
	if err != nil {
		return err
	}
	defer s.Close()
	p := craft.Path{Src: netip.MustParseAddrPort("10.0.0.1:5000"), Dst: netip.MustParseAddrPort("10.0.0.2:5000")}
	frame := craft.AppendUDP(nil, &p, make([]byte, b.octets))
	for n := range int(b.seconds * float64(time.Second) / float64(latencyEvery)) {
		if n%4 == 0 {
			time.Sleep(4 * latencyEvery) // shorter sleeps are no sleeps
		}
		if err := s.Send(frame); err != nil {
			return err
		}
		for spin := time.Now(); n%4 != 3 && time.Since(spin) < latencyEvery/4; {
			// A little apart, so that not all four fall into one moment of the timer.
		}
	}
	return nil
}
