package shard

import (
	"testing"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// A segment that would begin a flow, but for want of a record, is an orphan to the
// sockets whose flow it would have been: a SYN,ACK comes from the server.
func TestAnOrphanForWantOfRoomIsOfItsFlowsScope(t *testing.T) {
	s := &steady{pool: buffers.NewBatchPool(8, 1), clock: 1e18}
	var ctl controller
	seen := map[string]int{}
	for _, scope := range []string{"dst port 80", "src port 80"} {
		sock, err := ctl.set.Open(&ctl, uevents.Stream, scope)
		if err == nil {
			err = sock.Bind(scope)
		}
		if err == nil {
			err = sock.Handle(uevents.OnOrphan, uevents.PreTCP, func(*uevents.Context) { seen[scope]++ })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.shard, err = New(Config{Checksums: ChecksumsOff}, ctl.set.Snapshot()); err != nil {
		t.Fatal(err)
	}
	f := steadyFrame(0, wire.ToClient, craft.TCP{Seq: 300, Ack: 101, Flags: wire.SYN | wire.ACK}, 0)
	sl := s.shard.slotOf(f.Hash)
	for range indexProbeMax { // others whose hash is alike to its last bit
		h, _ := s.shard.flows.New()
		if !sl.index.insert(f.Hash, h) {
			t.Fatal("the index is full too early")
		}
	}
	s.run([]buffers.Frame{f})
	if st := &s.shard.stats; st.Fates[FateNoRoom] != 1 || st.Orphans != 1 || st.Flows != 0 {
		t.Fatalf("no room for %d, %d orphans, %d flows", st.Fates[FateNoRoom], st.Orphans, st.Flows)
	}
	if seen["dst port 80"] != 1 || seen["src port 80"] != 0 {
		t.Errorf("the orphan was raised to %v", seen)
	}
}
