package mbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/uevents"
)

// data registers a handler that notes what becomes available and what is missing.
func (j *journal) data(t *testing.T, sock *mbox.Socket) {
	t.Helper()
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("%s %d+%d", c.Side(), c.Offset(), len(c.Payload())) })
	handle(t, sock, mbox.OnGap, mbox.PostTCP, func(c *mbox.Context) { j.add("%s gap %d+%d", c.Side(), c.Gap().Offset, c.Gap().Len) })
}

// The first text of a stream is dropped, "as if the segment had been lost": what
// it had is missing, and comes when it is sent again.
func TestADroppedFirstSegmentLeavesAHole(t *testing.T) {
	for name, c := range map[string]struct {
		rest string
		want []string
	}{
		"sent again": {"> PA 101 301 10\n", []string{"client 0+10", "client 10+10"}},
		"never":      {"< A 301 121 0\n", []string{"client gap 0+10", "client 10+10"}},
	} {
		s := stack(t, mbox.Config{})
		sock := s.Monitor(mbox.Stream)
		dropped := false
		handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
			if len(c.Payload()) > 0 && !dropped {
				dropped = true
				if err := c.Drop(); err != nil {
					t.Error(err)
				}
			}
		})
		var j journal
		j.data(t, sock)
		mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> PA 101 301 10\n> PA 111 301 10\n"+c.rest)
		t.Log(name)
		j.expect(t, c.want...)
	}
}

// Reassembly that is switched on amid a connection begins where the stream is,
// whatever the first segment after that is.
func TestReassemblyBegunMidLife(t *testing.T) {
	for name, c := range map[string]struct {
		rest string
		want []string
	}{
		"next in order":      {"> PA 121 301 10\n", []string{"client 20+10"}},
		"a retransmission":   {"> PA 101 301 10\n> PA 121 301 10\n< A 301 131 0\n", []string{"client 20+10"}},
		"of two segments":    {"> PA 101 301 20\n> PA 121 301 10\n< A 301 131 0\n", []string{"client 20+10"}},
		"partly new":         {"> PA 111 301 20\n", []string{"client 20+10"}},
		"out of order":       {"> PA 131 301 10\n> PA 121 301 10\n", []string{"client 20+10", "client 30+10"}},
		"beyond what is off": {"> PA 131 301 10\n< A 301 141 0\n", []string{"client gap 20+10", "client 30+10"}},
	} {
		s := stack(t, mbox.Config{})
		sock := s.Monitor(mbox.Stream)
		handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			if err := c.SetReassembly(mbox.Client, false); err != nil {
				t.Error(err)
			}
		})
		handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
			if c.Number() == 5 {
				if err := c.SetReassembly(mbox.Client, true); err != nil {
					t.Error(err)
				}
			}
		})
		var j journal
		j.data(t, sock)
		mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> PA 101 301 10\n> PA 111 301 10\n"+c.rest)
		t.Log(name)
		j.expect(t, c.want...)
	}
}

// Sequence numbers come round, offsets do not: a stream of which we miss nearly
// everything passes 2^32 octets, half of RFC 7323's largest window at a time.
func TestOffsetsPassFourGiB(t *testing.T) {
	const jump, jumps = 1 << 29, 20
	script := "> S 100 0 0 ws=14\n< SA 300 101 0 ws=14\n> A 101 301 0 win=65535\n< A 301 101 0 win=65535\n"
	var want []string
	for k := range uint64(jumps) {
		seq := uint32(101 + k*jump)
		script += fmt.Sprintf("> PA %d 301 1\n< A 301 %d 0 win=65535\n", seq, seq+1)
		if k > 0 {
			want = append(want, fmt.Sprintf("client gap %d+%d", (k-1)*jump+1, jump-1))
		}
		want = append(want, fmt.Sprintf("client %d+1", k*jump))
	}
	s := stack(t, mbox.Config{})
	var j journal
	j.data(t, s.Monitor(mbox.Stream))
	mboxtest.Run(t, s, script)
	j.expect(t, want...)
}

// What ends a flow is counted to the nanosecond: a frame that comes when the
// timeout is over meets another flow, one that comes before that the same.
func TestTimeoutsAreExact(t *testing.T) {
	const line = time.Millisecond // what a transcript's next line takes of itself
	for _, c := range []struct {
		life     string // what brings the flow to the state
		timeouts mbox.Timeouts
		flows    uint64 // when the frame comes as the timeout is over
		late     string // the frame
	}{
		{"> S 100 0 0\n", mbox.Timeouts{Embryonic: 5 * time.Second}, 2, "> S 100 0 0"},
		{"> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n", mbox.Timeouts{Established: 5 * time.Second}, 2, "> PA 101 301 5"},
		{"> PA 101 301 5\n", mbox.Timeouts{Established: 5 * time.Second}, 2, "> PA 106 301 5"},
		{"> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> FA 101 301 0\n", mbox.Timeouts{Closing: 5 * time.Second}, 2, "< A 301 102 0"},
		{life, mbox.Timeouts{Closed: 5 * time.Second}, 2, "> A 112 312 0"},
		{"> U 10\n", mbox.Timeouts{Datagram: 5 * time.Second}, 2, "< U 10"},
	} {
		for _, early := range []time.Duration{0, 1} {
			s := stack(t, mbox.Config{Timeouts: c.timeouts})
			handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
			mboxtest.Run(t, s, fmt.Sprintf("%s%s t=+%v\n", c.life, c.late, 5*time.Second-line-early))
			want := c.flows
			if early > 0 {
				want = 1
			}
			if st := s.Stats(); st.Total().Flows != want {
				t.Errorf("%q, %v early: %d flows, want %d", c.late, early, st.Total().Flows, want)
			}
		}
	}
}

// The result of offloaded work comes back to a flow that lives, for the socket
// that asked: not once that has let go of the flow, though another follows it.
func TestAResultIsNotForASocketThatHasLetGo(t *testing.T) {
	s := stack(t, mbox.Config{})
	done := make(chan struct{})
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		err := errors.Join(
			c.Offload(func() any { <-done; return nil }, func(*mbox.Context, any) { t.Error("the socket has let go") }),
			c.Release())
		if err != nil {
			t.Error(err)
		}
	})
	handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) {})
	run(t, s, life, 4, func() {
		close(done)
		time.Sleep(20 * time.Millisecond) // the pool's goroutine has the time it needs
	})
	if st := s.Stats(); st.Total().Lost != 1 {
		t.Errorf("%d results are counted as lost, want 1", st.Total().Lost)
	}
}

// A mark of a released flow lives as long as the connection's state says, though
// nobody follows it: closed, it is gone before a live one would be.
func TestAMarkIdlesAsItsConnectionDoes(t *testing.T) {
	s := stack(t, mbox.Config{Timeouts: mbox.Timeouts{Closed: 5 * time.Second, Established: time.Hour}})
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.Release(); err != nil {
			t.Error(err)
		}
	})
	mboxtest.Run(t, s, life+"> A 112 312 0 t=+4s\n> A 112 312 0 t=+6s\n")
	if st := s.Stats(); st.Total().Fates[shard.FateReleased] != 6 || st.Total().Flows != 2 {
		t.Errorf("%d frames were of the mark, and %d flows began; want 6, 2", st.Total().Fates[shard.FateReleased], st.Total().Flows)
	}
}

// The timers of a shard come after those of its flows, in the order of output as
// in the order of calls.
func TestOutputOfTimersIsInOrder(t *testing.T) {
	var text bytes.Buffer
	s := stack(t, mbox.Config{Shards: 1})
	out := s.Output(&text)
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		for range 2 {
			c.ArmShard(time.Second)
			c.Arm(time.Second)
		}
	})
	var j journal
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		of := "shard"
		if c.Flow() != (mbox.Flow{}) {
			of = "flow"
		}
		j.add("%s %d", of, uint32(c.Timer()))
		out.Printf(c, "%s %d\n", of, uint32(c.Timer()))
	})
	mboxtest.Run(t, s, "> S 100 0 0\nwait 3s\n")
	j.expect(t, "flow 1", "flow 2", "shard 1", "shard 2")
	if got := text.String(); got != strings.Join(j.lines, "\n")+"\n" {
		t.Errorf("written:\n%s", got)
	}
}

// A datagram flow has no endpoints, no order and no stream; what is asked of it
// beyond that is harmless.
func TestDatagramsMeetEverythingAHandlerCanDo(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	if err := sock.KeepStream(100); err != nil {
		t.Fatal(err)
	}
	var j journal
	handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		err := errors.Join(c.SetBuffer(c.Side(), 1000), c.SetPolicy(buffers.Last), c.SetReassembly(c.Side(), true))
		if err != nil {
			t.Error(err)
		}
		if n, err := c.ReadAt(c.Side(), 0, make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("ReadAt = %d, %v", n, err)
		}
		if held := c.Held(c.Side(), nil); len(held) != 0 || c.TCP() != nil || c.State(c.Side()) != mbox.Closed {
			t.Errorf("held %v, TCP %v, state %s", held, c.TCP(), c.State(c.Side()))
		}
		c.Buffered(c.Side())
	})
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if _, err := c.Arm(time.Second); err != nil {
			t.Error(err)
		}
	})
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("%s %d+%d", c.Side(), c.Offset(), len(c.Payload())) })
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		j.add("timer")
		if err := c.Stop(mbox.Client); err != nil {
			t.Error(err)
		}
	})
	handle(t, sock, mbox.OnICMPError, mbox.PostTCP, func(c *mbox.Context) {
		j.add("icmp %s", c.Side())
		if err := c.Release(); err != nil {
			t.Error(err)
		}
	})
	mboxtest.Run(t, s, "> U 10\n< U 20\n> U 5\nwait 2s\n> U 10\n< U 10\nicmp > 3 3\n< U 10\nicmp > 3 3\n")
	j.expect(t, "client 0+10", "server 0+20", "client 10+5", "timer", "server 20+10", "icmp client")
	if st := s.Stats(); st.Total().Fates[shard.FateReleased] != 2 || st.Total().Ended[mbox.EndReleased] != 1 {
		t.Errorf("fates %v, ended %v", st.Total().Fates, st.Total().Ended)
	}
}

// What a handler does as a flow ends, or of one that is not there, has no effect
// and says so.
func TestChangesAsAFlowEnds(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	ends := 0
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) {})
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		ends++
		_, armed := c.Arm(time.Second)
		for what, err := range map[string]error{"Release": c.Release(), "Stop": c.Stop(mbox.Client), "SetReassembly": c.SetReassembly(mbox.Server, true)} {
			if !errors.Is(err, mbox.ErrFlowGone) {
				t.Errorf("%s in OnConnEnd = %v, want ErrFlowGone", what, err)
			}
		}
		if err := errors.Join(armed, c.SetPolicy(buffers.Last), c.SetBuffer(mbox.Client, 100), c.Offload(func() any { return nil }, func(*mbox.Context, any) { t.Error("the flow is gone") })); err != nil {
			t.Error(err)
		}
		if c.Counters(mbox.Client).Packets == 0 || c.Flow() == (mbox.Flow{}) {
			t.Error("what the flow was cannot be read")
		}
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(*mbox.Context) { t.Error("a timer outlived its flow") })
	mboxtest.Run(t, s, life+"wait 2m\n\n"+life)
	if ends != 2 {
		t.Errorf("%d flows ended, want 2", ends)
	}
}

// A socket that lets go of a flow is told of its end at once, with all that there
// is to read, and of nothing after that; another one at the flow's own end.
func TestReleaseEndsTheFlowForItsSocket(t *testing.T) {
	s := stack(t, mbox.Config{})
	one, other := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	var j journal
	value := mbox.NewKey[int]()
	aged := mbox.Define("long", mbox.OnConnEnd, func(c *mbox.Context) bool { return c.Counters(mbox.Client).Packets > 2 })
	handle(t, one, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
		*value.Of(c) = len(c.Payload())
		if err := c.Release(); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{"Release": c.Release(), "Stop": c.Stop(mbox.Client)} {
			if !errors.Is(err, mbox.ErrFlowGone) {
				t.Errorf("%s after Release = %v, want ErrFlowGone", what, err)
			}
		}
	})
	end := func(who string) mbox.Handler {
		return func(c *mbox.Context) {
			j.add("%s %s %s, %d octets, client %s", who, c.Event(), c.Reason(), *value.Of(c), c.State(mbox.Client))
		}
	}
	handle(t, one, mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) { t.Error("the socket has let go") })
	handle(t, other, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("other %s", c.Side()) })
	handle(t, one, mbox.OnConnEnd, mbox.PostTCP, end("one"))
	handle(t, one, aged, mbox.PostTCP, end("one"))
	handle(t, other, mbox.OnConnEnd, mbox.PostTCP, end("other"))
	mboxtest.Run(t, s, life)
	j.expect(t, "other client",
		"one conn-end released, 10 octets, client ESTABLISHED", "one long released, 10 octets, client ESTABLISHED",
		"other server", "other conn-end fin, 10 octets, client CLOSED")
	if st := s.Stats(); st.Total().Ended[mbox.EndReleased] != 0 || st.Total().Ended[mbox.EndFIN] != 1 {
		t.Errorf("ended %v: the other socket has the flow to its end", st.Total().Ended)
	}
}

// Releases, stops and registrations from every event and hook, alone and by the
// only socket: nothing more is raised for the flow than its end, if it has begun,
// and nothing is left of it.
func TestReleaseFromEveryEvent(t *testing.T) {
	for _, ev := range mbox.Events() {
		for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
			s := stack(t, mbox.Config{NoPickup: ev == mbox.OnOrphan})
			sock := s.Monitor(mbox.Stream)
			released, started, ended, later := false, false, 0, 0
			err := sock.Handle(ev, hook, func(c *mbox.Context) {
				if err := c.Release(); err == nil {
					released, started = true, c.Number() > 1 || hook == mbox.PostTCP
				}
			})
			if err != nil {
				continue // not on this hook
			}
			handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { c.Arm(time.Second) })
			for _, other := range mbox.Events() {
				for _, h := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
					sock.Handle(other, h, func(c *mbox.Context) {
						if released && ended == 0 && c.Base() == uevents.KindConnEnd && c.Reason() == mbox.EndReleased {
							ended++
						} else if released {
							later++
							t.Logf("%s %s after %s %s", c.Event(), c.Hook(), ev, hook)
						}
					})
				}
			}
			mboxtest.Run(t, s, eventful)
			st := s.Stats()
			if released && started != (ended == 1) {
				t.Errorf("%s %s: the end is told %d times, of a flow that had begun: %v", ev, hook, ended, started)
			}
			if total := st.Total(); later != 0 || released != (total.Ended[mbox.EndReleased] == 1) || total.Live != 0 || !st.Balanced() {
				t.Errorf("%s %s: %d events after the release, ended %v", ev, hook, later, total.Ended)
			}
		}
	}
}

// A timer fires before the first frame at its time or later, to the nanosecond,
// and two flows' timers in the order of their times. What arms it for no time at
// all is not called again before time has moved.
func TestTimersAreExact(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	var start time.Time
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if start.IsZero() {
			start = c.Now()
		}
		c.Arm(time.Second - c.Now().Sub(start) - 2*time.Duration(c.Number()))
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		j.add("timer of flow %d at %v", c.FirstFrame(), c.Now().Sub(start))
		c.Arm(0)
	})
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { j.add("packet %d at %v", c.Number(), c.Now().Sub(start)) })
	mboxtest.Run(t, s, fmt.Sprintf("> U 10\n\n> U 10\n> U 10 t=+%v\n> U 10\n", time.Second-2*time.Millisecond-3))
	j.expect(t, "packet 1 at 0s", "packet 2 at 1ms",
		"timer of flow 2 at 999.999996ms", "packet 3 at 999.999997ms",
		"timer of flow 1 at 999.999998ms", "timer of flow 2 at 1.000999996s", "packet 4 at 1.000999997s")
}

// A timer for no time at all is due a nanosecond later, and comes behind whatever
// is raised at the time at which it was armed.
func TestATimerComesBehindWhatArmedIt(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	var armed time.Time
	var last mbox.Order
	in := func(c *mbox.Context) {
		if o := c.Order(); o.Compare(last) <= 0 {
			t.Errorf("%s is at %+v, behind %+v", c.Event(), o, last)
		} else {
			last = o
		}
		j.add("%s after %v", c.Event(), c.Now().Sub(armed))
	}
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		armed = c.Now()
		in(c)
		for _, d := range []time.Duration{-time.Second, 0, 1, 2} {
			if _, err := c.Arm(d); err != nil {
				t.Error(err)
			}
		}
	})
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, in)
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, in)
	mboxtest.Run(t, s, "> U 10\n> U 10\n")
	j.expect(t, "conn-start after 0s", "packet after 0s",
		"timer after 1ns", "timer after 1ns", "timer after 1ns", "timer after 2ns", "packet after 1ms")
}

// Clocks that jump by years, and timers beyond the end of time: what is due fires
// once, in order, and nothing takes longer for it.
func TestTimeJumps(t *testing.T) {
	for _, c := range []struct {
		timeouts mbox.Timeouts
		want     []string
	}{
		{mbox.Timeouts{}, []string{"timer 4", "timer 3", "idle-timeout", "timer 8", "timer 7", "shutdown"}},
		{mbox.Timeouts{Established: mbox.Never}, []string{"timer 4", "timer 3", "timer 2", "shutdown"}},
	} {
		s := stack(t, mbox.Config{Timeouts: c.timeouts})
		sock := s.Monitor(mbox.Stream)
		var j journal
		handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			for _, d := range []time.Duration{1<<63 - 1, 8000 * time.Hour, time.Second, 0} {
				if _, err := c.Arm(d); err != nil {
					t.Error(err)
				}
			}
		})
		handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) { j.add("timer %d", c.Timer()) })
		handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("%s", c.Reason()) })
		mboxtest.Run(t, s, "> PA 101 301 5\n> PA 106 301 5 t=+500ms\n> PA 111 301 5 t=+8000h\nwait 2s\n")
		j.expect(t, c.want...)
	}
}

// What a handler registers sees the next event, if that is one of the same
// segment.
func TestWhatIsRegisteredSeesTheRestOfTheSegment(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	note := func(c *mbox.Context) { j.add("%d %s %s", c.Number(), c.Event(), c.Hook()) }
	on := func(c *mbox.Context, ev mbox.Event, hook mbox.Hook) {
		if _, err := c.Register(ev, hook, note); err != nil {
			t.Error(err)
		}
	}
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		on(c, mbox.OnStateChange, mbox.PostTCP)
		on(c, mbox.OnPacket, mbox.PostTCP)
	})
	handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		if c.Number() == 2 {
			on(c, mbox.OnRexmit, mbox.PreTCP)
			on(c, mbox.OnRexmit, mbox.PostTCP)
		}
	})
	mboxtest.Run(t, s, "> S 100 0 0\n> S 100 0 0\n")
	j.expect(t, "1 state-change PostTCP", "1 state-change PostTCP", "1 packet PostTCP",
		"2 rexmit PreTCP", "2 rexmit PostTCP", "2 packet PostTCP")
}
