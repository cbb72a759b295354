package main

import (
	"bytes"
	"testing"

	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
)

// day is what the office's day has.
const day = `09:00:00 opened 3 closed 0 ongoing 3
09:00:01 opened 0 closed 2 ongoing 1
09:00:14 opened 0 closed 1 ongoing 0
09:02:00 opened 1 closed 0 ongoing 1
09:02:01 opened 0 closed 1 ongoing 0
10:40:00 opened 1 closed 0 ongoing 1
10:40:01 opened 0 closed 1 ongoing 0
11:15:00 opened 1 closed 0 ongoing 1
11:15:30 opened 0 closed 1 ongoing 0
13:30:00 opened 1 closed 0 ongoing 1
13:30:01 opened 0 closed 1 ongoing 0
14:00:00 opened 1 closed 0 ongoing 1
14:00:01 opened 0 closed 1 ongoing 0
14:20:00 opened 1 closed 0 ongoing 1
14:20:01 opened 0 closed 1 ongoing 0
16:00:00 opened 1 closed 0 ongoing 1
16:00:02 opened 0 closed 1 ongoing 0
16:30:00 opened 1 closed 1 ongoing 0
`

func TestDay(t *testing.T) { check(t, rx.File("../day.pcap.gz"), day) }

// TestOngoing: a connection counts from its handshake to its last segment, not to
// the end of its closing timeout; one that is refused never counts, one that is
// open when the capture ends is still ongoing, and so is none on another port.
func TestOngoing(t *testing.T) {
	check(t, play(t, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0

> S  100   0 0 t=1s
< SA 300 101 0
> A  101 301 0
> FA 101 301 0
< FA 301 102 0 t=2s
> A  102 302 0

> S  100   0 0 t=1s
< RA   0 101 0

> U 100
< U 100
`), `22:13:20 opened 1 closed 0 ongoing 1
22:13:21 opened 1 closed 0 ongoing 2
22:13:23 opened 0 closed 1 ongoing 1
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
