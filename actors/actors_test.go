package actors_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mbox-stack/mbox/actors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMailboxIsBoundedAndCountsWhatItRefuses(t *testing.T) {
	b := actors.NewMailbox[int](2)
	for i := range 5 {
		if got, want := b.Offer(i), i < 2; got != want {
			t.Errorf("Offer(%d) = %v with %d of %d taken", i, got, b.Depth(), b.Cap())
		}
	}
	if b.Refused() != 3 || b.Depth() != 2 {
		t.Errorf("refused %d, depth %d; want 3, 2", b.Refused(), b.Depth())
	}
	for want := range 2 {
		if got := <-b.Receive(); got != want {
			t.Errorf("received %d, want %d: order is kept", got, want)
		}
	}
}

func TestPutWaitsForRoomAndGivesUpWhenStopped(t *testing.T) {
	b := actors.NewMailbox[int](1)
	stop := make(chan struct{})
	if !b.Put(1, stop) {
		t.Fatal("Put found no room in an empty mailbox")
	}
	waited := make(chan bool)
	go func() { waited <- b.Put(2, stop) }()
	if got := <-b.Receive(); got != 1 {
		t.Fatalf("received %d, want 1", got)
	}
	if !<-waited {
		t.Error("Put gave up though room was made")
	}
	close(stop)
	if b.Put(3, stop) {
		t.Error("Put succeeded on a full mailbox that was stopped")
	}
}

func TestServeTakesRequestsAheadOfTraffic(t *testing.T) {
	traffic, requests := actors.NewMailbox[int](8), actors.NewMailbox[string](8)
	for i := range 3 {
		traffic.Offer(i)
	}
	requests.Offer("a")
	requests.Offer("b")
	var got []string
	actors.Serve(nil, traffic, requests,
		func(m int) bool { got = append(got, fmt.Sprint(m)); return m < 2 },
		func(r string) bool { got = append(got, r); return true })
	if s := strings.Join(got, " "); s != "a b 0 1 2" {
		t.Errorf("handled %q, want %q", s, "a b 0 1 2")
	}
}

func TestServeEndsWhenStopped(t *testing.T) {
	stop := make(chan struct{})
	close(stop)
	actors.Serve(stop, actors.NewMailbox[int](1), actors.NewMailbox[int](1),
		func(int) bool { return true }, func(int) bool { return true })
}

func TestGroupEndsWithTheFirstFailure(t *testing.T) {
	failure := errors.New("broken")
	g := actors.NewGroup(t.Context())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return nil })
	g.Go("fails", func(context.Context) error { return failure })
	if err := g.Wait(); !errors.Is(err, failure) || !strings.Contains(err.Error(), "fails") {
		t.Errorf("Wait = %v, want the failure with the actor's name", err)
	}
}

func TestGroupTurnsAPanicIntoAnError(t *testing.T) {
	g := actors.NewGroup(t.Context())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return nil })
	g.Go("shard 3", func(context.Context) error { panic("a bug") })
	var p *actors.PanicError
	if err := g.Wait(); !errors.As(err, &p) {
		t.Fatalf("Wait = %v, want a PanicError", err)
	}
	if p.Actor != "shard 3" || p.Value != "a bug" || !strings.Contains(string(p.Stack), "actors_test") {
		t.Errorf("got %q, %v and a stack of %d octets", p.Actor, p.Value, len(p.Stack))
	}
}

func TestGroupEndsWithAnActorThatExits(t *testing.T) {
	g := actors.NewGroup(t.Context())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return nil })
	g.Go("exits", func(context.Context) error { runtime.Goexit(); return nil })
	if err := g.Wait(); !errors.Is(err, actors.ErrExited) {
		t.Errorf("Wait = %v, want ErrExited", err)
	}
}

func TestGroupOfActorsThatEndByThemselvesHasNoError(t *testing.T) {
	g := actors.NewGroup(t.Context())
	for i := range 10 {
		g.Go(fmt.Sprint(i), func(context.Context) error { return nil })
	}
	if err := g.Wait(); err != nil {
		t.Errorf("Wait = %v", err)
	}
}

// BenchmarkHandOver: a message to an actor that has nothing else to do, and to one
// whose goroutine is locked to its thread, in a row and one at a time, each when
// the one before has been answered.
func BenchmarkHandOver(b *testing.B) {
	for _, locked := range []bool{false, true} {
		for _, answered := range []bool{false, true} {
			b.Run(fmt.Sprintf("locked=%v/answered=%v", locked, answered), func(b *testing.B) {
				m := actors.NewMailbox[[]int](32)
				stop, done, answer := make(chan struct{}), make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					if locked {
						runtime.LockOSThread()
					}
					for batch := range m.Receive() {
						if batch == nil {
							return
						}
						if answered {
							answer <- struct{}{}
						}
					}
				}()
				batch := make([]int, 128)
				for b.Loop() {
					if m.Put(batch, stop); answered {
						<-answer
					}
				}
				m.Put(nil, stop)
				<-done
			})
		}
	}
}

// What is reserved is for those that must get through: others are turned away
// before.
func TestReservedPlacesAreForPut(t *testing.T) {
	b := actors.NewReserved[int](2, 1)
	for i := range 3 {
		if got, want := b.Offer(i), i < 2; got != want {
			t.Errorf("Offer(%d) = %v", i, got)
		}
	}
	stop := make(chan struct{})
	if !b.Put(3, stop) {
		t.Error("Put found no room in what is reserved")
	}
	close(stop)
	if b.Put(4, stop) {
		t.Error("Put found room in a mailbox that is full to the last place")
	}
	if b.Depth() != 2 || b.Cap() != 2 || b.Refused() != 1 {
		t.Errorf("depth %d of %d, refused %d; want 2 of 2, 1", b.Depth(), b.Cap(), b.Refused())
	}
}
