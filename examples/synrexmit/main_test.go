package main

import (
	"bytes"
	"testing"

	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
)

// day is what the office's day has: one server that does not answer.
const day = `10:05:01 tcp 10.1.0.12:42010 > 198.51.100.99:443 after 1.0005s
10:05:03 tcp 10.1.0.12:42010 > 198.51.100.99:443 after 2.0005s
SYNs sent again: 2
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestListing1: a client's SYN counts each time it comes again, a SYN-ACK, data
// and another connection's SYN do not.
func TestListing1(t *testing.T) {
	check(t, play(t, `
> S  100   0  0
> S  100   0  0 t=1s
> S  100   0  0 t=2s
< SA 300 101  0
< SA 300 101  0 t=1s
> A  101 301  0
> PA 101 301 10
> PA 101 301 10 t=1s

> S  100   0  0
`), `22:13:21 tcp 10.0.0.1:40001 > 10.0.0.2:80 after 1.001s
22:13:23 tcp 10.0.0.1:40001 > 10.0.0.2:80 after 2.001s
SYNs sent again: 2
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
