package shard

import (
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// TestHandshakeTimes: the halves of a handshake, also of one that took no time, as
// it seems where stamps are coarse, and of one that another source's clock has
// set back.
func TestHandshakeTimes(t *testing.T) {
	const unit = rttUnit * time.Nanosecond
	for _, c := range []struct {
		name     string
		clocks   [3]time.Duration
		toServer time.Duration
		toClient time.Duration
	}{
		{"as usual", [3]time.Duration{0, 3 * time.Millisecond, 8 * time.Millisecond}, 3 * time.Millisecond, 5 * time.Millisecond},
		{"at once", [3]time.Duration{0, 0, 0}, unit, unit},
		{"half of it at once", [3]time.Duration{0, time.Second, time.Second}, time.Second, unit},
		{"set back", [3]time.Duration{time.Hour, 0, 0}, unit, unit},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ctl controller
			sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
			var got uevents.RTT
			if err == nil {
				err = sock.Handle(uevents.OnConnEnd, uevents.PostTCP, func(c *uevents.Context) { got = c.RTT() })
			}
			var s *Shard
			if err == nil {
				s, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot())
			}
			if err != nil {
				t.Fatal(err)
			}
			frames := []buffers.Frame{
				steadyFrame(1, wire.ToServer, craft.TCP{Seq: 1000, Flags: wire.SYN, Wnd: 65535}, 0),
				steadyFrame(1, wire.ToClient, craft.TCP{Seq: 5000, Ack: 1001, Flags: wire.SYN | wire.ACK, Wnd: 65535}, 0),
				steadyFrame(1, wire.ToServer, craft.TCP{Seq: 1001, Ack: 5001, Flags: wire.ACK, Wnd: 65535}, 0),
			}
			pool := buffers.NewBatchPool(1, 1)
			for i := range frames {
				frames[i].Clock = 1e18 + int64(c.clocks[i])
				b := pool.Get()
				*b.Next() = frames[i]
				s.run(b)
			}
			s.mark(Mark{Clock: 1e18, Last: true})
			if got.Server != c.toServer || got.Client != c.toClient {
				t.Errorf("%v and %v, want %v and %v", got.Server, got.Client, c.toServer, c.toClient)
			}
		})
	}
}
