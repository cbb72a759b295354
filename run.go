package mbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/ants/v2"

	"github.com/mbox-stack/mbox/actors"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/merge"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// ErrRunning is returned by Run on a stack that runs, or has run: its flows and
// its sockets' handlers belong to one run.
var ErrRunning = errors.New("mbox: the stack has been run")

// running is everything that lives while a stack runs.
type running struct {
	shards    []*shard.Shard
	receivers []*rx.Receiver
	sources   []rx.Source
	owners    *owners
	rings     []int    // of the sources that are brought into one order: see shard.Config
	ringOf    []uint16 // of each source, the number of those, counted from 1; 0: taken as it comes
	writers   []*merge.Writer
	commons   *shard.Commons
	pool      *ants.Pool
	group     *actors.Group

	ended  []chan struct{} // closed when a shard's goroutine has ended
	broken []bool          // that ended amid its work; valid when it has
	over   chan struct{}   // closed when all have
	failed []error         // of the receivers
	passed atomic.Uint64   // frames received, where Count limits them
	cancel context.CancelFunc

	rebalances bool // slots are moved off shards that have too much to do
	pinned     bool // each shard has a CPU
	log        *slog.Logger

	mu  sync.Mutex
	ids map[uint64]bool // goroutines of shards, and those that stand in for one

	late sync.Mutex // held by who stands in for a shard whose goroutine has ended
}

// Run receives from sources until all of them have ended or ctx is done, and
// returns when every flow has ended and every handler has returned. Being
// stopped by ctx is not an error. Where a source is damaged, everything before
// the damage is processed, and the error says where it broke.
//
// A stack runs once.
func (s *Stack) Run(ctx context.Context, sources ...rx.Source) error {
	run, err := s.start(ctx, sources)
	if err != nil {
		for _, src := range sources {
			if src != nil {
				err = errors.Join(err, src.Close())
			}
		}
		return err
	}
	err = run.wait()
	s.mu.Lock()
	s.last = run.stats()
	s.last.Mailboxes = nil // nothing is on its way any more: both ledgers must add up exactly
	s.last.loseResults()
	s.run = nil
	s.mu.Unlock()
	return err
}

// start sets everything up and in motion.
func (s *Stack) start(ctx context.Context, sources []rx.Source) (_ *running, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil, ErrRunning
	}
	if i := slices.Index(sources, nil); i >= 0 {
		return nil, fmt.Errorf("%w: source %d is nil", ErrConfig, i)
	}
	live := false
	for _, src := range sources {
		if l, ok := src.(rx.Live); ok && l.Live() {
			live = true
		}
	}
	run := &running{owners: newOwners(s.cfg.Shards), group: actors.NewGroup(context.WithoutCancel(ctx)),
		over: make(chan struct{}), ids: map[uint64]bool{}, failed: make([]error, len(sources))}
	seed := s.cfg.Seed
	if seed == 0 {
		if seed = captureSeed; live {
			seed = rand.Uint64()
		}
	}
	snap := s.set.Snapshot()
	run.together(rx.Together(sources, s.cfg.Shards))
	run.rebalances, run.pinned, run.log = s.cfg.rebalances(live), s.cfg.PinShards, s.cfg.Log
	if err := run.build(s, snap, seed, live, len(sources)); err != nil {
		return nil, err
	}
	for i, src := range sources {
		r, err := rx.NewReceiver(src, run.outlets(i), s.receiverOptions(run, seed))
		if err != nil {
			run.pool.Release()
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		run.receivers = append(run.receivers, r)
	}
	run.raw(snap.HasRaw())
	if err := s.limit(sources, snap); err != nil {
		run.pool.Release()
		return nil, err
	}
	run.sources = sources
	s.started, s.run = true, run
	run.launch(ctx)
	return run, nil
}

func (s *Stack) receiverOptions(run *running, seed uint64) rx.Options {
	o := rx.Options{Seed: seed, Table: run.owners.table.Load(), BatchFrames: s.cfg.Batch, Limit: s.cfg.Count, Passed: &run.passed, Tap: s.cfg.Tap, Fragments: s.cfg.Fragments}
	if s.cfg.ByVLAN {
		o.Parser.Scope |= wire.ScopeVLAN
	}
	if s.cfg.ByTunnel {
		o.Parser.Scope |= wire.ScopeTunnel
	}
	if s.filter != nil {
		o.Filter = s.filter.MatchWire
	}
	return o
}

// together numbers the sources whose frames shards bring into one order, by how
// much of each may wait for that.
func (r *running) together(wait []int) {
	r.ringOf = make([]uint16, len(wait))
	for i, blocks := range wait {
		if blocks > 0 {
			r.rings = append(r.rings, blocks)
			r.ringOf[i] = uint16(len(r.rings))
		}
	}
}

// build makes the shards and what they share.
func (r *running) build(s *Stack, snap *uevents.Snapshot, seed uint64, live bool, senders int) (err error) {
	n := s.cfg.Shards
	memory, pool := s.cfg.streams()
	r.commons = shard.NewCommons(n, pool, memory.Floor, live, r.group.Done())
	memory.Share = r.commons
	if r.pool, err = ants.NewPool(s.cfg.Offload, ants.WithNonblocking(true)); err != nil {
		return fmt.Errorf("%w: Offload: %w", ErrConfig, err)
	}
	mode := merge.InOrder
	if live {
		mode = merge.AsItComes
	}
	for _, o := range s.outputs {
		r.writers = append(r.writers, o.open(n, mode, r.group.Done()))
	}
	for i := range n {
		sh, err := shard.New(shard.Config{
			Index: i, Seed: seed, Live: live, FlowsPerSlot: s.cfg.flowsPerSlot(), Rules: tcpfsm.Rules{Strict: s.cfg.Strict},
			Checksums: s.cfg.Checksums, Timeouts: s.cfg.Timeouts, NoPickup: s.cfg.NoPickup,
			History: s.cfg.History, Keep: s.cfg.History > 0, Policies: s.cfg.Policies, Policy: s.cfg.Policy,
			Rings: r.rings, Memory: memory, Log: s.cfg.Log, Pool: r.pool, Reply: r.reply, OnMark: r.onMark,
			Owns: func(at wire.Slot) bool { return r.owners.of(at) == i }, Senders: senders, Loads: r.rebalances,
		}, snap)
		if err != nil {
			r.pool.Release()
			return err
		}
		r.shards = append(r.shards, sh)
		r.ended, r.broken = append(r.ended, make(chan struct{})), append(r.broken, false)
	}
	return nil
}

// launch starts the goroutines.
func (r *running) launch(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	for i, sh := range r.shards {
		r.group.Go(fmt.Sprintf("shard %d", i), func(ctx context.Context) error {
			r.enlist()
			defer r.pin(i)()
			r.broken[i] = true
			defer close(r.ended[i])
			sh.Run(ctx.Done())
			r.broken[i] = false
			return nil
		})
	}
	for i, w := range r.writers {
		r.group.Go(fmt.Sprintf("output %d", i), func(context.Context) error {
			w.Run(func(error) { r.cancel() })
			return nil
		})
	}
	if r.rebalances {
		r.group.Go("rebalance", func(context.Context) error { r.rebalance(); return nil })
	}
	r.group.Go("memory", func(context.Context) error { r.commons.Run(r.over); return nil })
	r.group.Go("end", func(group context.Context) error {
		stop := context.AfterFunc(group, r.cancel) // a shard that fails ends the reception
		defer stop()
		r.receive(ctx)
		r.end()
		return nil
	})
}

// pin has the shard whose goroutine calls it stay on its CPU, if that was asked
// for, until what it returns is called.
func (r *running) pin(i int) (leave func()) {
	if !r.pinned {
		return func() {}
	}
	cpus := sys.CPUs()
	err := errors.ErrUnsupported
	if len(cpus) > 0 {
		if leave, err = sys.Stay(cpus[i%len(cpus)]); err == nil {
			return leave
		}
		leave()
	}
	r.log.Warn("a shard stays unpinned", "shard", i, "error", err)
	return func() {}
}

// receive runs the receivers until all have ended.
func (r *running) receive(ctx context.Context) {
	var wait sync.WaitGroup
	defer wait.Wait()
	for i, rec := range r.receivers {
		wait.Add(1)
		r.group.Go(fmt.Sprintf("receiver %d", i), func(group context.Context) error {
			defer wait.Done()
			pprof.Do(group, pprof.Labels("source", sourceName(r.sources[i], i)), func(context.Context) { r.failed[i] = rec.Run(ctx) })
			r.overWith(i)
			return nil
		})
	}
}

// overWith tells shards that wait for a source that it has ended.
func (r *running) overWith(i int) {
	if r.ringOf[i] == 0 {
		return
	}
	for _, sh := range r.shards {
		sh.Traffic.Put(shard.Message{Mark: shard.Mark{Over: true}, Ring: r.ringOf[i]}, r.group.Done())
	}
}

// sourceName returns what profiles call a source: its name if it has one.
func sourceName(src rx.Source, i int) string {
	if s, ok := src.(fmt.Stringer); ok {
		return s.String()
	}
	return strconv.Itoa(i)
}

// end tells the shards that nothing more will come, and when they have ended
// whoever works for them. The sources' last clocks were in their own marks.
func (r *running) end() {
	r.owners.stay()
	for _, sh := range r.shards {
		sh.Traffic.Put(shard.Message{Mark: shard.Mark{Last: true}}, r.group.Done())
	}
	for _, ended := range r.ended {
		<-ended
	}
	close(r.over)
	for _, w := range r.writers {
		w.Close()
	}
}

// wait waits for the end and collects what went wrong.
func (r *running) wait() error {
	err := r.group.Wait()
	r.cancel()
	r.pool.Release()
	errs := append([]error{err}, r.failed...)
	for _, w := range r.writers {
		errs = append(errs, w.Err())
	}
	return errors.Join(errs...)
}

// enlist notes the goroutine of a shard.
func (r *running) enlist() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[sys.GoroutineID()] = true
}

func (r *running) delist() {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, sys.GoroutineID())
}

// inHandler reports whether the caller runs on a shard.
func (r *running) inHandler() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids[sys.GoroutineID()]
}

// on runs f on a shard, and waits for it. When the shard's goroutine has ended
// nobody touches the shard but callers of on, one after the other.
func (r *running) on(i int, f func(*shard.Shard)) {
	done := make(chan struct{})
	asked := r.shards[i].Requests.Put(func(sh *shard.Shard) { f(sh); close(done) }, r.ended[i])
	if asked {
		select {
		case <-done:
			return
		case <-r.ended[i]:
		}
	}
	select {
	case <-done:
	default:
		r.standIn(i, f)
	}
}

// standIn runs f in the place of a shard's goroutine. Where that ended amid its
// work, by a failure, nothing can be done on the shard any more.
func (r *running) standIn(i int, f func(*shard.Shard)) {
	r.late.Lock()
	defer r.late.Unlock()
	if r.broken[i] {
		return
	}
	r.enlist()
	defer r.delist()
	f(r.shards[i])
}

// each runs f on every shard, one after the other.
func (r *running) each(f func(*shard.Shard)) {
	for i := range r.shards {
		r.on(i, f)
	}
}

// eachIndex runs f in the place of every shard. If f panics, so does eachIndex,
// and the shard goes on.
func (r *running) eachIndex(f func(int)) {
	for i := range r.shards {
		var failed any
		r.on(i, func(*shard.Shard) {
			defer func() { failed = recover() }()
			f(i)
		})
		if failed != nil {
			panic(failed)
		}
	}
}

// reply hands the owner of a slot the result of offloaded work.
func (r *running) reply(at wire.Slot, req shard.Request) {
	r.owners.settle()
	r.shards[r.owners.of(at)].Requests.Put(req, r.over)
}

// onMark hands a shard's output over.
func (r *running) onMark(i int, _ shard.Mark) {
	for _, w := range r.writers {
		w.Flush(i)
	}
}

// raw tells receivers whether anybody wants to see single frames.
func (r *running) raw(wanted bool) {
	for _, rec := range r.receivers {
		rec.WantRaw(wanted)
	}
}

// outlets returns the ways of a source into the shards.
func (r *running) outlets(source int) []rx.Outlet {
	all := make([]rx.Outlet, len(r.shards))
	for i := range r.shards {
		o := r.outlet(i)
		o.ring = r.ringOf[source]
		all[i] = o
	}
	return all
}

func (r *running) outlet(i int) outlet { return outlet{shard: r.shards[i], ended: r.ended[i]} }

// outlet is a shard's mailbox as a receiver sees it.
type outlet struct {
	shard *shard.Shard
	ended <-chan struct{}
	ring  uint16 // of shard.Message
}

// Batch implements rx.Outlet.
func (o outlet) Batch(b *buffers.Batch, wait bool) bool {
	return o.send(shard.Message{Batch: b, Ring: o.ring}, wait)
}

// Mark implements rx.Outlet.
func (o outlet) Mark(m rx.Mark, wait bool) bool {
	return o.send(shard.Message{Mark: shard.Mark{Number: m.Number, Clock: m.Clock, Step: m.Step}, Ring: o.ring}, wait)
}

func (o outlet) send(m shard.Message, wait bool) bool {
	if wait {
		return o.shard.Traffic.Put(m, o.ended)
	}
	return o.shard.Traffic.Offer(m)
}
