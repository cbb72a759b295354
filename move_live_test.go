package mbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.uber.org/goleak"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/actors"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// liveWire is a live source: frames one at a time, and whatever a test does before
// each.
type liveWire struct {
	frames []rx.Frame
	at     int
	before func(at int) // nil: nothing
}

// Live implements rx.Live.
func (l *liveWire) Live() bool { return true }

// Next implements rx.Source.
func (l *liveWire) Next(c *rx.Chunk) error {
	if l.before != nil {
		l.before(l.at)
	}
	if l.at == len(l.frames) {
		return io.EOF
	}
	*c = rx.Chunk{Frames: l.frames[l.at : l.at+1]}
	l.at++
	return nil
}

// Close implements rx.Source.
func (l *liveWire) Close() error { return nil }

// lives is what happened to each flow, in order.
type lives struct {
	flow mbox.Key[xxhash.Digest]
	mu   sync.Mutex
	all  map[string]uint64
}

// watchLives notes all that happens to flows of s but by timers, which depend on
// when marks come.
func watchLives(t *testing.T, s *mbox.Stack) *lives {
	t.Helper()
	l := &lives{flow: mbox.NewKey[xxhash.Digest](), all: map[string]uint64{}}
	sock := s.Monitor(mbox.Stream)
	for _, ev := range []mbox.Event{mbox.OnConnStart, mbox.OnConnEstablished, mbox.OnNewData, mbox.OnGap, mbox.OnRexmit, mbox.OnAnomaly, mbox.OnPacket} {
		handle(t, sock, ev, mbox.PostTCP, func(c *mbox.Context) {
			fmt.Fprintf(l.flow.Of(c), "%s %s %d %x\n", c.Event(), c.Side(), c.Offset(), c.Payload())
		})
	}
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all[c.Flow().String()] = l.flow.Of(c).Sum64()
	})
	return l
}

// livesOf returns what a capture of the same frames shows.
func livesOf(t *testing.T, frames []rx.Frame) map[string]uint64 {
	t.Helper()
	s := stack(t, mbox.Config{Shards: 1})
	l := watchLives(t, s)
	if err := s.Run(context.Background(), rx.NewMemory(frames...)); err != nil {
		t.Fatal(err)
	}
	return l.all
}

// allSlots are all there are.
func allSlots() []mbox.Slot {
	all := make([]mbox.Slot, mbox.SlotCount)
	for i := range all {
		all[i] = mbox.Slot(i)
	}
	return all
}

// calm waits until a shard has little to do, so that its mailbox loses nothing.
func calm(s *mbox.Stack, shard int) {
	for s.Stats().Mailboxes[shard].Traffic > 64 {
		time.Sleep(100 * time.Microsecond)
	}
}

// stuck is a shard 0 that stands still amid its first packet, with its slots on
// their way to shard 1.
type stuck struct {
	t       *testing.T
	stack   *mbox.Stack
	gate    chan struct{} // closed: the shard goes on
	entered chan struct{}
	moved   chan error
	once    sync.Once
	open    sync.Once
}

// stuckConfig has a seed that gives shard 0 some of the first few flows: a live
// source would be given one at random.
var stuckConfig = mbox.Config{Shards: 2, Seed: 1}

func newStuck(t *testing.T, s *mbox.Stack) *stuck {
	k := &stuck{t: t, stack: s, gate: make(chan struct{}), entered: make(chan struct{}), moved: make(chan error, 1)}
	handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) {
		if c.Shard() == 0 {
			k.once.Do(func() { close(k.entered); <-k.gate })
		}
	})
	return k
}

// move starts to move everything, once the shard is stuck, and waits until the
// receiver has left it: until then it would fill the mailbox of the shard.
func (k *stuck) move() {
	<-k.entered
	waiting := func() int { return k.stack.Stats().Mailboxes[0].Traffic }
	before := waiting()
	go func() { k.moved <- k.stack.MoveSlots(1, allSlots()...) }()
	for waiting() == before { // what comes is word of that
		time.Sleep(100 * time.Microsecond)
	}
}

// let has the shard go on, and waits for the move.
func (k *stuck) let() {
	k.open.Do(func() {
		close(k.gate)
		if err := <-k.moved; err != nil {
			k.t.Error(err)
		}
	})
}

// Frames of slots that are under way wait for them at their new owner, in order,
// and nothing is lost.
func TestFramesWaitForTheirSlot(t *testing.T) {
	frames := generate(t, traffic.Staggered(5, 60, 40, 300))
	s := stack(t, stuckConfig)
	l, k := watchLives(t, s), newStuck(t, s)
	src := &liveWire{frames: frames, before: func(at int) {
		st := s.Stats()
		switch {
		case at == 20:
			k.move()
		case at > 20 && st.Shards[1].Held > 200 || at == len(frames):
			k.let()
		}
		if !st.Balanced() {
			t.Errorf("at frame %d the ledgers do not balance: %v", at, st.Frames())
		}
		calm(s, 1)
	}}
	if err := s.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Total().Held == 0 || st.Total().FlowsIn == 0 || st.Sources[0].Dropped() != (rx.Delivery{}) || !st.Balanced() {
		t.Fatalf("held %d, %d flows moved, dropped %+v, balanced %v", st.Total().Held, st.Total().FlowsIn, st.Sources[0].Dropped(), st.Balanced())
	}
	if want := livesOf(t, frames); !maps.Equal(l.all, want) {
		t.Errorf("%d flows lived other lives than the %d of a capture", len(l.all), len(want))
	}
}

// What is held back has a limit. Beyond it frames are dropped, and each is
// accounted for.
func TestFramesThatWaitAreBounded(t *testing.T) {
	frames := generate(t, traffic.Staggered(5, 150, 60, 300))
	s := stack(t, stuckConfig)
	k := newStuck(t, s)
	lost := func() uint64 { st := s.Stats(); return st.Total().Fates[shard.FateMoving] }
	src := &liveWire{frames: frames, before: func(at int) {
		switch {
		case at == 20:
			k.move()
		case at > 20 && lost() > 100 || at == len(frames):
			k.let()
		}
		calm(s, 1)
	}}
	if err := s.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); lost() < 100 || !st.Balanced() {
		t.Errorf("%d frames lost, balanced %v: %+v", lost(), st.Balanced(), st.Total().Fates)
	}
}

// mover moves slots about until it is stopped.
func mover(t *testing.T, s *mbox.Stack, shards int) (stop func()) {
	var over atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		for i := 0; !over.Load(); i++ {
			if err := s.MoveSlots(i%shards, allSlots()[i%7*500:][:600+i%400]...); err != nil {
				t.Error(err)
			}
		}
	})
	return func() { over.Store(true); wait.Wait() }
}

// While slots move, each flow is where it is asked for, comes once, is counted
// once, gets its results, and joins new sockets.
func TestMovingFlowsAreFoundOnce(t *testing.T) {
	const shards, flows = 3, 200
	frames := generate(t, traffic.Staggered(5, flows, flows, 64))
	s := stack(t, mbox.Config{Shards: shards, Timeouts: mbox.Timeouts{Closed: mbox.Never, Closing: mbox.Never, Established: mbox.Never, Embryonic: mbox.Never}})
	var mu sync.Mutex
	known := map[mbox.FlowID]mbox.Flow{}
	var results, busy atomic.Uint64
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		mu.Lock()
		known[c.Flow().ID] = c.Flow()
		mu.Unlock()
		switch err := c.Offload(func() any { return 1 }, func(*mbox.Context, any) { results.Add(1) }); {
		case errors.Is(err, mbox.ErrBusy):
			busy.Add(1)
		case err != nil:
			t.Error(err)
		}
	})
	all, rest := make(chan struct{}), make(chan struct{}) // closed: all frames are on their way; the source may end
	src := &liveWire{frames: frames, before: func(at int) {
		for i := range shards {
			calm(s, i)
		}
		if at == len(frames) {
			close(all)
			<-rest
		}
	}}
	ran := make(chan error)
	go func() { ran <- s.Run(context.Background(), src) }()
	stop := mover(t, s, shards)
	<-all
	for {
		mu.Lock()
		n := len(known)
		mu.Unlock()
		if n == flows {
			break
		}
		time.Sleep(time.Millisecond)
	}
	var joined atomic.Uint64
	sock := s.Monitor(mbox.Stream)
	if err := sock.IncludeExisting(); err != nil {
		t.Error(err)
	}
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) { joined.Add(1) })
	for range 20 {
		foundOnce(t, s, known)
	}
	for i := 0; results.Load()+busy.Load() < flows && i < 1000; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	close(rest)
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if results.Load() == 0 || results.Load()+busy.Load() != flows || st.Total().Lost > 0 {
		t.Errorf("%d results of %d, %d calls found no room, %d lost", results.Load(), flows, busy.Load(), st.Total().Lost)
	}
	if joined.Load() != flows {
		t.Errorf("a new socket saw %d of %d flows end", joined.Load(), flows)
	}
	if st.Total().SlotsIn == 0 || !st.Balanced() {
		t.Errorf("%d slots moved, balanced %v", st.Total().SlotsIn, st.Balanced())
	}
}

// foundOnce asks a stack for its flows in every way.
func foundOnce(t *testing.T, s *mbox.Stack, known map[mbox.FlowID]mbox.Flow) {
	t.Helper()
	var mu sync.Mutex
	seen := map[mbox.FlowID]int{}
	if err := s.EachFlow(func(c *mbox.Context) { mu.Lock(); seen[c.Flow().ID]++; mu.Unlock() }); err != nil {
		t.Error(err)
	}
	for id := range known {
		if seen[id] != 1 {
			t.Errorf("EachFlow came to %s %d times", known[id], seen[id])
		}
	}
	census, err := s.Census()
	if err != nil {
		t.Error(err)
	}
	if n := sum(census.Flows[:]); n != uint64(len(known)) {
		t.Errorf("the census has %d flows of %d", n, len(known))
	}
	for _, f := range slices.Collect(maps.Values(known))[:20] {
		if err := s.Do(f, func(*mbox.Context) {}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func sum(ns []uint64) (total uint64) {
	for _, n := range ns {
		total += n
	}
	return total
}

// A stack ends, whenever it is told to, amid moves: by itself, with one source
// before the other, or by its context.
func TestAStackEndsAmidMoves(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	frames := generate(t, traffic.Staggered(5, 40, 20, 300))
	for turn := range 12 {
		s := stack(t, mbox.Config{Shards: 3})
		watchLives(t, s)
		ctx, cancel := context.WithCancel(context.Background())
		sources := []rx.Source{&liveWire{frames: frames}, rx.NewMemory(frames...)}
		if turn%3 == 1 {
			sources = []rx.Source{rx.NewMemory(frames[:1]...), rx.NewMemory(frames...)}
		}
		if turn%3 == 2 {
			sources[0] = &liveWire{frames: frames, before: func(at int) {
				if at == 100*turn {
					cancel()
				}
			}}
		}
		stop := mover(t, s, 3)
		err := s.Run(ctx, sources...)
		stop()
		cancel()
		if st := s.Stats(); err != nil || !st.Balanced() || st.Total().Live != 0 || st.Total().FlowsIn != st.Total().FlowsOut {
			t.Errorf("turn %d: %v; balanced %v, %d flows live on, %d came, %d went", turn, err, st.Balanced(),
				st.Total().Live, st.Total().FlowsIn, st.Total().FlowsOut)
		}
	}
}

// A stack whose shard fails ends, and so do moves and queries that are under way.
func TestAStackFailsAmidMoves(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	frames := generate(t, traffic.Staggered(5, 60, 20, 300))
	for turn := range 12 {
		s := stack(t, mbox.Config{Shards: 3})
		var packets atomic.Int64
		handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) {
			if packets.Add(1) == int64(20+5*turn) { // few: of a live source that nobody waits for, some are lost
				runtime.Goexit() // as a test's FailNow in a handler
			}
		})
		stop := mover(t, s, 3)
		var asked sync.WaitGroup
		var over atomic.Bool
		asked.Go(func() {
			for !over.Load() {
				if err := s.EachFlow(func(*mbox.Context) {}); err != nil {
					t.Error(err)
				}
			}
		})
		src := rx.Source(&liveWire{frames: frames})
		if turn%2 == 0 {
			src = rx.NewMemory(frames...)
		}
		if err := s.Run(context.Background(), src); !errors.Is(err, actors.ErrExited) {
			t.Errorf("turn %d: %v", turn, err)
		}
		over.Store(true)
		asked.Wait()
		stop()
	}
}

// MoveSlots refuses what it cannot do.
func TestMoveSlotsRefuses(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 2})
	if err := errors.Join(s.MoveSlots(0, 1), s.MoveSlots(1)); err != nil {
		t.Errorf("of a stack that does not run: %v", err)
	}
	for _, err := range []error{s.MoveSlots(2, 1), s.MoveSlots(-1, 1), s.MoveSlots(0, mbox.SlotCount)} {
		if !errors.Is(err, mbox.ErrConfig) {
			t.Errorf("%v, want ErrConfig", err)
		}
	}
	var inside error
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) { inside = s.MoveSlots(1, 0) })
	if err := s.Run(context.Background(), rx.NewMemory(generate(t, traffic.Staggered(5, 1, 1, 64))...)); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(inside, mbox.ErrInHandler) {
		t.Errorf("in a handler: %v", inside)
	}
}

// Sockets that ask are told of flows that leave a shard and arrive on another,
// alternately, on the shards that these are; a panic there is a handler's.
func TestSocketsAreToldOfMoves(t *testing.T) {
	frames := generate(t, traffic.Staggered(5, 40, 20, 300))
	s := stack(t, mbox.Config{Shards: 3})
	type where struct {
		shard int // 1 + that of the flow; 0: under way
		moves int
	}
	at := mbox.NewKey[where]()
	homes := mbox.NewLocal[map[mbox.FlowID]bool](s, func() map[mbox.FlowID]bool { return map[mbox.FlowID]bool{} })
	var moves, wrong, left atomic.Int64
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		at.Of(c).shard = 1 + c.Shard()
		(*homes.Of(c))[c.Flow().ID] = true
	})
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		if at.Of(c).shard != 1+c.Shard() || !(*homes.Of(c))[c.Flow().ID] {
			wrong.Add(1)
		}
	})
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { delete(*homes.Of(c), c.Flow().ID) })
	leave := func(c *mbox.Context) {
		if w := at.Of(c); w.shard != 1+c.Shard() || c.Packet() != nil {
			wrong.Add(1)
		}
		at.Of(c).shard = 0
		delete(*homes.Of(c), c.Flow().ID)
	}
	arrive := func(c *mbox.Context) {
		w := at.Of(c)
		w.shard = 1 + c.Shard()
		w.moves++
		(*homes.Of(c))[c.Flow().ID] = true
		if moves.Add(1); w.moves == 3 {
			panic("the third time")
		}
	}
	if err := sock.Moves(leave, arrive); err != nil {
		t.Fatal(err)
	}
	if err := s.Monitor(mbox.Raw).Moves(leave, arrive); !errors.Is(err, uevents.ErrSocketKind) {
		t.Errorf("of a raw socket: %v", err)
	}
	src := &restless{t: t, stack: s, shards: 3, frames: frames, rand: rand.New(rand.NewPCG(1, 1)), odds: 2, longest: 9}
	if err := s.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	if err := homes.Fold(func(m *map[mbox.FlowID]bool) { left.Add(int64(len(*m))) }); err != nil {
		t.Error(err)
	}
	st := s.Stats()
	if moves.Load() == 0 || uint64(moves.Load()) != st.Total().FlowsIn || wrong.Load() != 0 || left.Load() != 0 || st.Total().Panics == 0 {
		t.Errorf("%d moves told of %d, %d of them wrong, %d flows left behind, %d panics", moves.Load(), st.Total().FlowsIn, wrong.Load(),
			left.Load(), st.Total().Panics)
	}
}

// A handler of moves that always panics is off for a slot's flows after four times,
// like any other, wherever the slot is by then.
func TestAHandlerOfMovesThatPanicsIsOff(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 3, Log: slog.New(slog.DiscardHandler)})
	var mu sync.Mutex
	calls := map[wire.Slot]int{}
	sock := s.Monitor(mbox.Stream)
	if err := sock.Moves(nil, func(c *mbox.Context) {
		mu.Lock()
		calls[c.Flow().ID.Slot()]++
		mu.Unlock()
		panic("always")
	}); err != nil {
		t.Fatal(err)
	}
	src := &restless{t: t, stack: s, shards: 3, frames: generate(t, traffic.Staggered(5, 40, 20, 300)),
		rand: rand.New(rand.NewPCG(1, 1)), odds: 2, longest: 9}
	if err := s.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, n := range calls {
		most = max(most, n)
	}
	if most != 4 {
		t.Errorf("called %d times for flows of one slot, want 4", most)
	}
}
