package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// day is what the office's day has.
const day = `tcp 10.1.0.11:41001 > 192.0.2.80:80: "line 19 of" at octet 1148 of the server
tcp 10.1.0.11:41002 > 192.0.2.80:80: "line 19 of" at octet 1129 of the server
tcp 10.1.0.11:41003 > 192.0.2.80:80: "line 19 of" at octet 1167 of the server
tcp 10.1.0.11:41001 > 192.0.2.80:80: "line 19 of" at octet 4736 of the server
tcp [2001:db8:a::11]:41010 > [2001:db8:80::1]:80: "line 19 of" at octet 1091 of the server
tcp 10.1.0.12:42020 > 198.51.100.21:80: "line 19 of" at octet 1243 of the server
tcp 10.1.0.11:41030 > 198.51.100.21:80: "line 19 of" at octet 1110 of the server
tcp 10.1.0.12:42040 > 192.0.2.80:80: "line 19 of" at octet 1223 of the server
tcp 10.1.0.11:41040 > 192.0.2.80:80: "line 19 of" at octet 1147 of the server
tcp 10.1.0.11:41040 > 192.0.2.80:80: 1460 octets of the server are missing: nothing is found across them
found: 9; gaps: 1
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestAcrossSegments: in order, in reverse, one octet at a time, beginning again
// within itself, on both sides; not across a gap.
func TestAcrossSegments(t *testing.T) {
	defer func(was string) { *text = was }(*text)
	*text = "ababc"
	check(t, play(t, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  101 301 - data="..aba"
> A  106 301 - data="bc.ab"
> A  113 301 - data="bc"
> A  111 301 - data="ab"
> A  115 301 - data="a"
> A  116 301 - data="b"
> A  117 301 - data="a"
> A  118 301 - data="b"
> A  119 301 - data="c"
< A  301 120 - data="ab"
> A  126 303 - data="abc"
< A  303 129 - data="ab"
< A  305 129 - data="c"
`), `tcp 10.0.0.1:40001 > 10.0.0.2:80: "ababc" at octet 2 of the client
tcp 10.0.0.1:40001 > 10.0.0.2:80: "ababc" at octet 14 of the client
tcp 10.0.0.1:40001 > 10.0.0.2:80: 6 octets of the client are missing: nothing is found across them
tcp 10.0.0.1:40001 > 10.0.0.2:80: "ababc" at octet 0 of the server
found: 3; gaps: 1
`)
}

// TestOnABadPath: what is lost before us and what is overtaken changes nothing.
func TestOnABadPath(t *testing.T) {
	defer func(was string) { *text = was }(*text)
	*text = "ver"
	pages, err := traffic.NewConnections(traffic.Lossy(1, 5))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := run(capture(t, pages), &got); err != nil {
		t.Fatal(err)
	}
	n := 0
	for f := range pages.Flows() {
		for _, d := range []wire.Dir{wire.ToServer, wire.ToClient} {
			n += bytes.Count(f.AppendStream(nil, d), []byte(*text))
		}
	}
	if want := fmt.Sprintf("found: %d; gaps: 0\n", n); n == 0 || !strings.HasSuffix(got.String(), want) {
		t.Errorf("want %s, got\n%s", want, &got)
	}
}

func TestNothingToLookFor(t *testing.T) {
	defer func(was string) { *text = was }(*text)
	*text = ""
	if err := run(rx.File("../day.pcap.gz"), &bytes.Buffer{}); err == nil {
		t.Error("an empty text is no error")
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

// play returns a transcript as a source.
func play(t *testing.T, transcript string) rx.Source {
	t.Helper()
	s, err := mboxtest.Parse("transcript", transcript)
	if err != nil {
		t.Fatal(err)
	}
	return s.Source()
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
