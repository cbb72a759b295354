package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// ErrConfig is wrapped by every error about a description of traffic.
var ErrConfig = errors.New("traffic: bad config")

// Config describes connections that exchange HTTP requests and responses. The
// zero value of a field stands for what its comment names.
type Config struct {
	Seed           uint64
	Connections    int           // in all; 1000
	Concurrent     int           // open at a time; as many as there are, up to 1000
	Exchanges      int           // requests on each connection; 1
	RequestOctets  int           // head included; 400
	ResponseOctets int           // head included; 8192
	SegmentOctets  int           // most text in a segment, the MSS; 1460
	AckEvery       int           // segments that a pure acknowledgement answers; 0: acknowledgements ride on the answers
	Lost           float64       // share of data segments that are lost before the middle and sent again
	Reordered      float64       // share of data segments that up to three later ones overtake
	Turn           time.Duration // mean time for an answer; 5 ms
	Gap            time.Duration // mean time between segments of one message; 20 us
	StartNs        int64         // ns since 1970 of the first frame; 2026-03-02 09:00 UTC
	Site           uint8         // second octet of the clients' network: merged workloads need their own
	IPv6           bool
	Timestamps     bool // RFC 7323 timestamps on every segment
	Bare           bool // data segments carry no text: they are window updates instead
}

// Staggered describes connections of 16 segments: three to open, two requests
// of one segment answered by four each, three to close; every data segment is
// full (0 octets: empty). Connections stand at different points of their lives,
// and no two segments in a row are likely to be of one connection: what is
// hardest on the caches of a middlebox.
func Staggered(seed uint64, connections, concurrent, segmentOctets int) Config {
	bare := segmentOctets == 0
	if bare {
		segmentOctets = 1
	}
	return Config{
		Seed: seed, Connections: connections, Concurrent: concurrent, Exchanges: 2,
		RequestOctets: segmentOctets, ResponseOctets: 4 * segmentOctets, SegmentOctets: segmentOctets,
		Turn: time.Millisecond, Gap: time.Millisecond, Bare: bare,
	}
}

// Pages describes web pages of 8 KiB, a connection for each.
func Pages(seed uint64, connections int) Config {
	return Config{Seed: seed, Connections: connections, ResponseOctets: 8192, AckEvery: 2, Timestamps: true}
}

// Bulk describes connections that download octets each, all at the same time.
func Bulk(seed uint64, connections, octets int) Config {
	return Config{
		Seed: seed, Connections: connections, Concurrent: connections, ResponseOctets: octets, SegmentOctets: 1448,
		AckEvery: 2, Timestamps: true,
	}
}

// Lossy describes web pages of 64 KiB over a bad path: one data segment of 20
// is overtaken by others, one of 100 is lost before the middle and sent again.
func Lossy(seed uint64, connections int) Config {
	return Config{Seed: seed, Connections: connections, ResponseOctets: 64 << 10, AckEvery: 2, Lost: 0.01, Reordered: 0.05}
}

// startDefaultNs is the time of the first frame: a Monday morning that is the
// same in every run.
const startDefaultNs = 1772442000 * int64(time.Second)

// The limits of a description. Connections must have distinct addresses and
// ports, of which a site has 3.2 billion, and be counted in an int; a message must fit in the window where nothing acknowledges its parts;
// a stream's offsets must not wrap.
const (
	connectionsMax = 1<<31 - 1
	concurrentMax  = 1 << 22
	segmentMax     = 1<<16 - 1 - 120 // an IPv4 packet with both headers at their longest
	streamMax      = 1 << 30
	lostMax        = 0.5
)

// The window that all endpoints announce: windowField << windowShift octets.
const (
	windowField  = 2048
	windowShift  = 7
	windowOctets = windowField << windowShift
	windowSYN    = 64240 // in SYNs, which are never scaled (RFC 7323 §2.2)
	mssMin       = 536   // announced where segments are shorter (RFC 9293 §3.7.1)
)

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	c.Connections = cmp.Or(c.Connections, 1000)
	c.Concurrent = min(cmp.Or(c.Concurrent, 1000), c.Connections)
	c.Exchanges = cmp.Or(c.Exchanges, 1)
	c.RequestOctets = cmp.Or(c.RequestOctets, 400)
	c.ResponseOctets = cmp.Or(c.ResponseOctets, 8192)
	c.SegmentOctets = cmp.Or(c.SegmentOctets, 1460)
	c.Turn = cmp.Or(c.Turn, 5*time.Millisecond)
	c.Gap = cmp.Or(c.Gap, 20*time.Microsecond)
	c.StartNs = cmp.Or(c.StartNs, startDefaultNs)
	return c
}

// validate reports every problem of a config that has its defaults.
func (c *Config) validate() error {
	var errs []error
	within := func(name string, v, lo, hi int) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("%w: %s is %d, must be %d to %d", ErrConfig, name, v, lo, hi))
		}
	}
	within("Connections", c.Connections, 1, connectionsMax)
	within("Concurrent", c.Concurrent, 1, concurrentMax)
	within("Exchanges", c.Exchanges, 1, streamMax)
	within("SegmentOctets", c.SegmentOctets, 1, segmentMax)
	within("AckEvery", c.AckEvery, 0, windowOctets/2/max(1, c.SegmentOctets))
	message := windowOctets
	if c.AckEvery > 0 {
		message = streamMax
	}
	message = min(message, streamMax/max(1, c.Exchanges))
	within("RequestOctets", c.RequestOctets, 1, message)
	within("ResponseOctets", c.ResponseOctets, 1, message)
	share := func(name string, v float64) {
		if !(v >= 0 && v <= lostMax) {
			errs = append(errs, fmt.Errorf("%w: %s is %v, must be 0 to %v", ErrConfig, name, v, lostMax))
		}
	}
	share("Lost", c.Lost)
	share("Reordered", c.Reordered)
	if c.Turn < 0 || c.Turn > time.Hour || c.Gap < 0 || c.Gap > time.Hour {
		errs = append(errs, fmt.Errorf("%w: Turn and Gap must be up to an hour", ErrConfig))
	}
	return errors.Join(errs...)
}

// Connections is a stream of the connections that a Config describes.
type Connections struct {
	config  Config
	planner *planner
	lib     *library
	rng     *rand.Rand // of the pauses between connections
	live    []live
	due     heap[turn]
	next    uint64 // ordinal of the connection that begins next
	ipID    uint16
	text    []byte
	paths   [2]craft.Path
}

// live is a connection under way. Its memory serves one after the other.
type live struct {
	plan    []planned
	pos     int // of the next segment in plan
	conn    uint64
	startNs int64
	iss     [2]wire.Seq // by sender, as the next two are
	tsFirst [2]uint32   // timestamp at startNs
	tsLast  [2]uint32   // timestamp sent last; 0: none
}

// turn says when a live connection sends next.
type turn struct {
	ns   int64
	slot int32
}

func (t turn) compare(u turn) int {
	return cmp.Or(cmp.Compare(t.ns, u.ns), cmp.Compare(t.slot, u.slot))
}

// NewConnections returns the stream of a config, or every problem it has.
func NewConnections(c Config) (*Connections, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Connections{
		config:  c,
		planner: newPlanner(c),
		lib:     newLibrary(c.Seed, uint64(c.RequestOctets), uint64(c.ResponseOctets)),
		rng:     rand.New(rand.NewPCG(c.Seed, 's')),
		live:    make([]live, c.Concurrent),
		text:    make([]byte, 0, c.SegmentOctets),
	}
	for slot := range s.live {
		s.begin(int32(slot), c.StartNs)
		// Each connection of the first generation begins at its own point
		// within the time that it lives.
		l := &s.live[slot]
		l.startNs += s.rng.Int64N(l.plan[len(l.plan)-1].atNs + 1)
		s.due.push(turn{l.startNs, int32(slot)})
	}
	return s, nil
}

// begin plans the next connection in a slot, from startNs on.
func (s *Connections) begin(slot int32, startNs int64) {
	l := &s.live[slot]
	conn := s.next
	s.next++
	*l = live{plan: s.planner.plan(l.plan, conn), conn: conn, startNs: startNs}
	for d := range l.iss {
		h := mix(s.config.Seed, conn<<1|uint64(d))
		l.iss[d], l.tsFirst[d] = wire.Seq(h), uint32(h>>32)
	}
}

// Next implements Stream.
func (s *Connections) Next(dst []byte) (frame []byte, timestampNs int64, ok bool) {
	if len(s.due) == 0 {
		return nil, 0, false
	}
	at := s.due[0]
	l := &s.live[at.slot]
	start := len(dst)
	dst = s.appendFrame(dst, l)
	l.pos++
	switch {
	case l.pos < len(l.plan):
		s.due[0].ns = l.startNs + l.plan[l.pos].atNs
		s.due.down(0)
	case s.next < uint64(s.config.Connections):
		s.begin(at.slot, at.ns+1+s.rng.Int64N(int64(s.config.Turn)+1))
		s.due[0].ns = s.live[at.slot].startNs
		s.due.down(0)
	default:
		s.due.pop()
	}
	return dst[start:], at.ns, true
}

// appendFrame appends the next segment of a connection.
func (s *Connections) appendFrame(dst []byte, l *live) []byte {
	p := &l.plan[l.pos]
	peer := p.dir.Reverse()
	h := craft.TCP{Seq: l.iss[p.dir].Add(p.seq), Flags: p.flags, Wnd: windowField}
	if p.flags.Has(wire.ACK) {
		h.Ack = l.iss[peer].Add(p.ack)
	}
	if s.config.Bare {
		h.Wnd += uint16(l.pos % windowField) // what distinguishes a window update from a duplicate acknowledgement
	}
	if p.flags.Has(wire.SYN) {
		h.Wnd, h.MSS, h.WScale = windowSYN, uint16(max(s.config.SegmentOctets, mssMin)), windowShift
		h.Opts = wire.OptMSS | wire.OptSACKOK | wire.OptWScale
	}
	if s.config.Timestamps {
		h.Opts |= wire.OptTimestamp
		h.TSVal = l.tsFirst[p.dir] + uint32(p.atNs/int64(time.Millisecond))
		h.TSEcr, l.tsLast[p.dir] = l.tsLast[peer], h.TSVal
	}
	s.text = s.text[:0]
	if p.len > 0 {
		s.text = connTexts{s.lib, l.conn}.appendText(s.text, p.dir, uint64(p.seq-1), uint64(p.len))
	}
	path := &s.paths[p.dir]
	ends := s.config.endpoints(l.conn)
	path.Src, path.Dst = ends[p.dir], ends[peer]
	path.ID, path.DontFragment = s.ipID, true
	s.ipID++
	return craft.AppendTCP(dst, path, &h, s.text)
}

// How connections share addresses and ports: those in a row have different
// clients, and a client's ports come back only in another network.
const (
	hostsPerSite = 250
	portsPerHost = 50000
	portFirst    = 10000
	serverHosts  = 8
	serverPort   = 80
)

// endpoints returns client and server of a connection, in the order of wire.Dir.
func (c *Config) endpoints(conn uint64) [2]netip.AddrPort {
	host := byte(1 + conn%hostsPerSite)
	turn := conn / hostsPerSite
	port := uint16(portFirst + turn%portsPerHost)
	network := byte(turn / portsPerHost)
	server := byte(1 + conn%serverHosts)
	if c.IPv6 {
		return [2]netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: 1, 5: c.Site, 7: network, 15: host}), port),
			netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: 0x80, 15: server}), serverPort),
		}
	}
	return [2]netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, c.Site, network, host}), port),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, server}), serverPort),
	}
}

// Flows ranges over all connections, in the order in which they were numbered.
// It may be called at any time and does not move the stream.
func (s *Connections) Flows() iter.Seq[Flow] {
	return func(yield func(Flow) bool) {
		octets := [2]uint64{uint64(s.config.Exchanges * s.config.RequestOctets), uint64(s.config.Exchanges * s.config.ResponseOctets)}
		if s.config.Bare {
			octets = [2]uint64{}
		}
		for conn := range uint64(s.config.Connections) {
			ends := s.config.endpoints(conn)
			f := Flow{Client: ends[wire.ToServer], Server: ends[wire.ToClient], Octets: octets, text: connTexts{s.lib, conn}}
			if !yield(f) {
				return
			}
		}
	}
}
