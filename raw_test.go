package mbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
)

// TestRawAlone: what raw sockets are shown, and what is counted, does not depend on
// whether somebody wants flows as well, who here gets none: frames that no socket
// wants flows of take a short way.
func TestRawAlone(t *testing.T) {
	for _, c := range captures() {
		t.Run(c.name, func(t *testing.T) {
			frames := c.frames(t)
			alone, counted := rawJournal(t, frames, false)
			among, want := rawJournal(t, frames, true)
			if at := differs(alone, among); at >= 0 {
				t.Errorf("line %d of %d and %d: alone %q, among others %q", at, len(alone), len(among), alone[at], among[at])
			}
			if counted != want {
				t.Errorf("counted is, alone and among others:\n%+v\n%+v", counted, want)
			}
		})
	}
}

// rawJournal is what two raw sockets see, with an event of the user's, a timer and
// a handler that panics now and then, and what is counted.
func rawJournal(t *testing.T, frames []rx.Frame, among bool) (lines []string, counted shard.Stats) {
	t.Helper()
	s := stack(t, mbox.Config{Shards: 1})
	seventh := mbox.Define("seventh", mbox.OnPacket, func(c *mbox.Context) bool { return c.Number()%7 == 0 })
	own := mbox.NewEvent("own")
	note := func(c *mbox.Context) {
		p := c.Packet()
		lines = append(lines, fmt.Sprintf("%s %s: %d %v %v %d octets, flow %v, side %v, from %v", c.Socket().Name(), c.Event(), c.Number(), p.Outcome, p.Key, len(c.Frame()), c.Flow().ID, c.Side(), c.Sender()))
	}
	for _, scope := range []string{"", "tcp[13] & 3 != 0 or udp or icmp"} {
		sock := s.Monitor(mbox.Raw)
		if scope != "" {
			if err := sock.Bind(scope); err != nil {
				t.Fatal(err)
			}
		}
		handle(t, sock, mbox.OnPacket, mbox.PreTCP, note)
		handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
			if c.Number()%1000 == 3 {
				if _, err := c.ArmShard(time.Millisecond); err != nil {
					t.Error(err)
				}
				panic("on purpose")
			}
			if c.Number()%50 == 0 {
				if err := c.Raise(own, nil); err != nil {
					t.Error(err)
				}
			}
		})
		handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) { lines = append(lines, fmt.Sprint(c.Socket().Name(), " timer at ", c.Clock())) })
		handle(t, sock, seventh, mbox.PreTCP, note)
		handle(t, sock, own, mbox.PreTCP, note)
	}
	if among {
		sock := s.Monitor(mbox.Stream)
		if err := sock.Bind("tcp and udp"); err != nil {
			t.Fatal(err)
		}
		handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) { t.Error("a packet is TCP and UDP") })
	}
	if err := s.Run(t.Context(), rx.NewMemory(frames...)); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	counted = st.Total()
	if counted.Panics == 0 || counted.Timers == 0 || len(lines) < len(frames) {
		t.Fatalf("%d panics, %d timers, %d lines of %d frames: too few to prove anything", counted.Panics, counted.Timers, len(lines), len(frames))
	}
	return lines, counted
}

// differs returns the index of the first line that two journals differ in; -1 if
// none is.
func differs(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}
