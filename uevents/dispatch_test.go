package uevents

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

func yes(*Context) bool { return true }
func no(*Context) bool  { return false }

// The contract of docs/EVENTS.md: event-major, sockets in order of creation,
// handlers in order of registration.
func TestAnEventGoesToAllSocketsBeforeTheNext(t *testing.T) {
	b := newBench(t)
	first, second := b.socket(Stream), b.socket(Stream)
	b.handle(second, OnNewData, PostTCP, b.say("2a"))
	b.handle(first, OnPacket, PostTCP, b.say("1p"))
	b.handle(first, OnNewData, PostTCP, b.say("1a"))
	b.handle(second, OnPacket, PostTCP, b.say("2p"))
	b.handle(first, OnNewData, PostTCP, b.say("1b"))
	b.expect(b.flow().raise(after(KindNewData, 0), after(KindPacket, 0)),
		"new-data:1a new-data:1b new-data:2a packet:1p packet:2p")
}

func TestUserDefinedEventsFollowTheirBaseParentsFirst(t *testing.T) {
	b := newBench(t)
	one, two := b.socket(Stream), b.socket(Stream)
	x := Define("x", OnPacket, yes)
	y := Define("y", OnPacket, yes)
	xx := Define("xx", x, yes)
	never := Define("never", x, no)
	under := Define("under", never, yes)
	b.handle(two, xx, PostTCP, b.say("2"))
	b.handle(one, y, PostTCP, b.say("1"))
	b.handle(one, under, PostTCP, b.say("1"))
	b.handle(one, x, PostTCP, b.say("1"))
	b.handle(two, OnPacket, PostTCP, b.say("2"))
	b.handle(two, x, PostTCP, b.say("2"))
	b.expect(b.flow().raise(after(KindPacket, 0)), "packet:2 x:1 x:2 xx:2 y:1")
}

func TestAFilterIsAskedOncePerOccurrence(t *testing.T) {
	b := newBench(t)
	asked := map[string]int{}
	chain := OnPacket
	for i := range 8 {
		name := fmt.Sprint("chain", i)
		chain = Define(name, chain, func(*Context) bool { asked[name]++; return true })
	}
	var siblings []Event
	for i := range 64 {
		name := fmt.Sprint("sibling", i)
		siblings = append(siblings, Define(name, OnPacket, func(*Context) bool { asked[name]++; return i%2 == 0 }))
	}
	unused := Define("unused", OnPacket, func(*Context) bool { asked["unused"]++; return true })
	for range 3 { // three sockets, two handlers each
		s := b.socket(Stream)
		for range 2 {
			b.handle(s, chain, PostTCP, func(*Context) {})
			for _, ev := range siblings {
				b.handle(s, ev, PostTCP, func(*Context) {})
			}
		}
	}
	b.flow().raise(after(KindPacket, 0), after(KindPacket, 1))
	if asked["unused"] != 0 || unused.Kind() != KindPacket {
		t.Error("a filter nobody depends on was asked")
	}
	if len(asked) != 72 {
		t.Errorf("%d filters were asked, want 72", len(asked))
	}
	for name, n := range asked {
		if n != 2 {
			t.Errorf("%s was asked %d times for two occurrences", name, n)
		}
	}
}

func TestWhatIsRegisteredByAHandlerSeesTheNextEvent(t *testing.T) {
	b := newBench(t)
	s := b.socket(Stream)
	var late Registration
	b.handle(s, OnPacket, PostTCP, func(c *Context) {
		if late == (Registration{}) {
			var err error
			if late, err = c.Register(OnPacket, PostTCP, b.say("late")); err != nil {
				t.Error(err)
			}
			return
		}
		if err := c.Disable(late); err != nil {
			t.Error(err)
		}
	})
	b.flow()
	b.expect(b.raise(after(KindPacket, 0)), "")
	b.expect(b.raise(after(KindPacket, 0)), "") // taken away by the first handler, before its turn
}

// Handlers made for one flow alone are each their own: what ends one of them
// leaves the others, and those that come later.
func TestHandlersOfOneFlowComeAndGoOneByOne(t *testing.T) {
	b := newBench(t)
	s := b.socket(Stream)
	var made []Registration
	turn := 0
	b.handle(s, OnPacket, PostTCP, func(c *Context) {
		turn++
		switch turn {
		case 1, 4:
			for _, word := range []string{"a", "b"} {
				r, err := c.Register(OnPacket, PostTCP, b.say(word))
				if err != nil {
					t.Error(err)
				}
				made = append(made, r)
			}
		case 3:
			c.Disable(made[0])
		case 5:
			for _, r := range made {
				c.Disable(r)
				c.Enable(r) // gone for good
			}
		}
	})
	b.flow()
	shared := b.plan
	b.expect(b.raise(after(KindPacket, 0)), "")
	b.expect(b.raise(after(KindPacket, 0)), "packet:a packet:b")
	b.expect(b.raise(after(KindPacket, 0)), "packet:b")
	b.expect(b.raise(after(KindPacket, 0)), "packet:b")
	b.expect(b.raise(after(KindPacket, 0)), "")
	if b.plan != shared {
		t.Error("a flow without handlers of its own does not share its plan again")
	}
}

func TestWhatIsRemovedByAHandlerIsNotCalledAnyMore(t *testing.T) {
	b := newBench(t)
	s, two := b.socket(Stream), b.socket(Stream)
	var second, self Registration
	self = b.handle(s, OnPacket, PostTCP, func(c *Context) {
		b.log = append(b.log, "once")
		if c.Registration() != self {
			t.Error("Registration is not the handler's own")
		}
		c.Disable(second)
		c.Disable(self)
	})
	second = b.handle(s, OnPacket, PostTCP, b.say("second"))
	b.handle(two, OnPacket, PostTCP, func(c *Context) {
		if err := c.Disable(second); !errors.Is(err, ErrForeign) {
			t.Errorf("another socket's handler was taken away: %v", err)
		}
		b.log = append(b.log, "other")
	})
	b.flow()
	b.expect(b.raise(after(KindPacket, 0)), "once other")
	b.expect(b.raise(after(KindPacket, 0)), "other")
}

func TestStopAndReleaseEndASocketsShareAlone(t *testing.T) {
	b := newBench(t)
	one, two := b.socket(Stream), b.socket(Stream)
	b.handle(one, OnPacket, PostTCP, func(c *Context) {
		b.log = append(b.log, "stop")
		c.Stop(wire.ToServer)
	})
	b.handle(one, OnPacket, PostTCP, b.say("1"))
	b.handle(one, OnConnEnd, PostTCP, b.say("1"))
	b.handle(two, OnPacket, PostTCP, b.say("2"))
	released := false
	b.handle(two, OnConnEstablished, PostTCP, func(c *Context) { released = true; c.Release() })
	b.flow()
	b.expect(b.raise(after(KindPacket, 0)), "stop packet:2")
	b.expect(b.raise(after(KindPacket, 0), after(KindPacket, 1)), "packet:2 stop packet:1 packet:2")
	b.expect(b.raise(after(KindConnEstablished, 0), after(KindPacket, 1), after(KindConnEnd, 0)), "stop packet:1 conn-end:1")
	if !released {
		t.Error("the second socket was not told")
	}
}

// Two changes made at once may reach a shard in either order: the one that was
// made last holds.
func TestAnOlderSnapshotChangesNothing(t *testing.T) {
	b := newBench(t)
	sock := b.socket(Stream)
	before := b.set.Snapshot()
	b.handle(sock, OnPacket, PostTCP, b.say("1"))
	b.flow()
	if joining := b.plans.Update(before); joining != 0 || b.plans.Snapshot() == before {
		t.Error("an older snapshot is in force")
	}
	b.expect(b.raise(after(KindPacket, 0)), "packet:1")
}

func TestRaisedEventsComeAfterTheEventAtHand(t *testing.T) {
	b := newBench(t)
	s := b.socket(Stream)
	alert := NewEvent("alert")
	loud := Define("loud", alert, func(c *Context) bool { return c.Value().(int) > 1 })
	b.handle(s, OnNewData, PostTCP, func(c *Context) {
		c.Raise(alert, 1)
		c.Raise(alert, 2)
		b.log = append(b.log, "data")
	})
	b.handle(s, OnNewData, PostTCP, b.say("more"))
	b.handle(s, alert, PostTCP, func(c *Context) { b.log = append(b.log, fmt.Sprint("alert", c.Value())) })
	b.handle(s, loud, PostTCP, b.say("!"))
	b.handle(s, OnPacket, PostTCP, b.say("p"))
	b.expect(b.flow().raise(after(KindNewData, 0), after(KindPacket, 0)),
		"data new-data:more alert1 alert2 loud:! packet:p")
	if err := b.disp.Context().Raise(loud, 1); !errors.Is(err, ErrEvent) {
		t.Errorf("an event with a filter was raised by hand: %v", err)
	}
}

func TestRaiseDepthIsBounded(t *testing.T) {
	b := newBench(t)
	s := b.socket(Stream)
	again := NewEvent("again")
	n := 0
	var last error
	b.handle(s, OnPacket, PostTCP, func(c *Context) { c.Raise(again, nil) })
	b.handle(s, again, PostTCP, func(c *Context) { n++; last = c.Raise(again, nil) })
	b.flow().raise(after(KindPacket, 0))
	if n != raiseDepthMax || !errors.Is(last, ErrRaiseDepth) {
		t.Errorf("raised %d times and then %v; want %d and ErrRaiseDepth", n, last, raiseDepthMax)
	}
}

func TestAPanicLeavesTheRestAlone(t *testing.T) {
	b := newBench(t)
	s := b.socket(Stream)
	bad := Define("bad", OnPacket, func(*Context) bool { panic("filter") })
	b.handle(s, OnPacket, PostTCP, b.say("before"))
	b.handle(s, OnPacket, PostTCP, func(*Context) { panic("handler") })
	b.handle(s, OnPacket, PostTCP, b.say("after"))
	b.handle(s, bad, PostTCP, b.say("never"))
	b.handle(s, OnConnEnd, PostTCP, b.say("end"))
	b.expect(b.flow().raiseThrough(after(KindPacket, 0), after(KindConnEnd, 0)),
		"packet:before (true true) packet:after (true false) conn-end:end")
}

func TestLentOctetsAreScribbledInCheckedBuilds(t *testing.T) {
	if !assert.Enabled {
		t.Skip("only in checked builds: go test -tags mboxdebug or -race")
	}
	b := newBench(t)
	s := b.socket(Stream)
	var kept []byte
	b.handle(s, OnNewData, PostTCP, func(c *Context) { kept = c.Payload() })
	second := ""
	b.handle(s, OnNewData, PostTCP, func(c *Context) { second = string(c.Payload()) })
	text := []byte("lent")
	b.flow().raise(Occurrence{Kind: KindNewData, Hook: PostTCP, Data: text})
	if string(kept) == "lent" {
		t.Error("octets that a handler kept can still be read")
	}
	if second != "lent" || string(text) != "lent" {
		t.Errorf("the next handler saw %q, the stream has %q", second, text)
	}
}

func TestHooksAreChecked(t *testing.T) {
	b := newBench(t)
	stream, raw := b.socket(Stream), b.socket(Raw)
	for _, c := range []struct {
		s    *Socket
		ev   Event
		hook Hook
		want error
		says string
	}{
		{stream, OnPacket, PreTCP, nil, ""},
		{stream, OnConnEnd, PreTCP, ErrHook, "PostTCP"},
		{stream, OnOrphan, PostTCP, ErrHook, "PreTCP"},
		{stream, Define("d", OnRexmit, yes), PreTCP, nil, ""},
		{stream, Define("d", OnGap, yes), PreTCP, ErrHook, "PostTCP"},
		{stream, Event{}, PreTCP, ErrEvent, ""},
		{raw, OnPacket, PreTCP, nil, ""},
		{raw, OnPacket, PostTCP, ErrHook, "PreTCP"},
		{raw, OnNewData, PostTCP, ErrSocketKind, "raw"},
	} {
		_, err := c.s.Register(c.ev, c.hook, func(*Context) {})
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s %s: %v, want %v naming %q", c.s.Kind(), c.ev, c.hook, err, c.want, c.says)
		}
	}
	if _, err := stream.Register(OnPacket, PreTCP, nil); !errors.Is(err, ErrHandler) || errors.Is(err, ErrEvent) {
		t.Errorf("no handler: %v", err)
	}
}

func TestDispatchDoesNotAllocate(t *testing.T) {
	if assert.Enabled {
		t.Skip("checked builds lend copies")
	}
	b := newBench(t)
	s := b.socket(Stream)
	n := 0
	b.handle(s, OnNewData, PostTCP, func(c *Context) { n += len(c.Payload()) })
	b.handle(s, Define("big", OnNewData, func(c *Context) bool { return len(c.Payload()) > 2 }), PostTCP, func(*Context) { n++ })
	b.flow()
	text := []byte("text")
	b.disp.Bind(b.plans.At(b.plan))
	if got := testing.AllocsPerRun(1000, func() {
		b.disp.Queue(Occurrence{Kind: KindNewData, Hook: PostTCP, Data: text})
		b.disp.Run()
	}); got != 0 {
		t.Errorf("%v allocations per event, want 0", got)
	}
	if n == 0 {
		t.Error("no handler was called")
	}
}

func BenchmarkRaise(b *testing.B) {
	be := &bench{values: map[uint64]any{}}
	be.plans = NewPlans(be.set.Snapshot(), Always{})
	be.disp = NewDispatcher(be)
	s, _ := be.set.Open(be, Stream, "")
	n := 0
	s.Handle(OnNewData, PostTCP, func(c *Context) { n += len(c.Payload()) })
	be.flow()
	text := make([]byte, 1400)
	be.disp.Bind(be.plans.At(be.plan))
	b.Run("at-once", func(b *testing.B) {
		for b.Loop() {
			be.disp.Raise(KindNewData, PostTCP, wire.ToServer, text, 0)
		}
	})
	b.Run("queued", func(b *testing.B) {
		for b.Loop() {
			be.disp.Add(KindNewData, PostTCP, wire.ToServer).Data = text
			be.disp.Run()
		}
	})
}
