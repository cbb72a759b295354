package frag_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/wire"
)

// Two fragments arrive in the wrong order; the second brings the datagram back.
func Example() {
	// IPv4, identification 9, protocol 253 (experiments): offset 8 and last,
	// then offset 0 with more to follow.
	frames := [][]byte{
		append([]byte{0x45, 0, 0, 25, 0, 9, 0, 1, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, "orld!"...),
		append([]byte{0x45, 0, 0, 28, 0, 9, 0x20, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, "Hello, w"...),
	}
	table := frag.New(frag.Config{})
	for i, frame := range frames {
		p := parsed(frame)
		packet, v := table.Insert(&p, frame, int64(i))
		fmt.Println(v.Disposition, len(packet))
		if packet != nil {
			fmt.Printf("total length %d, %q\n", packet[3], packet[20:])
		}
	}
	s := table.Stats()
	fmt.Println(s.Received, "received,", s.Merged, "merged,", s.Completed, "completed")
	// Output:
	// held 0
	// completed 33
	// total length 33, "Hello, world!"
	// 2 received, 1 merged, 1 completed
}

// parsed is what wire.Parse finds in a raw IPv4 fragment without options.
func parsed(frame []byte) wire.Packet {
	p := wire.Packet{
		Outcome:      wire.Fragment,
		TransportOff: 20,
		PayloadLen:   uint32(len(frame) - 20),
		Captured:     uint32(len(frame) - 20),
	}
	p.Key.Version = 4
	copy(p.Key.Addr[0][12:], frame[12:16])
	copy(p.Key.Addr[1][12:], frame[16:20])
	return p
}
