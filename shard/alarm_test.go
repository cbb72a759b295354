package shard

import (
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// A connection that is closed while it is younger than the timeout it began with
// ends exactly when it has been silent for long enough, also where its timer has
// moved before: first to where one side had closed, then on with each packet.
func TestYoungConnectionEndsInTime(t *testing.T) {
	const begin = int64(1e18)
	var ended time.Duration
	var ctl controller
	s := &steady{pool: buffers.NewBatchPool(8, 1)}
	sock, err := ctl.set.Open(&ctl, uevents.Stream, "")
	if err == nil {
		err = sock.Handle(uevents.OnConnEnd, uevents.PostTCP, func(c *uevents.Context) {
			ended = c.Now().Sub(time.Unix(0, begin))
		})
	}
	if err == nil {
		times := Timeouts{Embryonic: 30 * time.Second, Closing: 5 * time.Second, Closed: 3200 * time.Millisecond}
		s.shard, err = New(Config{Checksums: ChecksumsOff, Timeouts: times.Defaults()}, ctl.set.Snapshot())
	}
	if err != nil {
		t.Fatal(err)
	}
	send := func(at time.Duration, d wire.Dir, flags wire.Flags, seq, ack wire.Seq) {
		s.clock = begin + int64(at) - 1000 // run adds a microsecond
		s.run([]buffers.Frame{steadyFrame(1, d, craft.TCP{Seq: seq, Ack: ack, Flags: flags, Wnd: 65535}, 0)})
	}
	send(0, wire.ToServer, wire.SYN, 1000, 0)
	send(0, wire.ToClient, wire.SYN|wire.ACK, 5000, 1001)
	send(0, wire.ToServer, wire.ACK, 1001, 5001)
	send(time.Second, wire.ToServer, wire.FIN|wire.ACK, 1001, 5001)
	for at := 5500 * time.Millisecond; at < 26*time.Second; at += 4 * time.Second {
		send(at, wire.ToClient, wire.ACK, 5001, 1002)
	}
	send(27*time.Second, wire.ToClient, wire.RST|wire.ACK, 5001, 1002)
	s.shard.mark(Mark{Clock: begin + int64(time.Minute), Last: true})
	if want := 30200 * time.Millisecond; ended != want {
		t.Errorf("the connection ended after %v, want %v", ended, want)
	}
}
