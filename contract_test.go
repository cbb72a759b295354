package mbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
)

// What a handler raises has the hook and side of the event at hand, also where
// another socket lets go of the flow in the same event and is told so before.
func TestWhatIsRaisedBehindARelease(t *testing.T) {
	ev := mbox.NewEvent("told")
	s := stack(t, mbox.Config{})
	var j journal
	first, second := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	handle(t, first, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("end %s", c.Reason()) })
	at := func(number uint64, do func(*mbox.Context) error) mbox.Handler {
		return func(c *mbox.Context) {
			if c.Number() == number {
				if err := do(c); err != nil {
					t.Error(err)
				}
			}
		}
	}
	handle(t, first, mbox.OnPacket, mbox.PreTCP, at(2, (*mbox.Context).Release))
	handle(t, second, mbox.OnPacket, mbox.PreTCP, at(2, func(c *mbox.Context) error { return c.Raise(ev, nil) }))
	for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
		handle(t, second, ev, hook, func(c *mbox.Context) { j.add("%s %s", c.Hook(), c.Side()) })
	}
	mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n")
	j.expect(t, "end released", "PreTCP server")
}

// Each handler of a socket that has let go of a flow is told of the end, though
// one of them panics.
func TestAPanicAtTheEndOfAReleasedFlow(t *testing.T) {
	s := stack(t, mbox.Config{})
	var j journal
	sock, other := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	handle(t, other, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("other %s", c.Reason()) })
	handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		if c.Number() == 2 {
			c.Release()
		}
	})
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) { panic("on purpose") })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("second %s", c.Reason()) })
	mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n")
	j.expect(t, "second released", "other shutdown")
}

// A timer of a shard and one of a flow do not have the same name: to cancel one of
// them leaves the other.
func TestTimersOfAShardAreNotItsFlows(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 1})
	var j journal
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		ofShard, err := c.ArmShard(time.Second)
		ofFlow, err2 := c.Arm(time.Second)
		j.add("%v %v %v %v", ofShard == ofFlow, c.Disarm(ofShard), err, err2)
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) { j.add("of a flow: %v", c.Flow() != mbox.Flow{}) })
	mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0 t=+3s\n")
	j.expect(t, "false true <nil> <nil>", "of a flow: true")
}

// A handler of shards' timers that always panics is off once it has done so too
// often, whichever frames have brought its timers on, and for no slot of theirs.
func TestAShardsTimerThatPanicsIsBounded(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 1})
	shards, flows := 0, 0
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if c.Number() > 1 {
			c.Arm(time.Second)
			return
		}
		for i := range 10 {
			c.ArmShard(time.Duration(i+1) * time.Second)
		}
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		if c.Flow() != (mbox.Flow{}) {
			flows++
			return
		}
		shards++
		panic("on purpose")
	})
	mboxtest.Run(t, s, "> S 100 0 0\n< RA 0 101 0 t=+20s\n> S 900 0 0\n> S 900 0 0 t=+3s\n")
	if shards != 4 || flows != 1 {
		t.Errorf("called %d times for a shard and %d for a flow, want 4 and 1", shards, flows)
	}
}

// overlapping is a connection of which octets that wait are sent again, as others.
const overlapping = `> S    100   0   0
< SA   300 101   0
> A    101 301   0
> PA   102 301  - data="old"
> PA   102 301  - data="new"
> PA   101 301  - data="a"
`

// The flow keeps the overlap policy that the first socket has asked for when that
// socket lets go of it, whatever else there is to see.
func TestThePolicyOutlivesItsSocket(t *testing.T) {
	for _, raw := range []bool{false, true} {
		s := stack(t, mbox.Config{})
		first, second := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
		if raw {
			handle(t, s.Monitor(mbox.Raw), mbox.OnPacket, mbox.PreTCP, func(*mbox.Context) {})
		}
		if err := first.SetPolicy(mbox.PolicyLast); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		handle(t, second, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { text.Write(c.Payload()) })
		handle(t, first, mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) { c.Release() })
		mboxtest.Run(t, s, overlapping)
		if text.String() != "anew" {
			t.Errorf("a raw socket beside it: %v; the stream is %q, want the last copy: \"anew\"", raw, &text)
		}
	}
}

// What was chosen for a flow holds when reassembly has been off in between.
func TestWhatWasChosenHoldsWhileNobodyReads(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var text strings.Builder
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.SetPolicy(mbox.PolicyLast); err != nil {
			t.Error(err)
		}
		if err := c.SetBuffer(mbox.Server, 5_000_000); err != nil {
			t.Error(err)
		}
	})
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { text.Write(c.Payload()) })
	handle(t, sock, mbox.OnStateChange, mbox.PostTCP, func(c *mbox.Context) {
		for _, side := range []mbox.Dir{mbox.Client, mbox.Server} {
			if err := c.SetReassembly(side, c.To() == mbox.Established); err != nil {
				t.Error(err)
			}
		}
	})
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		fmt.Fprint(&text, " ", c.Buffered(mbox.Server).Limit, " ", c.SetPolicy(mbox.PolicyLast))
	})
	mboxtest.Run(t, s, overlapping)
	if text.String() != "anew 5000000 <nil>" {
		t.Errorf("the stream, its limit and the same wish again: %q, want \"anew 5000000 <nil>\"", &text)
	}
}

// A side that every socket has stopped, or would not have read, is not kept, also
// where history is, or where somebody is told of repeats.
func TestNothingIsKeptOfASideThatNobodyReads(t *testing.T) {
	for what, stop := range map[string]func(*mbox.Context) error{
		"stopped":    func(c *mbox.Context) error { return c.Stop(mbox.Server) },
		"reassembly": func(c *mbox.Context) error { return c.SetReassembly(mbox.Server, false) },
	} {
		for _, history := range []uint64{0, 1000} {
			s := stack(t, mbox.Config{History: history})
			var j journal
			sock := s.Monitor(mbox.Stream)
			if history == 0 { // who asks for nothing keeps nothing
				handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
			}
			handle(t, sock, mbox.OnRexmit, mbox.PostTCP, func(*mbox.Context) {})
			handle(t, sock, mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
				if err := stop(c); err != nil {
					t.Error(err)
				}
			})
			handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
				j.add("%s %v %v", what, c.Held(mbox.Client, nil), c.Held(mbox.Server, nil))
			})
			mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> PA 101 301 10\n< PA 301 101 10\n")
			j.expect(t, what+" [[0,10)] []")
		}
	}
}

// How long a flow may be silent is told by what has been seen of its connection,
// also where nobody follows either endpoint, and whatever else there is to see.
func TestAnUntrackedConnectionThatClosesIsClosing(t *testing.T) {
	for _, raw := range []bool{false, true} {
		s := stack(t, mbox.Config{Timeouts: mbox.Timeouts{Established: time.Hour, Closing: 3 * time.Second}})
		if raw {
			handle(t, s.Monitor(mbox.Raw), mbox.OnPacket, mbox.PreTCP, func(*mbox.Context) {})
		}
		sock := s.Monitor(mbox.Stream)
		var j journal
		handle(t, sock, mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
			for _, side := range []mbox.Dir{mbox.Client, mbox.Server} {
				if err := c.Stop(side); err != nil {
					t.Error(err)
				}
			}
		})
		handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
			j.add("%s %s after %v", c.Reason(), c.State(mbox.Client), c.Now().Sub(c.LastActive()))
		})
		mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> FA 101 301 0\n< FA 301 102 0\n> A 102 302 0\nwait 1m\n")
		j.expect(t, "idle-timeout UNTRACKED after 3s")
	}
}

// Where nothing is held, as nobody reads, ReadAt says so as it does elsewhere.
func TestReadAtOfWhatNobodyReads(t *testing.T) {
	s := stack(t, mbox.Config{})
	var j journal
	handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		var gone *mbox.GoneError
		n, err := c.ReadAt(mbox.Client, 0, make([]byte, 1))
		j.add("%d %v %v", n, errors.Is(err, mbox.ErrGone), errors.As(err, &gone) && !gone.Held)
	})
	mboxtest.Run(t, s, "> S 100 0 0\n")
	j.expect(t, "0 true true")
}

// The room that a flow's streams have is what it is, whether there are any or not:
// the stack's own, and what was asked for since.
func TestBufferedOfWhatNobodyReads(t *testing.T) {
	s := stack(t, mbox.Config{StreamMax: 3_000_000})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) {})
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		if c.Number() == 2 {
			j.add("%d", c.Buffered(mbox.Server).Limit)
			if err := c.SetBuffer(mbox.Server, 5_000_000); err != nil {
				t.Error(err)
			}
		}
		for _, side := range []mbox.Dir{mbox.Client, mbox.Server} {
			if err := c.SetReassembly(side, false); err != nil {
				t.Error(err)
			}
		}
		if c.Number() == 3 {
			j.add("%d %d", c.Buffered(mbox.Server).Limit, c.Buffered(mbox.Client).Limit)
		}
	})
	mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n")
	j.expect(t, "3000000", "5000000 3000000")
}

// A connection whose sides are not stepped any more closes by a RST at the place of
// a FIN that has come, as one that is.
func TestARSTAtTheFINOfAnUntrackedConnection(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
		if err := errors.Join(c.Stop(mbox.Client), c.Stop(mbox.Server)); err != nil {
			t.Error(err)
		}
	})
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("%s", c.Reason()) })
	mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> FA 101 301 0\n< FA 301 102 0\n> R 101 0 0\nwait 61s\n")
	j.expect(t, "rst")
}
