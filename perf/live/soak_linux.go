package main

import (
	"fmt"
	"math"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/perf/internal/monitor"
)

// How much the memory of the end may differ from that when all had its size: after
// a minute, and in a soak of less than two after half of it.
const (
	soakWithin = 0.05
	soakSettle = time.Minute
)

// memory soaks the monitor in connections, and fails if it grows.
func (b *bench) memory() error {
	c, err := newConnections(b.octets, b.requests)
	if err != nil {
		return err
	}
	// The table is as full as it gets when the first connections leave it, which
	// must be long past when all is to have its size.
	settled := min(soakSettle, b.soak/2)
	idle := settled / 8
	fmt.Printf("soak: %v at %d packets a second, connections kept for %v when they are over\n", b.soak, b.rate, idle)
	sender, watched, stop, err := pair()
	if err != nil {
		return err
	}
	defer stop()
	m, err := monitor.Start(watched, b.mbox, "s0", b.mode, "--idle-timeout", idle.String())
	if err != nil {
		return err
	}
	defer m.Kill()
	s, err := netns.NewSender(sender, "c0")
	if err != nil {
		return err
	}
	defer s.Close()
	var sent, first, last uint64
	end := time.Now()
	for tenth := range 10 {
		end = end.Add(b.soak / 10)
		n, err := c.play(s, b.rate, end)
		if err != nil {
			return err
		}
		sent += n
		if last, err = m.Resident(); err != nil {
			return err
		}
		if first == 0 && time.Duration(tenth+1)*b.soak/10 >= settled {
			first = last
		}
		fmt.Printf("  %2d0 %%   %9d packets sent   %6.1f MiB resident\n", tenth+1, sent, float64(last)/(1<<20))
	}
	time.Sleep(settle)
	r, err := m.Stop()
	if err != nil {
		return err
	}
	change := float64(last)/float64(first) - 1
	fmt.Printf("  %d connections opened, %d closed; %d frames dropped by the ring, %d by the mailbox; memory since %v %+.1f %%\n",
		r.Opened, r.Closed, r.RingDrops, r.MailboxDrops, settled, 100*change)
	if math.Abs(change) > soakWithin {
		return fmt.Errorf("resident memory is not within 5 %% of what it was after %v", settled)
	}
	return nil
}
