package main

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// sampler looks at flows once an interval of the source's time, each shard
// at its own, and puts together what the shards found.
//
//	shard ─timer─▶ visit each flow ─▶ report ──┐
//	shard ─timer─▶ visit each flow ─▶ report ──┴─ by time ─▶ take
//
// So nothing has to be done for a packet, only for a flow and a second. Either
// all flows are looked at, or, with followed set, those that handlers said are to
// be followed (follow), until a look says that there is nothing more to see: of a
// busy line's flows a minute's worth are over, a second's worth are not. What
// shards report of one interval adds up to the same for any number of them, and
// on a capture comes in the order of time: a shard's timer stands at the end of
// the interval in which it last had something to do, before the first frame
// behind it, and reports go the way that lines of output go.
type sampler struct {
	every time.Duration
	live  bool // flows are visited some slots at a time, as frames do not wait
	out   *mbox.Output
	parts *mbox.Local[samplerPart]

	followed bool // look at those alone

	// visit looks at a flow, on its shard, and returns whether there is more to
	// come of it. report returns what the shard has to
	// say of the time before at, nil for nothing, and when to look again.
	visit  func(c *mbox.Context) (more bool)
	report func(c *mbox.Context, at time.Time) (report any, next again)
	// take is given the reports, by one goroutine. Its error ends the run.
	take func(report any) error

	mu      sync.Mutex
	reports [][]any // by shard, in the order in which they were handed over
}

// again says when a shard is to look at its flows again.
type again uint8

const (
	whenNoted    again = iota // when something happens: there are no flows
	nextActive                // at the end of the interval that the source has come to
	nextInterval              // an interval later, even if nothing comes meanwhile
)

// samplerPart is what a shard keeps.
type samplerPart struct {
	timer mbox.Timer
	next  int64 // when the timer is due, ns; 0: there is none
	slot  int   // from which a walk under way goes on; of followed, up to which place it has yet to come
	due   int64 // when the walk was due

	followed []mbox.Place
}

// follow has the flow at hand looked at, on this shard: one that moves to another
// one is to be followed there.
func (p *samplerPart) follow(c *mbox.Context) { p.followed = append(p.followed, c.Place()) }

// On a live source a walk is made in parts, between which frames are handled: a
// hundred thousand flows would take as long as a mailbox lasts. slotsAtOnce
// makes 64 parts, over a sixteenth of a second.
const (
	slotsAtOnce  = wire.SlotCount / 64
	placesAtOnce = 512
	slotsPause   = time.Millisecond
)

// newSampler returns a sampler of the flows of sock, whose functions are still to
// be set.
func (s *session) newSampler(sock *mbox.Socket, every time.Duration) (*sampler, error) {
	m := &sampler{every: every, live: s.isLive(), parts: mbox.NewLocal[samplerPart](s.stack, nil)}
	m.out = s.stack.Output(m)
	return m, sock.Handle(mbox.OnTimer, mbox.PostTCP, m.tick)
}

// note has the interval of the event at hand looked at when it is over. Handlers
// call it when something has happened.
func (m *sampler) note(c *mbox.Context) { m.noteIn(c, m.parts.Of(c)) }

func (m *sampler) noteIn(c *mbox.Context, p *samplerPart) {
	m.arm(c, p, m.endOf(c.Now()))
}

// endOf returns the end of the interval that t lies in.
func (m *sampler) endOf(t time.Time) int64 {
	every := int64(m.every)
	ns := t.UnixNano()
	return ns - ns%every + every
}

// arm sets the shard's timer, unless it is due before.
func (m *sampler) arm(c *mbox.Context, p *samplerPart, at int64) {
	if p.next != 0 && p.next <= at {
		return
	}
	if p.next != 0 {
		c.Disarm(p.timer)
	}
	var err error
	if p.timer, err = c.ArmShard(time.Duration(at - c.Now().UnixNano())); err == nil {
		p.next = at
	}
}

// tick looks at the flows of a shard whose interval is over.
func (m *sampler) tick(c *mbox.Context) {
	p := m.parts.Of(c)
	if c.Timer() != p.timer {
		return
	}
	if p.slot == 0 {
		p.due = p.next
	}
	p.next = 0
	if !m.walk(c, p) {
		m.arm(c, p, c.Now().Add(slotsPause).UnixNano())
		return
	}
	p.slot = 0
	at := time.Unix(0, p.due)
	report, next := m.report(c, at)
	if report != nil {
		m.hand(c, report)
	}
	switch next {
	case nextActive:
		m.arm(c, p, m.endOf(c.Clock()))
	case nextInterval:
		m.arm(c, p, p.due+int64(m.every))
	}
}

// walk looks at flows, on a live source at some of them, and reports whether it has
// been all.
func (m *sampler) walk(c *mbox.Context, p *samplerPart) (done bool) {
	if m.followed {
		return m.walkFollowed(c, p)
	}
	step := wire.SlotCount
	if m.live {
		step = slotsAtOnce
	}
	_ = c.EachFlow(p.slot, p.slot+step, func(c *mbox.Context) { m.visit(c) }) // it fails where a flow is at hand
	p.slot += step
	return p.slot >= wire.SlotCount
}

// walkFollowed is walk for the flows that are followed, from the latest to the
// first: what is let go of makes room that others do not have to be moved for.
func (m *sampler) walkFollowed(c *mbox.Context, p *samplerPart) (done bool) {
	left, from := p.slot, 0 // those beyond have been looked at, or have just begun
	if left == 0 {
		left = len(p.followed)
	}
	if m.live {
		from = max(0, left-placesAtOnce)
	}
	part := p.followed[from:left]
	kept, err := c.VisitFlows(part, m.visit)
	if err == nil {
		p.followed = slices.Delete(p.followed, from+len(kept), left)
	}
	p.slot = from
	return from == 0
}

// hand hands a report over: its place among all is that of the octet that is
// written for it, the number of its shard.
func (m *sampler) hand(c *mbox.Context, report any) {
	shard := c.Shard()
	m.mu.Lock()
	for len(m.reports) <= shard {
		m.reports = append(m.reports, nil)
	}
	m.reports[shard] = append(m.reports[shard], report)
	m.mu.Unlock()
	m.out.Write(c, []byte{byte(shard)})
}

// errNoReport cannot happen: for each octet there is a report.
var errNoReport = errors.New("a report is missing")

// Write implements io.Writer: it takes the reports whose place has come.
func (m *sampler) Write(shards []byte) (int, error) {
	for _, shard := range shards {
		m.mu.Lock()
		if int(shard) >= len(m.reports) || len(m.reports[shard]) == 0 {
			m.mu.Unlock()
			return 0, errNoReport
		}
		report := m.reports[shard][0]
		m.reports[shard] = m.reports[shard][1:]
		m.mu.Unlock()
		if err := m.take(report); err != nil {
			return 0, err
		}
	}
	return len(shards), nil
}

// isLive reports whether frames do not wait for the session.
func (s *session) isLive() bool {
	for _, src := range s.from {
		if l, ok := src.(rx.Live); ok && l.Live() {
			return true
		}
	}
	return len(s.opt.live.interfaces) > 0 // which are not open yet
}
