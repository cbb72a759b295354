package craft_test

import (
	"fmt"
	"net/netip"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

func Example() {
	path := craft.Path{
		Src: netip.MustParseAddrPort("10.0.0.1:40000"),
		Dst: netip.MustParseAddrPort("192.0.2.80:80"),
	}
	syn := craft.TCP{Seq: 100, Flags: wire.SYN, Wnd: 64240, Opts: wire.OptMSS, MSS: 1460}
	frame := craft.AppendTCP(nil, &path, &syn, nil)
	fmt.Printf("% x\n% x\n% x\n", frame[:14], frame[14:34], frame[34:])

	// The server does not know the port: an ICMP error quotes the packet.
	answer := path.Reverse()
	icmp := craft.ICMP{Type: 3, Code: 3}
	fmt.Println(len(craft.AppendICMP(nil, &answer, &icmp, frame[path.LinkOctets():])), "octets")
	// Output:
	// 02 00 c0 00 02 50 02 00 0a 00 00 01 08 00
	// 45 00 00 2c 00 00 00 00 40 06 ae 7b 0a 00 00 01 c0 00 02 50
	// 9c 40 00 50 00 00 00 64 00 00 00 00 60 02 fa f0 33 f0 00 00 02 04 05 b4
	// 86 octets
}
