package mbox_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
)

// gate is a source that stops before each part until it is let through, so that
// a test can change a stack that runs.
type gate struct {
	rx.Source
	before map[int]chan struct{} // by calls of Next
	calls  int
}

// Next implements rx.Source.
func (g *gate) Next(c *rx.Chunk) error {
	if ch := g.before[g.calls]; ch != nil {
		<-ch
	}
	g.calls++
	return g.Source.Next(c)
}

// run plays a transcript and calls between after so many lines of it have
// reached the shards.
func run(t *testing.T, s *mbox.Stack, transcript string, after int, between func()) {
	t.Helper()
	runPausing(t, s, transcript, pause{after, between})
}

// pause is what is done while no more than so many lines have been played.
type pause struct {
	after int
	do    func()
}

// runPausing is run with several pauses, the first ones first.
func runPausing(t *testing.T, s *mbox.Stack, transcript string, pauses ...pause) {
	t.Helper()
	script, err := mboxtest.Parse("transcript", transcript)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Source: script.Source(), before: map[int]chan struct{}{}}
	for _, p := range pauses {
		g.before[p.after] = make(chan struct{})
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := s.Run(context.Background(), g); err != nil {
			t.Error(err)
		}
	})
	for _, p := range pauses {
		for st := s.Stats(); len(st.Sources) == 0 || st.Sources[0].Frames < uint64(p.after); st = s.Stats() {
			time.Sleep(time.Millisecond)
		}
		for n := 0; n < p.after; { // requests go ahead of traffic: wait until the shard has it all
			n = 0
			s.EachFlow(func(c *mbox.Context) {
				n += int(c.Counters(mbox.Client).Packets + c.Counters(mbox.Server).Packets)
			})
		}
		p.do()
		close(g.before[p.after])
	}
	wait.Wait()
}

// TestMarksAreKnownWhereFramesAloneAreWanted: segments of a flow that the last
// socket of flows has let go are that flow's, though raw sockets are all that is left.
func TestMarksAreKnownWhereFramesAloneAreWanted(t *testing.T) {
	s := stack(t, mbox.Config{})
	flows, frames := s.Monitor(mbox.Stream), 0
	handle(t, flows, mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
	handle(t, s.Monitor(mbox.Raw), mbox.OnPacket, mbox.PreTCP, func(*mbox.Context) { frames++ })
	run(t, s, life, 4, func() {
		if err := flows.Close(); err != nil {
			t.Error(err)
		}
	})
	st := s.Stats()
	total := st.Total()
	if got := total.Fates[shard.FateReleased]; frames != 8 || got != 4 || total.Fates[shard.FateTracked] != 4 {
		t.Errorf("%d frames seen, %d of them the mark's, fates %v; want 8, 4, 4 tracked", frames, got, total.Fates)
	}
}

// TestASocketOpenedWhileRunningWaitsForItsScope: what begins between Monitor and
// the first thing that is asked of the socket, which is its scope, is not the
// socket's, also if another socket is changed meanwhile.
func TestASocketOpenedWhileRunningWaitsForItsScope(t *testing.T) {
	s := stack(t, mbox.Config{})
	first := s.Monitor(mbox.Stream)
	handle(t, first, mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
	var late, raw *mbox.Socket
	var seen, frames journal
	runPausing(t, s, life+"\n"+life+"\n"+life, pause{4, func() {
		late, raw = s.Monitor(mbox.Stream), s.Monitor(mbox.Raw)
		handle(t, first, mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) {})
	}}, pause{12, func() {
		if err := errors.Join(late.Bind("src port 40003"), raw.Bind("src port 40003")); err != nil {
			t.Error(err)
		}
		handle(t, late, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { seen.add("%d", c.Number()) })
		handle(t, raw, mbox.OnPacket, mbox.PreTCP, func(c *mbox.Context) { frames.add("%d", c.Number()) })
	}})
	seen.expect(t, "17", "18", "19", "20", "21", "22", "23", "24")
	if len(frames.lines) == 0 {
		t.Error("the raw socket has seen nothing")
	}
}

func TestASocketOpenedWhileRunningSeesNewFlowsOnly(t *testing.T) {
	s := stack(t, mbox.Config{})
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
	var fresh, all journal
	run(t, s, life+"\n"+life, 4, func() {
		handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { fresh.add("%d", c.Number()) })
		every := s.Monitor(mbox.Stream)
		if err := errors.Join(every.Bind("src port 40001"), every.IncludeExisting()); err != nil {
			t.Error(err)
		}
		handle(t, every, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { all.add("%d", c.Number()) })
	})
	fresh.expect(t, "9", "10", "11", "12", "13", "14", "15", "16")
	all.expect(t, "5", "6", "7", "8")
}

func TestHandlersComeAndGoWhileRunning(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var old, late journal
	reg := handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { old.add("%d", c.Number()) })
	run(t, s, life, 3, func() {
		if err := sock.Remove(reg); err != nil {
			t.Error(err)
		}
		handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { late.add("%s %d+%d", c.Side(), c.Offset(), len(c.Payload())) })
	})
	old.expect(t, "1", "2", "3")
	late.expect(t, "client 0+10", "server 0+10")
}

func TestReassemblyBegunMidLifeKeepsTheOffset(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	run(t, s, life+"> PA 200 300 1\n", 4, func() {
		handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("%s %d+%d", c.Side(), c.Offset(), len(c.Payload())) })
	})
	j.expect(t, "server 0+10")
}

// What a socket switches off while the stack runs is off for octets that arrive
// later, of all its flows.
func TestReassemblyEndedMidLife(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("%s %d+%d", c.Side(), c.Offset(), len(c.Payload())) })
	run(t, s, life, 4, func() {
		if err := sock.SetReassembly(mbox.Server, false); err != nil {
			t.Error(err)
		}
	})
	j.expect(t, "client 0+10")
}

func TestClosingTheLastSocketReleasesItsFlows(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	calls := 0
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) { calls++ })
	run(t, s, life, 3, func() {
		if err := sock.Close(); err != nil {
			t.Error(err)
		}
		if err := sock.Close(); !errors.Is(err, mbox.ErrClosed) {
			t.Errorf("closing twice = %v, want ErrClosed", err)
		}
	})
	st := s.Stats()
	if total := st.Total(); calls != 3 || total.Ended[mbox.EndReleased] != 1 {
		t.Errorf("%d calls, ended %v; want 3 calls and one flow released", calls, total.Ended)
	}
}

func TestDoReachesAFlowWhileItLives(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	flows := make(chan mbox.Flow, 1)
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { flows <- c.Flow() })
	var flow mbox.Flow
	run(t, s, life, 4, func() {
		flow = <-flows
		var packets uint64
		err := s.Do(flow, func(c *mbox.Context) { packets = c.Counters(mbox.Client).Packets })
		if err != nil || packets != 3 {
			t.Errorf("Do = %v, and the client has sent %d packets, want 3", err, packets)
		}
		gone := flow
		gone.ID++
		if err := s.Do(gone, func(*mbox.Context) {}); !errors.Is(err, mbox.ErrFlowGone) {
			t.Errorf("Do on a flow that is not there = %v", err)
		}
		if err := s.Do(flow, func(*mbox.Context) { panic("in Do") }); err != nil {
			t.Errorf("a function that panics: %v", err)
		}
	})
	if err := s.Do(flow, func(*mbox.Context) {}); !errors.Is(err, mbox.ErrFlowGone) {
		t.Errorf("Do after the run = %v", err)
	}
}

// TestNoSource: a source that is none is told before anything runs, and the
// others are closed.
func TestNoSource(t *testing.T) {
	s := stack(t, mbox.Config{})
	there := &closing{}
	if err := s.Run(context.Background(), there, nil); !errors.Is(err, mbox.ErrConfig) || !strings.Contains(err.Error(), "source 1") || !there.closed {
		t.Errorf("Run of nothing: %v, closed %v", err, there.closed)
	}
	if st := s.Stats(); !st.Balanced() {
		t.Errorf("%+v", st)
	}
}

// closing is a source that knows whether it was closed.
type closing struct {
	rx.Source
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestAStackRunsOnce(t *testing.T) {
	s := stack(t, mbox.Config{})
	mboxtest.Run(t, s, life)
	if err := s.Run(context.Background()); !errors.Is(err, mbox.ErrRunning) {
		t.Errorf("a second Run = %v", err)
	}
}

func TestAnOutputThatFailsStopsTheStack(t *testing.T) {
	s := stack(t, mbox.Config{})
	out := s.Output(failing{})
	handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { out.Printf(c, "%d\n", c.Number()) })
	script, err := mboxtest.Parse("transcript", life)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), script.Source()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Run = %v, want the writer's error", err)
	}
}

// failing is a writer that nobody reads from.
type failing struct{}

// Write implements io.Writer.
func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestCancellingEndsFlowsAndIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := stack(t, mbox.Config{})
	var j journal
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) { cancel() })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("%s", c.Reason()) })
	if err := s.Run(ctx, endless{}); err != nil {
		t.Errorf("Run = %v", err)
	}
	j.expect(t, "shutdown")
}

// endless is a source that has one frame, again and again.
type endless struct{}

// Next implements rx.Source.
func (endless) Next(c *rx.Chunk) error {
	script, err := mboxtest.Parse("endless", "> PA 100 300 5\n")
	if err != nil {
		return err
	}
	return script.Source().Next(c)
}

// Close implements rx.Source.
func (endless) Close() error { return nil }
