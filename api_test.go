package mbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/uevents"
)

// life is a connection with ten octets each way.
const life = `
> S    100   0   0 mss=1460
< SA   300 101   0 mss=1460
> A    101 301   0
> PA   101 301  10
< PA   301 111  10
> FA   111 311   0
< FA   311 112   0
> A    112 312   0
`

func stack(t *testing.T, cfg mbox.Config) *mbox.Stack {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s, err := mbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func handle(t *testing.T, s *mbox.Socket, ev mbox.Event, hook mbox.Hook, h mbox.Handler) mbox.Registration {
	t.Helper()
	r, err := s.Register(ev, hook, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// journal notes what handlers see.
type journal struct{ lines []string }

func (j *journal) add(format string, args ...any) {
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(j.lines, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(j.lines, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestSocketsWithDifferentScopesDoNotLeak(t *testing.T) {
	s := stack(t, mbox.Config{})
	var j journal
	for _, expr := range []string{"dst port 80", "src port 40002", "udp", ""} {
		sock := s.Monitor(mbox.Stream)
		if err := sock.Bind(expr); err != nil {
			t.Fatal(err)
		}
		handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
			j.add("%q %s", expr, c.Flow().Client())
		})
	}
	mboxtest.Run(t, s, life+"\n"+life)
	j.expect(t,
		`"dst port 80" 10.0.0.1:40001`, `"" 10.0.0.1:40001`,
		`"dst port 80" 10.0.0.1:40002`, `"src port 40002" 10.0.0.1:40002`, `"" 10.0.0.1:40002`)
}

func TestAFlowInNobodysScopeIsCountedAndNotTracked(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	if err := sock.Bind("port 81"); err != nil {
		t.Fatal(err)
	}
	mboxtest.Run(t, s, life)
	st := s.Stats()
	total := st.Total()
	if total.Flows != 0 || total.Fates[1] != 8 || total.Orphans != 0 || !st.Balanced() {
		t.Errorf("flows %d, orphans %d, fates %v", total.Flows, total.Orphans, total.Fates)
	}
}

// A scope is decided client to server: the client of a flow that a SYN,ACK begins is
// its receiver, whoever has sent the first packet. What is in nobody's scope is no
// orphan.
func TestTheClientOfASynackIsItsReceiver(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	if err := sock.Bind("src port 80"); err != nil {
		t.Fatal(err)
	}
	for _, ev := range []mbox.Event{mbox.OnOrphan, mbox.OnPacket} {
		handle(t, sock, ev, mbox.PreTCP, func(c *mbox.Context) { t.Errorf("%s %d", c.Event(), c.Number()) })
	}
	mboxtest.Run(t, s, "< SA 300 101 0\n")
}

func TestBindRefusesWhatNeedsThePacket(t *testing.T) {
	s := stack(t, mbox.Config{})
	err := s.Monitor(mbox.Stream).Bind("tcp port 80 and tcp[13] & 2 != 0")
	if err == nil || !strings.Contains(err.Error(), "column 17") {
		t.Errorf("Bind = %v, want an error that names column 17", err)
	}
	if err := s.Monitor(mbox.Raw).Bind("tcp[13] & 2 != 0"); err != nil {
		t.Errorf("a raw socket is bound per packet: %v", err)
	}
}

// At the very first segment, before and after the state changes, handlers do
// what changes the flow under them.
func TestChangesAtTheFirstSegment(t *testing.T) {
	for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
		first := func(c *mbox.Context) bool { return c.Number() == 1 }
		packets := func(t *testing.T, change func(*mbox.Context, mbox.Registration)) []string {
			s := stack(t, mbox.Config{})
			var j journal
			sock, other := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
			var later mbox.Registration
			handle(t, sock, mbox.OnPacket, hook, func(c *mbox.Context) {
				if first(c) {
					change(c, later)
				}
			})
			later = handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { j.add("%d", c.Number()) })
			handle(t, other, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("other %s", c.Reason()) })
			mboxtest.Run(t, s, life)
			return j.lines
		}
		t.Run(hook.String(), func(t *testing.T) {
			for _, c := range []struct {
				name   string
				change func(*mbox.Context, mbox.Registration)
				want   string
			}{
				{"nothing", func(*mbox.Context, mbox.Registration) {}, "1 2 3 4 5 6 7 8 other fin"},
				{"remove", func(c *mbox.Context, r mbox.Registration) { c.Disable(r) }, "other fin"},
				{"stop the client's side", func(c *mbox.Context, _ mbox.Registration) { c.Stop(mbox.Client) }, "2 5 7 other fin"},
				{"stop both sides", func(c *mbox.Context, _ mbox.Registration) { c.Stop(mbox.Client); c.Stop(mbox.Server) }, "other fin"},
				{"release", func(c *mbox.Context, _ mbox.Registration) { c.Release() }, "other fin"},
			} {
				if got := strings.Join(packets(t, c.change), " "); got != c.want {
					t.Errorf("%s: %q, want %q", c.name, got, c.want)
				}
			}
		})
	}
}

func TestAFlowThatAllReleaseLeavesAMark(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { j.add("start %d", c.Number()); c.Release() })
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { j.add("packet %d", c.Number()) })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("end %s", c.Reason()) })
	mboxtest.Run(t, s, life)
	j.expect(t, "start 1", "end released")
	if total := s.Stats(); total.Total().Fates[2] != 7 || total.Total().Ended[mbox.EndReleased] != 1 {
		t.Errorf("seven segments should count as released: %+v", total.Total())
	}
}

func TestStoppedSidesReadUntracked(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) { c.Stop(mbox.Server) })
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("data %s", c.Side()) })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		j.add("%s %s %s", c.Reason(), c.State(mbox.Client), c.State(mbox.Server))
	})
	mboxtest.Run(t, s, life)
	if j.lines[0] != "data client" || len(j.lines) != 2 || !strings.HasSuffix(j.lines[1], "UNTRACKED") {
		t.Errorf("got %q", j.lines)
	}
}

func TestADropIsALabelledWhatIf(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		if c.Number() == 4 {
			if err := c.Drop(); err != nil {
				t.Error(err)
			}
		}
	})
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.Drop(); !errors.Is(err, mbox.ErrHook) {
			t.Errorf("Drop on PostTCP = %v", err)
		}
	})
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("%s %d+%d", c.Side(), c.Offset(), len(c.Payload())) })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("dropped %d", c.Evidence().Dropped) })
	mboxtest.Run(t, s, life)
	j.expect(t, "server 0+10", "dropped 1")
}

func TestAPanicIsOffForTheFlowAndLoggedOnce(t *testing.T) {
	var logged bytes.Buffer
	s := stack(t, mbox.Config{Log: slog.New(slog.NewTextHandler(&logged, nil))})
	sock, other := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	bad := mbox.Define("bad-filter", mbox.OnPacket, func(*mbox.Context) bool { panic("filter") })
	calls, packets := 0, 0
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) { calls++; panic("handler") })
	handle(t, sock, bad, mbox.PostTCP, func(*mbox.Context) { t.Error("a filter that panics said yes") })
	handle(t, other, mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) { packets++ })
	var panics uint32
	handle(t, other, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { panics += c.Evidence().Panics })
	mboxtest.Run(t, s, life+"\n"+life)
	if calls != 2 || packets != 16 {
		t.Errorf("the handler was called %d times on two flows, the other saw %d packets; want 2, 16", calls, packets)
	}
	if panics != 2+16 {
		t.Errorf("flows are labelled with %d panics, want 18", panics)
	}
	if n := strings.Count(logged.String(), "stack="); n != 2 {
		t.Errorf("%d stacks were logged, want one for the handler and one for the filter:\n%s", n, &logged)
	}
}

func TestValuesLiveAsLongAsTheirFlow(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	key := mbox.NewKey[int]()
	var j journal
	handle(t, sock, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) { *key.Of(c)++ })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		j.add("%d", *key.Get(c))
		key.Set(c, nil)
		if key.Get(c) != nil {
			t.Error("a value that was taken away is there")
		}
	})
	mboxtest.Run(t, s, life+"\n"+life)
	j.expect(t, "8", "8")
}

func TestReadAtReachesWhatIsHeld(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	if err := sock.KeepStream(4); err != nil {
		t.Fatal(err)
	}
	var j journal
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		if c.Side() != mbox.Client || c.TCP().SYN() {
			return
		}
		buf := make([]byte, 8)
		n, err := c.ReadAt(mbox.Client, 0, buf)
		b := c.Buffered(mbox.Client)
		j.add("%v %q %v, next %d pending %d", c.Held(mbox.Client, nil), buf[:n], errors.Unwrap(fmt.Errorf("%w", err)), b.Next, b.Pending)
	})
	mboxtest.Run(t, s, `
> S    100   0   0
< SA   300 101   0
> PA   105 301  4 data="efgh"
> PA   101 301  4 data="abcd"
< A    301 109  0
> PA   109 301  2 data="ij"
`)
	j.expect(t,
		`[[4,8)] "" buffers: octet not yet arrived, next 0 pending 4`,
		`[[0,8)] "abcdefgh" <nil>, next 8 pending 0`,
		`[[4,10)] "" buffers: octet no longer held; the next one held is at 4, next 10 pending 0`)
}

func TestTimersFireOnPacketTime(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock, other := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	var j journal
	var second mbox.Timer
	var start time.Time
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		start = c.Now()
		c.Arm(5 * time.Second)
		second, _ = c.Arm(3 * time.Second)
		c.Arm(time.Second)
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		j.add("%v", c.Now().Sub(start).Round(time.Second))
		if toCome := len(j.lines) == 2; c.Disarm(second) != toCome {
			t.Errorf("%q: Disarm does not say that the timer was to come: %v", j.lines, toCome)
		}
	})
	handle(t, other, mbox.OnTimer, mbox.PostTCP, func(*mbox.Context) { t.Error("another socket's timer") })
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { j.add("packet %d", c.Number()) })
	mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0 t=+2s\nwait 2s\n> A 101 301 0 t=+4s\n")
	j.expect(t, "packet 1", "1s", "packet 2", "5s", "packet 3")
}

func TestTooManyTimersAreRefused(t *testing.T) {
	s := stack(t, mbox.Config{})
	armed := 0
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		for {
			if _, err := c.Arm(time.Hour); err != nil {
				if !errors.Is(err, mbox.ErrBusy) {
					t.Error(err)
				}
				return
			}
			armed++
		}
	})
	mboxtest.Run(t, s, "> S 100 0 0\n")
	if armed != 64 {
		t.Errorf("%d timers were armed, want 64", armed)
	}
}

func TestOffloadComesBackToTheFlow(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var got atomic.Value
	answered, visits := mbox.NewEvent("answered"), 0
	handle(t, sock, answered, mbox.PostTCP, func(c *mbox.Context) {
		if c.Order().Phase == uevents.PhaseVisit {
			visits++
		}
	})
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		flow := c.Flow()
		err := c.Offload(func() any { return 42 }, func(c *mbox.Context, v any) {
			if c.Flow() != flow || c.Socket() != sock {
				t.Error("the result came back to another flow or socket")
			}
			got.Store(v)
			if err := c.Raise(answered, nil); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		if c.Number() == 2 {
			time.Sleep(20 * time.Millisecond) // the pool's goroutine has the time it needs
		}
		if c.Order().Phase != uevents.PhaseFrame {
			t.Error("a packet is no frame's")
		}
	})
	mboxtest.Run(t, s, life)
	if got.Load() == 42 && visits != 1 {
		t.Error("what a result has raised is not marked as that")
	}
	if lost := s.Stats(); got.Load() != 42 && lost.Total().Lost != 1 {
		t.Errorf("the result is %v, and none was counted as lost", got.Load())
	}
}

func TestRawSocketsSeeFramesBeforeTracking(t *testing.T) {
	s := stack(t, mbox.Config{})
	raw, stream := s.Monitor(mbox.Raw), s.Monitor(mbox.Stream)
	if err := raw.Bind("tcp[13] & 2 != 0"); err != nil {
		t.Fatal(err)
	}
	var j journal
	handle(t, raw, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		j.add("raw %d %v", c.Number(), c.Flow().ID)
		if err := c.Drop(); !errors.Is(err, mbox.ErrHook) {
			t.Errorf("Drop without a flow = %v", err)
		}
	})
	handle(t, stream, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { j.add("start %d", c.Number()) })
	mboxtest.Run(t, s, life)
	j.expect(t, "raw 1 0", "start 1", "raw 2 0")
}

func TestOrphansWithoutPickup(t *testing.T) {
	s := stack(t, mbox.Config{NoPickup: true})
	var j journal
	handle(t, s.Monitor(mbox.Stream), mbox.OnOrphan, mbox.PreTCP, func(c *mbox.Context) { j.add("orphan %d", c.Number()) })
	mboxtest.Run(t, s, "> PA 100 300 5\n< A 300 105 0\n")
	j.expect(t, "orphan 1", "orphan 2")
}

func TestCallsThatWouldWaitFailInHandlers(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	local := mbox.NewLocal[int](s, nil)
	checked := false
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		checked = true
		for name, err := range map[string]error{
			"Do":       s.Do(c.Flow(), func(*mbox.Context) {}),
			"EachFlow": s.EachFlow(func(*mbox.Context) {}),
			"Fold":     local.Fold(func(*int) {}),
			"Handle":   sock.Handle(mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) {}),
			"Close":    sock.Close(),
		} {
			if !errors.Is(err, mbox.ErrInHandler) {
				t.Errorf("%s in a handler = %v, want ErrInHandler", name, err)
			}
		}
	})
	mboxtest.Run(t, s, life)
	if !checked {
		t.Error("no handler ran")
	}
}

func TestConfigNamesEveryProblem(t *testing.T) {
	_, err := mbox.New(mbox.Config{Shards: -1, Memory: 5, Batch: 1 << 20, Policies: []mbox.PolicyRule{{}},
		Policy: 99, Timeouts: mbox.Timeouts{Closed: -5}, Filter: "tcp prot 80"})
	if !errors.Is(err, mbox.ErrConfig) {
		t.Fatalf("New = %v", err)
	}
	for _, word := range []string{"Shards", "Memory", "Batch", "Policies[0]", "Policy is 99", "Timeouts.Closed", "column 5"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not named in:\n%v", word, err)
		}
	}
	if _, err := mbox.New(mbox.Config{Filter: "tcp prot 80"}); !errors.Is(err, mbox.ErrConfig) || !strings.Contains(err.Error(), "column") {
		t.Errorf("a bad filter = %v", err)
	}
}

func TestReadGoesOnWhereItEnded(t *testing.T) {
	s := stack(t, mbox.Config{})
	var j journal
	for _, size := range []int{3, 100} { // each socket has its own place
		sock := s.Monitor(mbox.Stream)
		handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
			buf := make([]byte, size)
			n, off, err := c.Read(c.Side(), buf)
			j.add("%d: %q at %d %v", size, buf[:n], off, err)
		})
	}
	mboxtest.Run(t, s, `
> S    100   0   0
< SA   300 101   0
> PA   101 301  - data="abcdef"
> PA   110 301  - data="xyz"
< A    301 113  0
`)
	j.expect(t,
		`3: "abc" at 0 <nil>`, `100: "abcdef" at 0 <nil>`,
		`3: "xyz" at 9 <nil>`, `100: "xyz" at 9 <nil>`)
}

// What a record is labelled with must not depend on whether anybody reads.
// Text that the capture cut is evidence, whether anybody reads it or not.
func TestEvidenceOfCutText(t *testing.T) {
	for _, read := range []bool{false, true} {
		s := stack(t, mbox.Config{})
		sock := s.Monitor(mbox.Stream)
		if read {
			handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) {})
		}
		var j journal
		handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("%v", c.Evidence().Truncated) })
		mboxtest.Run(t, s, "> U 10\n\n> U 10 cut=3\n")
		j.expect(t, "false", "true")
	}
}

func TestEvidenceDoesNotNeedAReader(t *testing.T) {
	const script = `
> S    100   0   0
< SA   300 101   0
> PA   101 301  10
> PA   121 301  10
< A    301 131   0
> PA   121 301  10
`
	for _, reads := range []bool{false, true} {
		s := stack(t, mbox.Config{})
		sock := s.Monitor(mbox.Stream)
		var ev mbox.Evidence
		if reads {
			handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) {})
		}
		handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { ev = c.Evidence() })
		mboxtest.Run(t, s, script)
		if want := (mbox.Evidence{GapOctets: 10, MatchUnknown: true}); ev != want {
			t.Errorf("read: %v: %+v, want %+v", reads, ev, want)
		}
	}
}
