package shard_test

import (
	"fmt"
	"net/netip"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// alone is a stack of one shard.
type alone struct{ set uevents.Set }

// Change implements uevents.Controller.
func (a *alone) Change(change func(*uevents.Set) error) error { return change(&a.set) }

// A shard without a stack: one socket, one batch with one datagram in it, and
// the mark that ends the traffic.
func Example() {
	var a alone
	sock, _ := a.set.Open(&a, uevents.Stream, "")
	sock.Handle(uevents.OnNewData, uevents.PostTCP, func(c *uevents.Context) {
		fmt.Printf("%s: %q\n", c.Flow(), c.Payload())
	})
	sh, err := shard.New(shard.Config{}, a.set.Snapshot())
	if err != nil {
		fmt.Println(err)
		return
	}

	path := craft.Path{Src: netip.MustParseAddrPort("192.0.2.1:5000"), Dst: netip.MustParseAddrPort("192.0.2.2:53")}
	b := buffers.NewBatchPool(8, 1).Get()
	f := b.Next()
	*f = buffers.Frame{Data: craft.AppendUDP(nil, &path, []byte("hello")), Link: wire.LinkEthernet, Number: 1}
	var p wire.Parser
	p.Parse(&f.Packet, f.Link, f.Data)
	f.Hash = f.Packet.Key.Hash(0)

	sh.Traffic.Put(shard.Message{Batch: b}, nil)
	sh.Traffic.Put(shard.Message{Mark: shard.Mark{Last: true}}, nil)
	sh.Run(nil)
	st := sh.Stats()
	fmt.Println("tracked", st.Fates[shard.FateTracked], "ended", st.Ended[uevents.EndShutdown])
	// Output:
	// udp 192.0.2.1:5000 > 192.0.2.2:53: "hello"
	// tracked 1 ended 1
}
