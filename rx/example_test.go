package rx_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
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
