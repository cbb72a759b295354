package main

import (
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/cmd/mbox/internal/hostname"
	"github.com/mbox-stack/mbox/tcpfsm"
)

// meter counts what connections do, by server and by host, without a handler on
// packets: connections are counted when they begin, and what they carried once
// an interval, until they are over (see sampler).
type meter struct {
	*sampler
	named  bool // stream mode: the client's stream is read until it has named a host
	visits mbox.Key[visit]
	parts  *mbox.Local[meterPart]
}

// meterPart is what a shard counts.
type meterPart struct {
	servers tallies[netip.AddrPort]
	hosts   tallies[string]
	flows   int      // that are visited
	spare   []*visit // of flows that have ended
	scrap   counts   // in the place of a row that is not known yet
	clock   *samplerPart
}

// visit is what the meter keeps with a flow.
type visit struct {
	server  uint32 // row of its server
	host    uint32 // row of its host; valid iff hosted
	hosted  bool   // false also while the client has yet to name one
	name    string // of the host, between two shards
	opened  bool
	over    bool
	counted [len(carriedOrder)]uint64
	next    uint64 // offset in the client's stream
	finder  *hostname.Finder
}

// noName stands for connections whose client has named no host.
const noName = "-"

// meterReport is what a shard has counted in an interval.
type meterReport struct {
	at      time.Time // its end
	servers []change[netip.AddrPort]
	hosts   []change[string]
}

// newMeter registers on sock what counting needs.
func (s *session) newMeter(sock *mbox.Socket, every time.Duration, named bool) (*meter, error) {
	m := &meter{named: named, visits: mbox.NewKey[visit](), parts: mbox.NewLocal(s.stack, func() meterPart {
		return meterPart{servers: newTallies[netip.AddrPort](tallyRowsMax), hosts: newTallies[string](tallyRowsMax)}
	})}
	var err error
	if m.sampler, err = s.newSampler(sock, every); err != nil {
		return nil, err
	}
	m.followed, m.visit, m.report = true, m.look, m.reportOf
	for _, h := range []struct {
		event mbox.Event
		do    mbox.Handler
	}{{mbox.OnConnStart, m.begin}, {mbox.OnConnEnd, m.end}} {
		if err := sock.Handle(h.event, mbox.PostTCP, h.do); err != nil {
			return nil, err
		}
	}
	if err := sock.Moves(m.depart, m.arrive); err != nil || !named {
		return m, err
	}
	return m, sock.Handle(mbox.OnNewData, mbox.PostTCP, m.data)
}

func (m *meter) begin(c *mbox.Context) {
	p := m.parts.Of(c)
	v := p.visit()
	*v = visit{server: p.servers.of(c.Flow().Server()), finder: v.finder, opened: c.Conn() == nil}
	if v.opened { // datagrams go to and fro from the beginning
		p.servers.at(v.server)[cOpened]++
	}
	if m.named {
		if v.finder == nil {
			v.finder = new(hostname.Finder)
		}
		v.finder.Reset()
		// Nothing is looked for in what the server says, and nothing kept of it.
		_ = c.SetReassembly(mbox.Server, false)
	}
	m.visits.Set(c, v)
	p.flows++
	p.clock = m.sampler.parts.Of(c)
	p.clock.follow(c)
	m.noteIn(c, p.clock)
}

// visitsAtOnce is how many visits are made at a time.
const visitsAtOnce = 128

// visit returns one to be used.
func (p *meterPart) visit() *visit {
	if len(p.spare) == 0 {
		more := make([]visit, visitsAtOnce)
		for i := range more {
			p.spare = append(p.spare, &more[i])
		}
	}
	n := len(p.spare) - 1
	v := p.spare[n]
	p.spare = p.spare[:n]
	return v
}

// open counts a connection that has been established since the last look.
func (m *meter) open(c *mbox.Context, p *meterPart, v *visit) {
	if v.opened || !c.Conn().HasEstablished() {
		return
	}
	v.opened = true
	for _, t := range m.rows(p, v) {
		t.established(c.RTT())
	}
}

// established counts a connection, and the halves of its handshake that were timed.
func (t *counts) established(rtt mbox.RTT) {
	t[cOpened]++
	t.timed(cRTTClient, rtt.Client)
	t.timed(cRTTServer, rtt.Server)
}

func (t *counts) timed(sum counter, took time.Duration) {
	if took > 0 {
		t[sum] += uint64(took)
		t[sum+1]++
	}
}

// rows returns the counts of a flow's server and of its host, if that is known.
func (m *meter) rows(p *meterPart, v *visit) [2]*counts {
	if !v.hosted {
		return [...]*counts{p.servers.at(v.server), &p.scrap}
	}
	return [...]*counts{p.servers.at(v.server), p.hosts.at(v.host)}
}

// data reads what a client says until it has named a host.
func (m *meter) data(c *mbox.Context) {
	v := m.visits.Get(c)
	if v == nil || v.hosted || c.Side() != mbox.Client {
		return
	}
	if c.Offset() != v.next { // what is missing may have been the name
		m.name(c, v, "")
	} else if v.next += uint64(len(c.Payload())); v.finder.Feed(c.Payload()) {
		m.name(c, v, v.finder.Name())
	}
}

// name gives a flow the row of its host, for what it has done so far, too.
func (m *meter) name(c *mbox.Context, v *visit, text string) {
	if text == "" {
		text = noName
	}
	_ = c.SetReassembly(mbox.Client, false) // it fails where the flow ends
	p := m.parts.Of(c)
	v.host, v.hosted = p.hosts.of(text), true
	t := p.hosts.at(v.host)
	if v.opened {
		t.established(c.RTT())
	}
	t.carried(&v.counted)
}

// look counts what a flow has done since it was looked at. One that is over is
// let go: nothing is missed of it but what its peer sends again.
func (m *meter) look(c *mbox.Context) (more bool) {
	v := m.visits.Get(c)
	if v == nil {
		return false
	}
	p := m.parts.Of(c)
	m.count(c, p, v)
	if closed(c) {
		m.over(c, p, v)
		m.leave(p, v)
		m.visits.Set(c, nil)
		_ = c.Release()
		return false
	}
	return true
}

// carriedOrder says which counter each number of a visit's counted is of.
var carriedOrder = [...]counter{cPackets, cPacketsS, cOctets, cOctetsS, cRexmits, cRexmitsS, cGap}

// carried adds what a flow has carried.
func (t *counts) carried(n *[len(carriedOrder)]uint64) {
	for i, k := range carriedOrder {
		t[k] += n[i]
	}
}

// count adds what the flow's counters have grown by.
func (m *meter) count(c *mbox.Context, p *meterPart, v *visit) {
	m.open(c, p, v)
	a, b := c.Counters(mbox.Client), c.Counters(mbox.Server)
	if a.Packets == v.counted[0] && b.Packets == v.counted[1] {
		return // nor has anything else
	}
	now := [...]uint64{a.Packets, b.Packets, a.PayloadBytes, b.PayloadBytes, a.Rexmits, b.Rexmits, c.Evidence().GapOctets}
	grown := now
	for i := range grown {
		grown[i] -= v.counted[i]
	}
	for _, t := range m.rows(p, v) {
		t.carried(&grown)
	}
	v.counted = now
}

// over counts the end of a connection, or of an attempt.
func (m *meter) over(c *mbox.Context, p *meterPart, v *visit) {
	if v.over {
		return
	}
	v.over = true
	if m.named && !v.hosted {
		m.name(c, v, "")
	}
	what := cClosed
	if !v.opened {
		what = cFailed
	}
	for _, t := range m.rows(p, v) {
		t[what]++
	}
}

// depart takes a flow that moves to another shard out of this one's rows, with
// what it has done so far left there.
func (m *meter) depart(c *mbox.Context) {
	if v := m.visits.Get(c); v != nil {
		p := m.parts.Of(c)
		m.count(c, p, v)
		p.forget(v)
		if v.hosted {
			v.name = p.hosts.rows[v.host].key
		}
		m.note(c)
	}
}

// arrive gives a flow that has come from another shard rows of this one.
func (m *meter) arrive(c *mbox.Context) {
	if v := m.visits.Get(c); v != nil {
		p := m.parts.Of(c)
		v.server = p.servers.of(c.Flow().Server())
		if v.hosted {
			v.host = p.hosts.again(v.name)
		}
		p.flows++
		p.clock = m.sampler.parts.Of(c)
		p.clock.follow(c)
		m.noteIn(c, p.clock)
	}
}

// leave takes a flow out of its rows, for good.
func (m *meter) leave(p *meterPart, v *visit) {
	p.forget(v)
	p.spare = append(p.spare, v)
}

// forget takes a flow out of its rows.
func (p *meterPart) forget(v *visit) {
	p.servers.done(v.server)
	if v.hosted {
		p.hosts.done(v.host)
	}
	p.flows--
}

func (m *meter) end(c *mbox.Context) {
	v := m.visits.Get(c)
	if v == nil {
		return
	}
	p := m.parts.Of(c)
	m.count(c, p, v)
	if closed(c) || c.Reason() != mbox.EndShutdown {
		m.over(c, p, v)
	}
	m.leave(p, v)
	if c.Reason() != mbox.EndShutdown {
		m.note(c)
	}
}

// closed reports whether the connection at hand is over.
func closed(c *mbox.Context) bool {
	conn := c.Conn()
	return conn != nil && conn.Phase() == tcpfsm.PhaseClosed
}

// reportOf returns what a shard has counted.
func (m *meter) reportOf(c *mbox.Context, at time.Time) (report any, next again) {
	p := m.parts.Of(c)
	if p.flows > 0 {
		next = nextActive
	}
	if r := p.changes(at); len(r.servers)+len(r.hosts) > 0 {
		report = r
	}
	return report, next
}

func (p *meterPart) changes(at time.Time) *meterReport {
	return &meterReport{at: at, servers: p.servers.changes(), hosts: p.hosts.changes()}
}

// rest returns what shards have counted since their latest reports, when the run
// is over: it is of the interval that their timers stand at the end of.
func (m *meter) rest() (all []*meterReport, err error) {
	err = m.parts.Fold(func(p *meterPart) {
		if p.clock != nil {
			all = append(all, p.changes(time.Unix(0, p.clock.next)))
		}
	})
	return all, err
}
