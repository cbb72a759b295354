package mbox_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
)

// eventful is a connection that raises every event of a flow: a retransmission, a
// gap, an anomaly, an ICMP error, and a timer that its handlers arm.
const eventful = `
> S    100   0   0
< SA   300 101   0
> A    101 301   0
> PA   101 301  10
> PA   101 301  10
< A    301 111   0
> PA   121 301  10
< A    301 131   0
icmp > 3 1
> SFA  131 301   0
> FA   131 301   0 t=+2s
< FA   301 132   0
> A    132 302   0
`

// A handler that panics, whatever the event and hook, is not called for the flow
// again, and everybody else sees what they would have seen without it.
func TestAPanicOnAnyEventChangesNothingForOthers(t *testing.T) {
	play := func(bad mbox.Event, hook mbox.Hook) (lines []string, panics int, total uint64) {
		s := stack(t, mbox.Config{})
		calls := 0
		one := s.Monitor(mbox.Stream)
		if bad != (mbox.Event{}) {
			if one.Handle(bad, hook, func(c *mbox.Context) { calls++; panic("on purpose") }) != nil {
				return nil, 0, 0 // it is not raised on this hook
			}
		}
		handle(t, one, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			if _, err := c.Arm(time.Second); err != nil {
				t.Error(err)
			}
		})
		two := s.Monitor(mbox.Stream)
		for _, ev := range mbox.Events() {
			for _, h := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
				two.Handle(ev, h, func(c *mbox.Context) {
					lines = append(lines, fmt.Sprintf("%d %s %s %s %s %s", c.Number(), c.Event(), c.Hook(), c.Side(), c.State(mbox.Client), c.State(mbox.Server)))
				})
			}
		}
		handle(t, two, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { c.Arm(time.Second) })
		mboxtest.Run(t, s, eventful)
		st := s.Stats()
		return lines, calls, st.Total().Panics
	}
	want, _, _ := play(mbox.Event{}, 0)
	for _, ev := range mbox.Events() {
		if !slices.ContainsFunc(want, func(l string) bool { return strings.Contains(l, " "+ev.String()+" ") }) && ev != mbox.OnOrphan {
			t.Errorf("the connection raises no %s", ev)
		}
		for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
			got, calls, panics := play(ev, hook)
			if got != nil && !slices.Equal(got, want) {
				t.Errorf("%s %s: others saw\n\t%s\nwithout the panic\n\t%s", ev, hook, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
			if calls > 1 || uint64(calls) != panics {
				t.Errorf("%s %s: called %d times, %d panics counted", ev, hook, calls, panics)
			}
		}
	}
}

// A filter that panics has said no, each time.
func TestAFilterThatPanicsIsFalse(t *testing.T) {
	s := stack(t, mbox.Config{})
	asked := 0
	bad := mbox.Define("bad", mbox.OnPacket, func(*mbox.Context) bool { asked++; panic("on purpose") })
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, bad, mbox.PreTCP, func(*mbox.Context) { t.Error("the event was raised") })
	packets := 0
	handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(*mbox.Context) { packets++ })
	mboxtest.Run(t, s, life)
	if asked != 8 || packets != 8 {
		t.Errorf("asked %d times, %d packets; want 8 of each", asked, packets)
	}
}

// Raw sockets and orphans have no flow that a handler could be off for: there it
// is off once it has panicked too often in a slot.
func TestPanicsWithoutAFlowAreBounded(t *testing.T) {
	for _, c := range []struct {
		cfg  mbox.Config
		kind mbox.SocketKind
		ev   mbox.Event
	}{
		{mbox.Config{}, mbox.Raw, mbox.OnPacket},
		{mbox.Config{NoPickup: true}, mbox.Stream, mbox.OnOrphan},
	} {
		s := stack(t, c.cfg)
		calls, others := 0, 0
		sock := s.Monitor(c.kind)
		handle(t, sock, c.ev, mbox.PreTCP, func(*mbox.Context) { calls++; panic("on purpose") })
		handle(t, sock, c.ev, mbox.PreTCP, func(*mbox.Context) { others++ })
		mboxtest.Run(t, s, strings.Repeat("> PA 101 301 10\n", 20))
		if calls != 4 || others != 20 {
			t.Errorf("%s: called %d times, the handler beside it %d times; want 4 and 20", c.ev, calls, others)
		}
	}
}

// The handler of a panicking evicted, reused or released flow: the record goes
// all the same.
func TestAPanicAtTheEndOfAnEvictedFlow(t *testing.T) {
	s := stack(t, mbox.Config{Memory: 32 << 20, Shards: 1})
	ends := 0
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) { ends++; panic("on purpose") })
	mboxtest.Run(t, s, life+"> S 900 0 0\n> A 901 0 0\n")
	if st := s.Stats(); st.Total().Live != 0 || ends != 2 {
		t.Errorf("%d flows are left, OnConnEnd was raised %d times", st.Total().Live, ends)
	}
}

// What Offload runs may panic too: it has no result then, and that is said.
func TestOffloadedWorkThatPanicsIsCounted(t *testing.T) {
	logged := make(said, 1)
	s := stack(t, mbox.Config{Log: slog.New(slog.NewTextHandler(logged, nil))})
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		err := c.Offload(func() any { panic("on purpose") }, func(*mbox.Context, any) { t.Error("there is no result") })
		if err != nil {
			t.Error(err)
		}
	})
	run(t, s, life, 4, func() {
		if line := <-logged; !strings.Contains(line, "on purpose") {
			t.Errorf("logged %s", line)
		}
	})
	if st := s.Stats(); st.Total().Panics != 1 || st.Total().Lost != 0 {
		t.Errorf("%d panics and %d lost results are counted, want 1 and 0", st.Total().Panics, st.Total().Lost)
	}
}

// TestResultsThatComeTooLateAreCounted: work that is not done when the stack ends has
// no result, and that is said.
func TestResultsThatComeTooLateAreCounted(t *testing.T) {
	s := stack(t, mbox.Config{})
	over := make(chan struct{})
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		err := c.Offload(func() any { <-over; return nil }, func(*mbox.Context, any) { t.Error("the stack has ended") })
		if err != nil {
			t.Error(err)
		}
	})
	mboxtest.Run(t, s, life)
	close(over)
	if st := s.Stats(); st.Total().Offloads != 1 || st.Total().Lost != 1 {
		t.Errorf("%d works were taken, %d results lost, want 1 and 1", st.Total().Offloads, st.Total().Lost)
	}
}

// said is a log, line by line.
type said chan string

// Write implements io.Writer.
func (s said) Write(p []byte) (int, error) {
	s <- string(p)
	return len(p), nil
}
