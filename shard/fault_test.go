package shard

import (
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// A handler that one flow alone has is off for good when it panics, and nothing is
// remembered of it: there may be one for each flow that ever comes.
func TestPanicsOfHandlersOfOneFlowAreForgotten(t *testing.T) {
	var ctl controller
	s := &steady{pool: buffers.NewBatchPool(8, 1), clock: 1e18}
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err == nil {
		err = sock.Handle(uevents.OnConnStart, uevents.PostTCP, func(c *uevents.Context) {
			if _, err := c.Register(uevents.OnPacket, uevents.PostTCP, func(*uevents.Context) { panic("on purpose") }); err != nil {
				t.Error(err)
			}
		})
	}
	if err == nil {
		s.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot())
	}
	if err != nil {
		t.Fatal(err)
	}
	var frames []buffers.Frame
	for name := range 100 {
		frames = append(frames, steadyFrame(name, wire.ToServer, craft.TCP{Seq: 1, Flags: wire.SYN, Wnd: 65535}, 0))
	}
	for part := range slices.Chunk(frames, 8) {
		s.run(part)
	}
	if s.shard.stats.Panics != 100 || len(s.shard.faults) != 0 {
		t.Errorf("%d panics, %d remembered; want 100 and none", s.shard.stats.Panics, len(s.shard.faults))
	}
	s.shard.mark(Mark{Clock: s.clock, Last: true})
}
