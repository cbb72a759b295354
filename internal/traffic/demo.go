package traffic

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// Demo is a stream of a few hundred frames: one working day of a small network,
// in which most of what happens to connections happens once.
type Demo struct {
	frames []timed
	flows  []Flow
	next   int
}

// scene is a thing that happens at a time of the day.
type scene struct {
	at   time.Duration // after midnight
	play func(s *script, ns int64)
}

// The hosts of the demo.
const (
	ada      = "10.1.0.11" // works in the office
	bob      = "10.1.0.12" // so does he
	sensor   = "10.1.0.31"
	printer  = "10.1.0.40"
	router   = "10.1.0.1" // also resolves names
	adaV6    = "2001:db8:a::11"
	news     = "192.0.2.80"
	shop     = "198.51.100.7"
	files    = "198.51.100.21"
	gone     = "198.51.100.99"
	newsV6   = "2001:db8:80::1"
	stranger = "203.0.113.66"
)

// at makes an endpoint of a host.
func at(host string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(host), port)
}

// clock makes a time of the day.
func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// day returns what happens, in the order in which it is told.
func day() []scene {
	return []scene{
		{clock(8, 58), wakeUp},
		{clock(9, 0), morningNews},
		{clock(9, 2), newsOverIPv6},
		{clock(9, 30), refused},
		{clock(10, 5), unanswered},
		{clock(10, 40), injected},
		{clock(11, 15), aborted},
		{clock(11, 50), halfClosed},
		{clock(13, 0), alreadyThere},
		{clock(13, 30), outOfOrder},
		{clock(14, 0), lostAndRepaired},
		{clock(14, 20), notCaptured},
		{clock(14, 45), inFragments},
		{clock(15, 10), scanned},
		{clock(15, 40), slowPrinter},
		{clock(16, 0), blindReset},
		{clock(16, 30), closedTogether},
		{clock(17, 0), portReused},
	}
}

// NewDemo returns the demo. It is the same every time.
func NewDemo() *Demo {
	s := &script{}
	midnight := startDefaultNs - int64(clock(9, 0))
	for _, sc := range day() {
		sc.play(s, midnight+int64(sc.at))
	}
	s.sort()
	return &Demo{frames: s.frames, flows: s.flows}
}

// Next implements Stream.
func (d *Demo) Next(dst []byte) (frame []byte, timestampNs int64, ok bool) {
	if d.next == len(d.frames) {
		return nil, 0, false
	}
	f := d.frames[d.next]
	d.next++
	start := len(dst)
	return append(dst, f.data...)[start:], f.ns, true
}

// Flows ranges over the demo's TCP connections, in the order in which they
// begin. Each has a note that says what there is to see.
func (d *Demo) Flows() iter.Seq[Flow] { return slices.Values(d.flows) }

// get is a request for a page.
func get(host, page string) string {
	return "GET " + page + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: demo/1\r\nAccept: */*\r\n\r\n"
}

// page is the answer to it: a text of lines that say which they are, so that a
// reader sees what is missing.
func page(title string, lines int) string {
	var body strings.Builder
	fmt.Fprintf(&body, "<!doctype html>\n<title>%s</title>\n", title)
	for i := range lines {
		fmt.Fprintf(&body, "<p>This is line %d of %d of the page about %s.</p>\n", i+1, lines, title)
	}
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: demo\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", body.Len(), body.String())
}

// datagram sends UDP.
func (s *script) datagram(ns int64, src, dst netip.AddrPort, payload []byte) []byte {
	p := craft.Path{Src: src, Dst: dst, PadTo: 60, ID: s.ipID}
	s.ipID++
	frame := craft.AppendUDP(nil, &p, payload)
	s.add(ns, frame)
	return frame
}

// lookup asks the router for a name's address and has it answered.
func (s *script) lookup(ns int64, client, name, addr string) {
	a := netip.MustParseAddr(addr)
	q := dnsQuestion{id: uint16(ns / int64(time.Second)), name: name, qtype: dnsA}
	if a.Is6() {
		q.qtype = dnsAAAA
	}
	from, to := at(client, 50000+s.ipID), at(router, 53)
	s.datagram(ns, from, to, q.appendQuery(nil))
	s.datagram(ns+int64(3*time.Millisecond), to, from, q.appendAnswer(nil, a.AsSlice()))
}

// wakeUp: a host looks for its router, then asks what time it is.
func wakeUp(s *script, ns int64) {
	p := craft.Path{Src: at(ada, 0), Dst: at(router, 0), PadTo: 60}
	back := p.Reverse()
	s.add(ns, craft.AppendARP(nil, &p, craft.ARPRequest))
	s.add(ns+int64(time.Millisecond), craft.AppendARP(nil, &back, craft.ARPReply))
	ask, tell := at(ada, 123), at(router, 123)
	ntp := make([]byte, 48)
	ntp[0] = 0x23 // RFC 5905 §7.3: version 4, client
	s.datagram(ns+int64(time.Second), ask, tell, ntp)
	ntp[0], ntp[1] = 0x24, 2 // version 4, server, stratum 2
	s.datagram(ns+int64(time.Second+2*time.Millisecond), tell, ask, ntp)
}

// morningNews: a page and what it is made of, over three connections at once.
func morningNews(s *script, ns int64) {
	s.lookup(ns, ada, "news.example", news)
	t := s.talk(ns+int64(10*time.Millisecond), at(ada, 41001), at(news, 80), "two pages over one connection")
	t.open().say(wire.ToServer, get("news.example", "/")).wait(20 * time.Millisecond)
	t.say(wire.ToClient, page("the news", 60))
	start := t.ns
	t.wait(9*time.Second).say(wire.ToServer, get("news.example", "/weather")).wait(15 * time.Millisecond)
	t.say(wire.ToClient, page("the weather", 20)).wait(5 * time.Second).close(wire.ToClient)
	for i, part := range []string{"style", "picture"} {
		t := s.talk(start+int64(i)*int64(time.Millisecond), at(ada, 41002+uint16(i)), at(news, 80), "a "+part+" of the page, at the same time")
		t.open().say(wire.ToServer, get("news.example", "/"+part)).wait(10 * time.Millisecond)
		t.say(wire.ToClient, page("a "+part, 30+60*i)).wait(time.Second).close(wire.ToServer)
	}
}

// newsOverIPv6: the same site, IPv6, from a tagged VLAN.
func newsOverIPv6(s *script, ns int64) {
	s.lookup(ns, ada, "news.example", newsV6)
	t := s.talk(ns+int64(10*time.Millisecond), at(adaV6, 41010), at(newsV6, 80), "IPv6, from VLAN 20")
	for d := range t.path {
		t.path[d].Tags = []craft.Tag{{TCI: 20}}
	}
	t.open().say(wire.ToServer, get("news.example", "/sport")).wait(12 * time.Millisecond)
	t.say(wire.ToClient, page("sport", 40)).wait(time.Second).close(wire.ToServer)
}

// refused: the printer is on, nobody listens.
func refused(s *script, ns int64) {
	for i := range 2 {
		t := s.talk(ns+int64(i)*int64(2*time.Second), at(bob, 42001+uint16(i)), at(printer, 9100), "refused: the SYN is answered by RST")
		t.syn(wire.ToServer, wire.SYN)
		t.emit(wire.ToClient, craft.TCP{Flags: wire.RST | wire.ACK, Ack: t.seq[wire.ToServer] + 1}, nil)
	}
}

// unanswered: three SYNs get no answer; the router then says why.
func unanswered(s *script, ns int64) {
	t := s.talk(ns, at(bob, 42010), at(gone, 443), "no answer: the SYN is sent three times, then an ICMP error")
	for i := range 3 {
		t.syn(wire.ToServer, wire.SYN)
		t.wait(time.Second << i)
	}
	last := s.frames[len(s.frames)-1].data
	p := craft.Path{Src: at(router, 0), Dst: at(bob, 0)}
	unreachable := craft.ICMP{Type: 3, Code: 1} // RFC 792: host unreachable
	s.add(t.ns, craft.AppendICMP(nil, &p, &unreachable, last[t.path[0].LinkOctets():][:28]))
}

// injected: somebody on the path answers faster than the shop.
func injected(s *script, ns int64) {
	s.lookup(ns, ada, "shop.example", shop)
	t := s.talk(ns+int64(10*time.Millisecond), at(ada, 41020), at(shop, 80), "the answer comes twice, with different octets: injected")
	t.open().say(wire.ToServer, get("shop.example", "/pay"))
	truth := page("your order, account 1234", 4)
	forged := strings.ReplaceAll(truth, "account 1234", "account 6666")
	first := t.cut(wire.ToClient, []byte(forged))[0]
	t.wait(2 * time.Millisecond).put(first)
	t.ack(wire.ToServer)
	second := first
	second.text = []byte(truth)[:len(first.text)]
	t.wait(9 * time.Millisecond).put(second)
	t.ack(wire.ToServer)
	t.wait(time.Second).close(wire.ToServer)
}

// aborted: a download that its server gives up.
func aborted(s *script, ns int64) {
	t := s.talk(ns, at(bob, 42020), at(files, 80), "reset by the server in the middle of an answer")
	t.open().say(wire.ToServer, get("files.example", "/image.iso")).wait(10 * time.Millisecond)
	t.say(wire.ToClient, page("a large file", 400)[:14600])
	t.wait(30 * time.Second).reset(wire.ToClient)
}
