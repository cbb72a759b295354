package metrics

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
)

// Collector is a prometheus.Collector over one Stack. Make it with New. It may
// be scraped at any time, before, during and after the run, and concurrently.
type Collector struct {
	stack *mbox.Stack
	names []string // of the sources
	rings []ring

	mu      sync.Mutex
	pending *poll // that the shards have not answered yet; nil: none
}

// ring is a source that counts what its interface did before the receiver.
type ring struct {
	name string
	src  interface{ Counters() rx.RingCounters }
}

// poll is a census under way.
type poll struct {
	done chan struct{} // closed when there is a result
	mbox.Census
	err error
}

// pollWait is how long a scrape waits for the shards. If one hangs, its flows
// cannot be counted, but the counters that say so can still be read.
const pollWait = time.Second

// poll counts the flows, and reports whether the shards have answered in time.
// One census is under way at a time, so that scrapes of a shard that hangs do
// not pile up.
func (c *Collector) poll() (*mbox.Census, bool) {
	c.mu.Lock()
	p := c.pending
	if p == nil {
		p = &poll{done: make(chan struct{})}
		c.pending = p
		go func() {
			p.Census, p.err = c.stack.Census()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pending = nil
			close(p.done)
		}()
	}
	c.mu.Unlock()
	select {
	case <-p.done:
		return &p.Census, p.err == nil
	case <-time.After(pollWait):
		return nil, false
	}
}

// New returns a collector over stack. sources are what Run gets, in that order;
// those that have a String method are called by it, others by their ordinal.
func New(stack *mbox.Stack, sources ...rx.Source) *Collector {
	c := &Collector{stack: stack}
	for i, src := range sources {
		name := strconv.Itoa(i)
		if s, ok := src.(fmt.Stringer); ok {
			name = strings.ToValidUTF8(s.String(), "?")
		}
		if slices.Contains(c.names, name) {
			name += " " + strconv.Itoa(i)
		}
		c.names = append(c.names, name)
		if r, ok := src.(interface{ Counters() rx.RingCounters }); ok {
			c.rings = append(c.rings, ring{name, r})
		}
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	s := scrape{to: to}
	if census, ok := c.poll(); ok { // it has shards publish their counters, too
		s.census(census)
	}
	st := c.stack.Stats()
	for i := range st.Sources {
		name := strconv.Itoa(i)
		if i < len(c.names) {
			name = c.names[i]
		}
		s.source(name, &st.Sources[i])
	}
	for i := range st.Shards {
		s.shard(i, &st)
	}
	s.ledgers(&st, c.ringCounters(s))
}

// ringCounters shows what rings count, and returns how many frames they dropped.
func (c *Collector) ringCounters(s scrape) (drops uint64) {
	for _, r := range c.rings {
		n := r.src.Counters()
		drops += n.Drops
		for _, one := range []struct {
			m metric
			n uint64
		}{
			{ringFrames, n.Packets}, {ringDropped, n.Drops}, {ringFreezes, n.Freezes}, {ringLosing, n.Losing}, {ringLoopbacks, n.Loopbacks},
			{ringTruncated, n.Truncated}, {ringReopened, n.Reopened}, {ringDowns, n.LinkDowns}, {ringLent, n.BlocksLent},
			{ringMoved, n.BlocksMoved}, {ringUnread, n.Unread},
		} {
			s.count(one.m, one.n, r.name)
		}
	}
	return drops
}

// scrape is one answer in the making.
type scrape struct{ to chan<- prometheus.Metric }

func (s scrape) put(m metric, v float64, labels ...string) {
	s.to <- prometheus.MustNewConstMetric(descs[m], catalog[m].kind, v, labels...)
}

func (s scrape) count(m metric, n uint64, labels ...string) { s.put(m, float64(n), labels...) }

// source shows what one source's receiver has done.
func (s scrape) source(name string, c *rx.Counters) {
	s.count(receivedFrames, c.Frames, name)
	s.count(receivedBytes, c.Octets, name)
	s.count(clockSteps, c.ClockSteps, name)
	s.count(forwarded, c.Forwarded, name)
	s.count(fragmentBytes, c.Fragments.Octets, name)
	for i := range c.Shards {
		t, to := &c.Shards[i], strconv.Itoa(i)
		s.count(boxDropped, t.Dropped.Frames+t.Dropped.Datagrams, name, to)
		s.count(boxHeldBack, t.HeldBack, name, to)
		s.count(boxWaits, t.Waits, name, to)
		s.put(boxWaited, seconds(t.WaitedNs), name, to)
	}
}

func seconds(ns uint64) float64 { return time.Duration(ns).Seconds() }

// shard shows what one shard has done.
func (s scrape) shard(i int, st *mbox.Stats) {
	name, c := strconv.Itoa(i), &st.Shards[i]
	for f, n := range c.Fates {
		s.count(packets, n, name, shard.Fate(f).String())
	}
	for r, n := range c.Ended {
		s.count(flowsEnded, n, name, uevents.EndReason(r).String())
	}
	for e, n := range c.Evicted {
		s.count(flowsEvicted, n, name, shard.Eviction(e).String())
	}
	for _, one := range []struct {
		m metric
		n uint64
	}{
		{flowsBegun, c.Flows}, {flowsLive, c.Live - c.Marked}, {pressed, c.Pressed}, {refused, c.Refused}, {gaps, c.Gaps},
		{gapBytes, c.GapBytes}, {anomalies, c.Raised}, {orphans, c.Orphans}, {timers, c.Timers}, {panics, c.Panics},
		{offloadBusy, c.Busy}, {offloadLost, c.Lost}, {slotsCame, c.SlotsIn}, {slotsWent, c.SlotsOut}, {held, c.Held},
		{hurried, c.Hurried}, {late, c.Late},
	} {
		s.count(one.m, one.n, name)
	}
	s.count(memory, c.Memory-c.Streams, name, "flows")
	s.count(memory, c.Streams, name, "streams")
	if i < len(st.Mailboxes) {
		b := st.Mailboxes[i]
		s.put(boxDepth, float64(b.Traffic), name, "traffic")
		s.put(boxDepth, float64(b.Requests), name, "requests")
		s.put(boxCapacity, float64(b.TrafficMax), name, "traffic")
		s.put(boxCapacity, float64(b.RequestsMax), name, "requests")
	}
	s.put(lag, seconds(trails(st, c.Clock)), name)
}

// trails returns how far clock is behind the source that is furthest ahead.
func trails(st *mbox.Stats, clock uint64) uint64 {
	var ahead uint64
	for i := range st.Sources {
		ahead = max(ahead, st.Sources[i].Clock)
	}
	if clock == 0 { // nothing has come yet
		return 0
	}
	return ahead - min(ahead, clock)
}

// passing are the dispositions that do not last: no counters.
var passing = map[string]bool{"fragment-held": true, "fragment-between-rings": true, "in-flight": true}

// ledgers shows what goes over all sources and shards.
func (s scrape) ledgers(st *mbox.Stats, ringDrops uint64) {
	for _, d := range st.Frames() {
		if passing[d.Name] {
			s.count(framesPassing, d.Count, d.Name)
		} else {
			s.count(frames, d.Count, d.Name)
		}
	}
	total, fates := st.Packets()
	s.count(handed, total)
	for _, d := range fates {
		if passing[d.Name] {
			s.count(inFlight, d.Count)
		}
	}
	sum := st.Total()
	drops := map[string]uint64{"ring": ringDrops, "flow-table": sum.Fates[shard.FateNoRoom], "moving": sum.Fates[shard.FateMoving]}
	for i := range st.Sources {
		c := &st.Sources[i]
		d := c.Dropped()
		drops["mailbox"] += d.Frames + d.Datagrams
		drops["between-rings"] += c.ForwardNoRoom
		drops["fragments"] += c.Fragments.Expired + c.Fragments.Evicted
	}
	for place, n := range drops {
		s.count(dropped, n, place)
	}
	ok := 0.0
	if st.Balanced() {
		ok = 1
	}
	s.put(balanced, ok)
}

// census shows how many flows there are.
func (s scrape) census(c *mbox.Census) {
	for p, n := range c.Flows {
		s.count(flows, n, shard.Phase(p).String())
	}
	for _, side := range [...]mbox.Dir{mbox.Client, mbox.Server} {
		for state, n := range c.Endpoints[side] {
			s.count(endpoints, n, side.String(), tcpfsm.State(state).String())
		}
	}
}
