package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// day is what the office's day has.
const day = `10.1.0.11:41001 GET / HTTP/1.1
10.1.0.11:41002 GET /style HTTP/1.1
10.1.0.11:41003 GET /picture HTTP/1.1
10.1.0.11:41001 GET /weather HTTP/1.1
[2001:db8:a::11]:41010 GET /sport HTTP/1.1
10.1.0.11:41020 GET /pay HTTP/1.1
10.1.0.12:42020 GET /image.iso HTTP/1.1
10.1.0.11:41030 GET /map HTTP/1.1
10.1.0.12:42040 GET /archive HTTP/1.1
10.1.0.11:41040 GET /letters HTTP/1.1
10.1.0.11:41060 GET /bye HTTP/1.1
839 octets of clients were read, 57693 octets of servers never put in order
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestTheSavingIsWhatServersSent: all that clients sent is read, and nothing of
// the ninety-nine octets in a hundred that servers sent.
func TestTheSavingIsWhatServersSent(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Lossy(1, 9))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := run(capture(t, pages), &got); err != nil {
		t.Fatal(err)
	}
	var sent [2]uint64
	for f := range pages.Flows() {
		sent[wire.ToServer] += f.Octets[wire.ToServer]
		sent[wire.ToClient] += f.Octets[wire.ToClient]
	}
	last := fmt.Sprintf("%d octets of clients were read, %d octets of servers never put in order\n", sent[wire.ToServer], sent[wire.ToClient])
	if lines := strings.SplitAfter(got.String(), "\n"); len(lines) != 9+2 || lines[9] != last {
		t.Errorf("want nine requests, then %q; got\n%s", last, &got)
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
