package traffic_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/wire"
)

// A flood of SYNs with three web pages in it, whose octets are known.
func Example() {
	pages, err := traffic.NewConnections(traffic.Pages(1, 3))
	if err != nil {
		fmt.Println(err)
		return
	}
	flood, err := traffic.NewFlood(traffic.FloodConfig{Kind: traffic.FloodSYN, Frames: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	frames, octets := 0, 0
	for _, frame := range traffic.All(traffic.Merge(flood, pages)) {
		frames++
		octets += len(frame)
	}
	fmt.Println(frames, "frames,", octets, "octets")
	for f := range pages.Flows() {
		sum := f.SHA256(wire.ToClient)
		fmt.Printf("%v -> %v: %d octets, sha256 %x...\n", f.Client, f.Server, f.Octets[wire.ToClient], sum[:4])
	}
	// Output:
	// 1048 frames, 94992 octets
	// 10.0.0.1:10000 -> 192.0.2.1:80: 8192 octets, sha256 fd5cd444...
	// 10.0.0.2:10000 -> 192.0.2.2:80: 8192 octets, sha256 d09d3fff...
	// 10.0.0.3:10000 -> 192.0.2.3:80: 8192 octets, sha256 0360b8d7...
}

// What the demo has to show.
func ExampleDemo() {
	for f := range traffic.NewDemo().Flows() {
		fmt.Printf("%-21v %-21v %5d %5d  %s\n", f.Client, f.Server, f.Octets[wire.ToServer], f.Octets[wire.ToClient], f.Note)
	}
	// Output:
	// 10.1.0.11:41001       192.0.2.80:80           149  4845  two pages over one connection
	// 10.1.0.11:41002       192.0.2.80:80            76  1790  a style of the page, at the same time
	// 10.1.0.11:41003       192.0.2.80:80            78  5332  a picture of the page, at the same time
	// [2001:db8:a::11]:41010 [2001:db8:80::1]:80      76  2268  IPv6, from VLAN 20
	// 10.1.0.12:42001       10.1.0.40:9100            0     0  refused: the SYN is answered by RST
	// 10.1.0.12:42002       10.1.0.40:9100            0     0  refused: the SYN is answered by RST
	// 10.1.0.12:42010       198.51.100.99:443         0     0  no answer: the SYN is sent three times, then an ICMP error
	// 10.1.0.11:41020       198.51.100.7:80          74   419  the answer comes twice, with different octets: injected
	// 10.1.0.12:42020       198.51.100.21:80         81 14600  reset by the server in the middle of an answer
	// 10.1.0.31:43001       198.51.100.21:8080       18   256  half-closed for minutes: data after the client's FIN
	// 10.1.0.12:42030       198.51.100.21:22        432   624  picked up in the middle: no SYN was seen, and no end
	// 10.1.0.11:41030       198.51.100.21:80         75 11680  eight segments arrive out of order
	// 10.1.0.12:42040       192.0.2.80:80            78  8760  one segment lost before us, one behind us; both sent again
	// 10.1.0.11:41040       192.0.2.80:80            78  2920  a segment that only the capture missed: a gap, then on
	// 203.0.113.66:60000    10.1.0.40:20              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:21              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:22              0     0  port scan: open, reset at once
	// 203.0.113.66:60000    10.1.0.40:23              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:24              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:25              0     0  port scan: no answer
	// 203.0.113.66:60000    10.1.0.40:26              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:27              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:28              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:29              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:30              0     0  port scan: refused
	// 203.0.113.66:60000    10.1.0.40:31              0     0  port scan: no answer
	// 10.1.0.11:41050       10.1.0.40:631          2625     8  a zero window and its probes, then keep-alives
	// 10.1.0.12:42050       198.51.100.7:443         33    21  a forged RST misses: the connection lives on
	// 10.1.0.11:41060       198.51.100.7:80          74   280  both sides close at the same time
	// 10.1.0.31:43002       198.51.100.21:8080        8     3  closed properly
	// 10.1.0.31:43002       198.51.100.21:8080        8     3  a new connection on the ports of the one before
}
