package mbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
)

// looped is a source that plays a transcript again and again until stop is
// closed, or so many times; live, it does not wait for shards.
type looped struct {
	t     *testing.T
	text  string
	times int // 0: until stop
	stop  chan struct{}
	live  bool
	part  rx.Source
}

// Live implements rx.Live.
func (l *looped) Live() bool { return l.live }

// Next implements rx.Source.
func (l *looped) Next(c *rx.Chunk) error {
	select {
	case <-l.stop:
		return io.EOF
	default:
	}
	if l.part == nil {
		script, err := mboxtest.Parse("looped", l.text)
		if err != nil {
			return err
		}
		l.part = script.Source()
	}
	err := l.part.Next(c)
	if err == io.EOF && l.times != 1 {
		l.part, err = nil, nil
		l.times--
	}
	return err
}

// Close implements rx.Source.
func (l *looped) Close() error { return nil }

// many is connections of different keys, one after the other.
func many(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(life + "\n")
	}
	return b.String()
}

// Everything that is legal while a stack runs, at once and from several
// goroutines: what this shows, it shows to the race detector.
func TestEverythingAtOnceWhileRunning(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 3, Batch: 4})
	base := s.Monitor(mbox.Stream)
	flows := make(chan mbox.Flow, 64)
	handle(t, base, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		select {
		case flows <- c.Flow():
		default:
		}
	})
	counts := mbox.NewLocal[int](s, nil)
	handle(t, base, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { *counts.Of(c)++ })
	src := &looped{t: t, text: many(50), stop: make(chan struct{})}
	var user, stackRuns sync.WaitGroup
	stackRuns.Go(func() {
		if err := s.Run(context.Background(), src); err != nil {
			t.Error(err)
		}
	})
	const turns = 20
	user.Go(func() { // sockets come and go
		for range turns {
			sock, err := s.MonitorAs(mbox.Stream, "passing")
			if err == nil {
				err = errors.Join(sock.Bind("tcp port 80"), sock.IncludeExisting(), sock.KeepStream(10),
					sock.Handle(mbox.OnNewData, mbox.PostTCP, func(*mbox.Context) {}),
					sock.Close())
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		user.Go(func() { // handlers come and go
			for range turns {
				reg, err := base.Register(mbox.OnRexmit, mbox.PreTCP, func(*mbox.Context) {})
				if err := errors.Join(err, base.Remove(reg)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	user.Go(func() { // queries
		for range turns {
			n := 0
			err := errors.Join(
				s.EachFlow(func(c *mbox.Context) { n += int(c.Counters(mbox.Client).Packets) }),
				counts.Fold(func(v *int) { n += *v }))
			if err != nil {
				t.Error(err)
			}
			s.Stats()
		}
	})
	user.Go(func() {
		for range turns {
			if err := s.Do(<-flows, func(*mbox.Context) {}); err != nil && !errors.Is(err, mbox.ErrFlowGone) {
				t.Error(err)
			}
		}
	})
	user.Wait()
	close(src.stop)
	stackRuns.Wait()
	st := s.Stats()
	if total := st.Total(); !st.Balanced() || total.Live != 0 {
		t.Errorf("the ledgers do not balance, or %d flows are left", total.Live)
	}
}

// Questions asked while the stack ends are answered, by whoever is there.
func TestQuestionsWhileTheStackEnds(t *testing.T) {
	for range 20 {
		s := stack(t, mbox.Config{Shards: 2})
		handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
		counts := mbox.NewLocal[int](s, nil)
		var wait sync.WaitGroup
		over := make(chan struct{})
		for range 3 {
			wait.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					sock, err := s.MonitorAs(mbox.Stream, "")
					if err == nil {
						err = sock.Close()
					}
					if err := errors.Join(s.EachFlow(func(*mbox.Context) {}), counts.Fold(func(*int) {})); err != nil {
						t.Error(err)
					}
					if err != nil { // 64 have been opened
						runtime.Gosched()
					}
				}
			})
		}
		mboxtest.Run(t, s, life)
		close(over)
		wait.Wait()
	}
}

// What is called in Fold's function runs in the place of a shard: it may not wait
// for one, and when it panics its caller hears of it.
func TestFoldRunsInTheShardsPlace(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 2})
	counts := mbox.NewLocal[int](s, nil)
	handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { *counts.Of(c)++ })
	run(t, s, life, 4, func() {
		err := counts.Fold(func(*int) {
			if err := s.EachFlow(func(*mbox.Context) {}); !errors.Is(err, mbox.ErrInHandler) {
				t.Errorf("EachFlow in Fold = %v, want ErrInHandler", err)
			}
		})
		if err != nil {
			t.Error(err)
		}
		defer func() {
			if v := recover(); v != "on purpose" {
				t.Errorf("recovered %v", v)
			}
		}()
		counts.Fold(func(*int) { panic("on purpose") })
		t.Error("Fold returned")
	})
	total := 0
	if err := counts.Fold(func(v *int) { total += *v }); err != nil || total != 8 {
		t.Errorf("after the run %d packets were counted, %v; want 8", total, err)
	}
}

func TestSixtyFourSockets(t *testing.T) {
	s := stack(t, mbox.Config{})
	var calls [64]int
	for i := range calls {
		sock := s.Monitor(mbox.Stream)
		if i%2 == 1 {
			if err := sock.Bind("udp"); err != nil {
				t.Fatal(err)
			}
		}
		handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) { calls[i]++ })
	}
	if _, err := s.MonitorAs(mbox.Stream, "one too many"); err == nil {
		t.Error("a 65th socket was opened")
	}
	mboxtest.Run(t, s, life)
	for i, n := range calls {
		if want := 8 * (1 - i%2); n != want {
			t.Errorf("socket %d saw %d packets, want %d", i, n, want)
		}
	}
}

// broken is a source that fails at once, or after what it has.
type broken struct {
	rx.Source
	err    error
	closed atomic.Int32
}

// Next implements rx.Source.
func (b *broken) Next(c *rx.Chunk) error {
	if b.Source == nil {
		return b.err
	}
	if err := b.Source.Next(c); err != io.EOF {
		return err
	}
	return b.err
}

// Close implements rx.Source.
func (b *broken) Close() error {
	b.closed.Add(1)
	return nil
}

func TestSourcesThatFail(t *testing.T) {
	script, err := mboxtest.Parse("transcript", life)
	if err != nil {
		t.Fatal(err)
	}
	damage := errors.New("damaged")
	for _, c := range []struct {
		name    string
		src     *broken
		packets int
	}{
		{"at once", &broken{err: damage}, 0},
		{"after what it has", &broken{Source: script.Source(), err: damage}, 8},
	} {
		s := stack(t, mbox.Config{})
		packets, ends := 0, 0
		sock := s.Monitor(mbox.Stream)
		handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(*mbox.Context) { packets++ })
		handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) { ends++ })
		if err := s.Run(context.Background(), c.src); !errors.Is(err, damage) {
			t.Errorf("%s: Run = %v", c.name, err)
		}
		if packets != c.packets || ends != min(1, packets) || c.src.closed.Load() == 0 {
			t.Errorf("%s: %d packets, %d ends, closed %d times", c.name, packets, ends, c.src.closed.Load())
		}
	}
}

func TestRunWithoutSourcesEnds(t *testing.T) {
	s := stack(t, mbox.Config{})
	if err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestRunUnderAContextThatIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := stack(t, mbox.Config{})
	handle(t, s.Monitor(mbox.Stream), mbox.OnConnEnd, mbox.PostTCP, func(*mbox.Context) {})
	if err := s.Run(ctx, &looped{t: t, text: life, stop: make(chan struct{})}); err != nil {
		t.Errorf("Run = %v", err)
	}
	if st := s.Stats(); !st.Balanced() {
		t.Error("the ledgers do not balance")
	}
}

// slow is a writer that takes its time.
type slow struct{ bytes.Buffer }

// Write implements io.Writer.
func (w *slow) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return w.Buffer.Write(p)
}

// A slow reader of the output holds a capture up and loses nothing; with a live
// source packets may be lost, which is counted, but it ends all the same.
func TestSlowOutputs(t *testing.T) {
	for _, live := range []bool{false, true} {
		s := stack(t, mbox.Config{Shards: 3, Batch: 1})
		var to slow
		out := s.Output(&to)
		handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
			out.Printf(c, "%d %s\n", c.Number(), strings.Repeat("-", 100))
		})
		if err := s.Run(context.Background(), &looped{t: t, text: many(20), times: 8, live: live, stop: make(chan struct{})}); err != nil {
			t.Error(err)
		}
		st := s.Stats()
		if !st.Balanced() {
			t.Errorf("live %v: the ledgers do not balance", live)
		}
		lines := strings.Count(to.String(), "\n")
		if want := int(st.Total().Fates[0]); lines != want || !live && want != 8*20*8 {
			t.Errorf("live %v: %d lines of %d packets", live, lines, want)
		}
		if !live && !strings.HasPrefix(to.String(), fmt.Sprintf("1 %s\n2 -", strings.Repeat("-", 100))) {
			t.Error("the output of a capture is not in order")
		}
	}
}

// Two captures at once, both with outputs and several shards: marks of both reach
// all shards, in any order, and nobody waits for ever.
func TestSeveralSourcesAtOnce(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 3, Batch: 2})
	var to bytes.Buffer
	out := s.Output(&to)
	handle(t, s.Monitor(mbox.Stream), mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) { out.Write(c, []byte(".\n")) })
	var sources []rx.Source
	for range 4 {
		sources = append(sources, &looped{t: t, text: many(30), times: 6, stop: make(chan struct{})})
	}
	if err := s.Run(context.Background(), sources...); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); !st.Balanced() || strings.Count(to.String(), "\n") != 4*6*30*8 {
		t.Errorf("%d lines, balanced %v", strings.Count(to.String(), "\n"), st.Balanced())
	}
}
