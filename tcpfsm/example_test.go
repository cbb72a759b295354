package tcpfsm_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/wire"
)

// A handshake, one segment that is sent twice, and a RST.
func Example() {
	segments := []wire.Segment{
		{Flags: wire.SYN, Seq: 100, Wnd: 1000},
		{Flags: wire.SYN | wire.ACK, Seq: 300, Ack: 101, Wnd: 1000},
		{Flags: wire.ACK, Seq: 101, Ack: 301, Wnd: 1000},
		{Flags: wire.ACK, Seq: 101, Ack: 301, Wnd: 1000, Len: 10},
		{Flags: wire.ACK, Seq: 101, Ack: 301, Wnd: 1000, Len: 20},
		{Flags: wire.RST, Seq: 121},
	}
	var conn tcpfsm.Conn
	for i := range segments {
		seg, d := &segments[i], wire.ToServer
		if i == 1 {
			d = wire.ToClient
		}
		look := conn.Look(seg, d, tcpfsm.Rules{}) // before either endpoint changes
		delta := conn.Step(seg, seg, d, tcpfsm.Rules{})
		fmt.Printf("%v: %v, %v", seg.Flags, conn.State(wire.ToServer), conn.State(wire.ToClient))
		if look.Rexmit.Has(tcpfsm.RexmitText) {
			fmt.Printf("; %d of %d octets again", look.OldLen, seg.Len)
		}
		if delta.Reset {
			fmt.Print("; reset")
		}
		fmt.Println()
	}
	// Output:
	// S: SYN-SENT, SYN-RECEIVED
	// SA: ESTABLISHED, SYN-RECEIVED
	// A: ESTABLISHED, ESTABLISHED
	// A: ESTABLISHED, ESTABLISHED
	// A: ESTABLISHED, ESTABLISHED; 10 of 20 octets again
	// R: CLOSED, CLOSED; reset
}
