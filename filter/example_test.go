package filter_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/wire"
)

// A SYN from 10.0.0.1 to port 80 of 10.0.0.2.
var frame = []byte{
	2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
	0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
	0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
}

func Example() {
	var parser wire.Parser
	var packet wire.Packet
	parser.Parse(&packet, wire.LinkEthernet, frame)

	syn, err := filter.Compile("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and not port 22 or 23")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(syn)
	fmt.Println(syn.Match(&packet, frame))
	fmt.Println(syn.FlowOnly())
	// Output:
	// ((tcp[13] & 18) = 2 and not port 22) or port 23
	// true
	// column 1: "tcp": needs the packet: a flow's key has neither lengths nor other header fields
}

// A scope is decided once for a flow, by its key.
func ExampleProgram_MatchFlow() {
	var parser wire.Parser
	var packet wire.Packet
	parser.Parse(&packet, wire.LinkEthernet, frame)

	web, err := filter.Compile("tcp dst port http or https and src net 10")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := packet.Sender
	fmt.Println(web.FlowOnly(), web.MatchFlow(&packet.Key, client), web.MatchFlow(&packet.Key, client^1))
	// Output: <nil> true false
}

func ExampleCompile() {
	_, err := filter.Compile("tcp and vlann 5")
	fmt.Println(err)
	// Output: column 9: "vlann": unknown word; did you mean vlan?
}
