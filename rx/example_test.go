package rx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// knocks is a Source of one's own: a client that tries a port a few times.
type knocks struct {
	left  int
	frame [1]rx.Frame
}

// Next implements rx.Source. Its frames lie in memory that is never reused, so
// the chunk has no block.
func (k *knocks) Next(c *rx.Chunk) error {
	*c = rx.Chunk{}
	if k.left == 0 {
		return io.EOF
	}
	path := craft.Path{
		Src: netip.MustParseAddrPort("10.0.0.1:40000"),
		Dst: netip.MustParseAddrPort("192.0.2.80:80"),
	}
	data := craft.AppendTCP(nil, &path, &craft.TCP{Seq: 100, Flags: wire.SYN}, nil)
	at := time.Date(2024, 2, 29, 12, 0, 60-k.left, 0, time.UTC)
	k.frame[0] = rx.Frame{Data: data, Timestamp: at.UnixNano(), WireLen: uint32(len(data)), Link: wire.LinkEthernet}
	k.left--
	c.Frames = k.frame[:]
	return nil
}

// Close implements rx.Source.
func (k *knocks) Close() error { return nil }

// printer is an Outlet that works on the receive goroutine itself.
type printer struct{}

// Batch implements rx.Outlet.
func (printer) Batch(b *buffers.Batch, _ bool) bool {
	for i := range b.Frames {
		f := &b.Frames[i]
		fmt.Println(f.Number, time.Unix(0, f.Clock).UTC().Format(time.TimeOnly),
			f.Packet.Key.Endpoint(f.Packet.Sender), f.Packet.Segment.Flags)
	}
	b.Release()
	return true
}

// Mark implements rx.Outlet.
func (printer) Mark(rx.Mark, bool) bool { return true }

func Example() {
	r, err := rx.NewReceiver(&knocks{left: 3}, []rx.Outlet{printer{}}, rx.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := r.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	c := r.Counters()
	fmt.Println(c.Frames, "received,", c.Handed().Frames, "handed over")
	// Output:
	// 1 12:00:57 10.0.0.1:40000 S
	// 2 12:00:58 10.0.0.1:40000 S
	// 3 12:00:59 10.0.0.1:40000 S
	// 3 received, 3 handed over
}

// Two rings of an interface, shared by the card's queues. It needs CAP_NET_RAW,
// so nothing is run here; mbox's Stack does all of this by itself.
func ExampleOpenRings() {
	rings, err := rx.OpenRings(rx.RingConfig{Interface: "eth0", Rings: 2, Fanout: rx.FanoutQueue})
	if errors.Is(err, rx.ErrPermission) {
		fmt.Println(err) // it names the capability, and how to grant it
		return
	} else if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var wait sync.WaitGroup
	for _, ring := range rings {
		fmt.Println(ring.Setup())
		r, err := rx.NewReceiver(ring, []rx.Outlet{printer{}}, rx.Options{Seed: 1}) // one seed for all
		if err != nil {
			fmt.Println(err)
			return
		}
		wait.Go(func() {
			if err := r.Run(ctx); err != nil {
				fmt.Println(err)
			}
			c := ring.Counters()
			fmt.Println(ring, c.Packets, "frames,", c.Drops, "lost in the ring")
		})
	}
	wait.Wait()
}

// Interface is what Listing 1 of the paper opens: one ring, with defaults.
func ExampleInterface() {
	src := rx.Interface("eth0")
	defer src.Close()
	var c rx.Chunk
	for range 10 {
		if err := src.Next(&c); err != nil {
			fmt.Println(err) // the first call opens it
			return
		}
		fmt.Println(len(c.Frames), "frames")
		c.Release()
	}
}
