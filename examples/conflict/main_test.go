package main

import (
	"bytes"
	"testing"

	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
)

// day is what the office's day has: an injected answer.
const day = `tcp 10.1.0.11:41020 > 198.51.100.7:80: octets 0 to 419 of the server came again
  first "6666</title>\n<p>This is line 1 of 4 of t"
  then  "1234</title>\n<p>This is line 1 of 4 of t"
retransmissions with different content: 1
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestConflict: the same octets again are no conflict, in whatever boundaries;
// one octet that differs is, and from there on both contents are shown.
func TestConflict(t *testing.T) {
	check(t, play(t, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> PA 101 301 - data="transfer 100 to bob"
> PA 110 301 - data="100 to"
> PA 101 301 - data="transfer 100 to eve"
< A  301 120 0
> PA 110 301 - data="999"
`), `tcp 10.0.0.1:40001 > 10.0.0.2:80: octets 0 to 19 of the client came again
  first "bob"
  then  "eve"
tcp 10.0.0.1:40001 > 10.0.0.2:80: octets 9 to 12 of the client came again
  first "100"
  then  "999"
retransmissions with different content: 2
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
