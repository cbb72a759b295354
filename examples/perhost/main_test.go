package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// day is what the office's day has: TCP, UDP, and what was sent twice.
const day = `host               flows  packets     octets  repeated
192.0.2.80             5       42      28027      1460
198.51.100.21          6       71      27166         0
10.1.0.11             13       75       3400         1
10.1.0.1               5        5       2332         0
2001:db8:80::1         1        6       2268         0
198.51.100.7           3       19       1139       419
10.1.0.12              7       55        624         0
2001:db8:a::11         1        6         76         0
10.1.0.31              3       25         34         0
10.1.0.40             13       25          8         0
203.0.113.66          13       14          5         0
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestPages: hosts are accounted for what the generator says that they sent.
func TestPages(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Pages(1, 9))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := run(capture(t, pages), &got); err != nil {
		t.Fatal(err)
	}
	octets := map[netip.Addr]uint64{}
	for f := range pages.Flows() {
		octets[f.Client.Addr()] += f.Octets[wire.ToServer]
		octets[f.Server.Addr()] += f.Octets[wire.ToClient]
	}
	lines := strings.Split(strings.TrimSpace(got.String()), "\n")[1:]
	for _, line := range lines {
		fields := strings.Fields(line)
		if want := octets[netip.MustParseAddr(fields[0])]; fields[3] != fmt.Sprint(want) {
			t.Errorf("%s: want %d octets", line, want)
		}
	}
	if len(lines) != len(octets) {
		t.Errorf("%d hosts have sent, not %d", len(octets), len(lines))
	}
}

func check(t *testing.T, src rx.Source, want string) {
	t.Helper()
	var got bytes.Buffer
	if err := run(src, &got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}

// capture returns generated traffic as a capture.
func capture(t *testing.T, s traffic.Stream) rx.Source {
	t.Helper()
	var file bytes.Buffer
	if _, err := traffic.WriteCapture(&file, s, 0); err != nil {
		t.Fatal(err)
	}
	return rx.Reader("traffic", &file)
}
