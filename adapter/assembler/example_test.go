package assembler_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/adapter/assembler"
	"github.com/mbox-stack/mbox/mboxtest"
)

// lines prints the lines of its connection. It is written for gopacket and knows
// nothing of mbox.
type lines struct{}

func (lines) New(network, transport gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	fmt.Println("new", network, transport)
	return lines{}
}

func (lines) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

func (lines) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	direction, _, _, skip := sg.Info()
	if skip > 0 {
		fmt.Println(skip, "octets are missing")
	}
	length, _ := sg.Lengths()
	octets, at := sg.Fetch(length), 0
	for end := bytes.IndexByte(octets, '\n'); end >= 0; end = bytes.IndexByte(octets[at:], '\n') {
		fmt.Println(direction, string(octets[at:at+end]))
		at += end + 1
	}
	sg.KeepFrom(at) // half a line comes again with the rest of it
}

func (lines) ReassemblyComplete(reassembly.AssemblerContext) bool {
	fmt.Println("complete")
	return true
}

func Example() {
	stack, err := mbox.New(mbox.Config{Shards: 1}) // lines are printed without a lock
	check(err)
	_, err = assembler.Attach(stack, stack.Monitor(mbox.Stream), lines{})
	check(err)
	script, err := mboxtest.Parse("a question", `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> PA 105 301 - data="are you?\n"
> PA 101 301 - data="who "
< PA 301 114 - data="mbox\nfor "
< PA 316 114 - data="gopacket\n"
> A  114 325 0
> FA 114 325 0
< FA 325 115 0
> A  115 326 0
`)
	check(err)
	check(stack.Run(context.Background(), script.Source())) // or rx.File("trace.pcap")
	// Output:
	// new 10.0.0.1->10.0.0.2 40001->80
	// client->server who are you?
	// server->client mbox
	// 6 octets are missing
	// server->client gopacket
	// complete
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
