package uevents

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/wire"
)

// bench is a shard with one flow and no packets: it raises what a test says and
// applies what handlers change.
type bench struct {
	t      *testing.T
	set    Set
	plans  *Plans
	disp   *Dispatcher
	plan   PlanID
	values map[uint64]any
	drops  int
	log    []string
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, values: map[uint64]any{}}
	b.plans = NewPlans(b.set.Snapshot(), Always{})
	b.disp = NewDispatcher(b)
	return b
}

// Change implements Controller.
func (b *bench) Change(f func(*Set) error) error {
	if err := f(&b.set); err != nil {
		return err
	}
	b.plans.Update(b.set.Snapshot())
	return nil
}

func (b *bench) socket(kind SocketKind) *Socket {
	b.t.Helper()
	s, err := b.set.Open(b, kind, "")
	if err != nil {
		b.t.Fatal(err)
	}
	b.plans.Update(b.set.Snapshot())
	return s
}

// say returns a handler that logs its event and a word.
func (b *bench) say(word string) Handler {
	return func(c *Context) { b.log = append(b.log, c.Event().String()+":"+word) }
}

func (b *bench) handle(s *Socket, ev Event, hook Hook, h Handler) Registration {
	b.t.Helper()
	r, err := s.Register(ev, hook, h)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// flow begins the flow: it is in the scope of all sockets.
func (b *bench) flow() *bench {
	var k wire.FlowKey
	b.plan = b.plans.ForMask(b.plans.Snapshot().FlowMask(&k, 0))
	return b
}

// raise runs occurrences and returns what handlers logged meanwhile.
func (b *bench) raise(os ...Occurrence) string {
	b.t.Helper()
	b.log = nil
	b.disp.Bind(b.plans.At(b.plan))
	b.disp.Enter(&Scene{Number: 1})
	for _, o := range os {
		b.disp.Queue(o)
	}
	b.disp.Run()
	return strings.Join(b.log, " ")
}

// raiseThrough is raise for handlers that panic: it goes on behind them as a
// shard does, and logs whom it left behind.
func (b *bench) raiseThrough(os ...Occurrence) string {
	b.t.Helper()
	b.log = nil
	b.disp.Bind(b.plans.At(b.plan))
	for _, o := range os {
		b.disp.Queue(o)
	}
	for done := false; !done; {
		func() {
			defer func() {
				if v := recover(); v != nil {
					reg, _, user := b.disp.Recovered()
					b.log = append(b.log, fmt.Sprintf("(%v %v)", user, reg != Registration{}))
				}
			}()
			b.disp.Run()
			done = true
		}()
	}
	return strings.Join(b.log, " ")
}

func (b *bench) expect(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func (b *bench) Shard() int                       { return 0 }
func (b *bench) HasFlow() bool                    { return true }
func (b *bench) Flow() Flow                       { return Flow{} }
func (b *bench) Evidence() Evidence               { return Evidence{} }
func (b *bench) Counters(wire.Dir) Counters       { return Counters{} }
func (b *bench) RTT() RTT                         { return RTT{} }
func (b *bench) FirstSeen() int64                 { return 0 }
func (b *bench) LastActive() int64                { return 0 }
func (b *bench) FirstFrame() uint64               { return 0 }
func (b *bench) Clock() int64                     { return 0 }
func (b *bench) Drop()                            { b.drops++ }
func (b *bench) Buffered(wire.Dir) Buffered       { return Buffered{} }
func (b *bench) SetPolicy(buffers.Policy) error   { return nil }
func (b *bench) Disarm(Timer) bool                { return false }
func (b *bench) Value(key uint64) any             { return b.values[key] }
func (b *bench) SetValue(key uint64, v any)       { b.values[key] = v }
func (b *bench) SetBuffer(wire.Dir, uint64) error { return nil }

func (b *bench) Each(uint8, int, int, func(*tcpfsm.Conn)) {}

func (b *bench) Place() Place { return Place{} }

func (b *bench) Visit(uint8, []Place, func(Place, *tcpfsm.Conn)) {}

func (b *bench) Apply(c Change) error {
	b.plan = b.plans.With(b.plan, c)
	b.disp.Rebind(b.plans.At(b.plan))
	return nil
}

func (b *bench) ReadAt(wire.Dir, uint64, []byte) (int, error) { return 0, buffers.ErrGone }

func (b *bench) Held(_ wire.Dir, dst []buffers.Range) []buffers.Range { return dst }

func (b *bench) Arm(time.Duration, uint8, bool) (Timer, error) { return 0, ErrBusy }

func (b *bench) Offload(Registration, func() any, func(*Context, any)) error { return ErrBusy }

func after(k Kind, side wire.Dir) Occurrence { return Occurrence{Kind: k, Hook: PostTCP, Side: side} }
