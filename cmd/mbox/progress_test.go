package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// halfway is a source that has read one octet of two, and says when it is asked.
type halfway chan struct{}

// Progress implements source.
func (h halfway) Progress() (done, total int64) {
	select {
	case h <- struct{}{}:
	default:
	}
	return 1, 2
}

// TestProgressYields: the first record takes the line of progress away, for
// good, and one that comes before there is a line finds nothing to take away.
func TestProgressYields(t *testing.T) {
	for name, after := range map[string]time.Duration{"shown": 0, "not yet": time.Hour} {
		var screenful bytes.Buffer
		p := &progress{quit: make(chan struct{}), done: make(chan struct{})}
		out := &screen{&screenful, &session{progress: p}}
		asked := make(halfway, 1)
		go p.show(asked, &screenful, after)
		if after == 0 {
			<-asked
		}
		for range 2 {
			if _, err := out.Write([]byte("a record\n")); err != nil {
				t.Fatal(err)
			}
		}
		p.stop() // as the run's end does
		line, records := "", screenful.String()
		if after == 0 {
			line, records, _ = strings.Cut(records, clearLine+"a")
			records = "a" + records
		}
		if strings.HasPrefix(line, clearLine+" 50%") != (after == 0) || records != "a record\na record\n" {
			t.Errorf("%s: %q", name, &screenful)
		}
	}
}
