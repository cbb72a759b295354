package main

import (
	"bytes"
	"testing"

	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
)

// day is what the office's day has.
const day = `   8 times 10.1.0.11             SYN ttl 64 win 64240 mss 1460 scale 7 options 2 1 1 4 1 3
   6 times 10.1.0.12             SYN ttl 64 win 64240 mss 1460 scale 7 options 2 1 1 4 1 3
   3 times 10.1.0.31             SYN ttl 64 win 64240 mss 1460 scale 7 options 2 1 1 4 1 3
   1 times 10.1.0.40:631         says "printed"
   5 times 192.0.2.80:80         says "HTTP/1.1 200 OK"
   1 times 198.51.100.21:22      says "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
   2 times 198.51.100.21:80      says "HTTP/1.1 200 OK"
   1 times 198.51.100.21:8080    says "hour 0: 21.0 degrees, all quiet"
   2 times 198.51.100.21:8080    says "ok"
   1 times 198.51.100.7:443      says "hello, bob"
   2 times 198.51.100.7:80       says "HTTP/1.1 200 OK"
   1 times 2001:db8:a::11        SYN ttl 64 win 64240 mss 1460 scale 7 options 2 1 1 4 1 3
  12 times 203.0.113.66          SYN ttl 64 win 64240 mss 1460 scale 7 options 2 1 1 4 1 3
   1 times [2001:db8:80::1]:80   says "HTTP/1.1 200 OK"
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestBanner: the first line is what comes first in the stream, not in the
// capture, in however many pieces; clients' text and a SYN-ACK are no assets.
func TestBanner(t *testing.T) {
	check(t, play(t, `
> S  100   0 0 mss=1400 win=8192 ws=2 sackok
< SA 300 101 0 mss=1460
> A  101 301 0
< A  305 101 - data="ready\r\nmore"
< A  301 101 - data="220 "
> A  101 316 - data="HELO"
`), `   1 times 10.0.0.1              SYN ttl 64 win 8192 mss 1400 scale 2 options 2 1 1 4 1 3
   1 times 10.0.0.2:80           says "220 ready"
`)
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

// play returns a transcript as a source.
func play(t *testing.T, transcript string) rx.Source {
	t.Helper()
	s, err := mboxtest.Parse("transcript", transcript)
	if err != nil {
		t.Fatal(err)
	}
	return s.Source()
}
