package wire_test

import (
	"encoding/hex"
	"fmt"

	"github.com/mbox-stack/mbox/wire"
)

// A SYN of 192.0.2.1 to port 443 of 198.51.100.7, tagged with VLAN 100.
const taggedSYN = "02000000000202000000000181000064" + "0800" +
	"450000300001400040064e8bc0000201c6336407" +
	"d43101bb0001e240000000007002ffffdeb40000" + "020405b401010402"

func ExampleParser_Parse() {
	frame, err := hex.DecodeString(taggedSYN)
	if err != nil {
		fmt.Println(err)
		return
	}
	var (
		parser wire.Parser
		p      wire.Packet
	)
	parser.Parse(&p, wire.LinkEthernet, frame)
	fmt.Println(p.Outcome, p.Key.Proto, p.Src(), "->", p.Dst(), "via", p.Encap())
	fmt.Println("seq", p.Segment.Seq, "flags", p.Segment.Flags, "mss", p.Segment.MSS)
	fmt.Println("checksum", wire.VerifyTransport(&p, frame))

	tcp := wire.TCP(p.Transport(frame))
	for kind, value := range tcp.Options() {
		fmt.Println("option", kind, "of", len(value), "octets")
	}
	// Output:
	// whole tcp 192.0.2.1:54321 -> 198.51.100.7:443 via vlan100/ip4
	// seq 123456 flags S mss 1460
	// checksum good
	// option 2 of 2 octets
	// option 1 of 0 octets
	// option 1 of 0 octets
	// option 4 of 0 octets
}
