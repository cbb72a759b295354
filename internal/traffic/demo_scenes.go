package traffic

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// halfClosed: the client has said all it has to say, the server goes on.
func halfClosed(s *script, ns int64) {
	t := s.talk(ns, at(sensor, 43001), at(files, 8080), "half-closed for minutes: data after the client's FIN")
	t.open().say(wire.ToServer, "REPORT last-night\n").fin(wire.ToServer)
	for hour := range 8 {
		t.wait(40*time.Second).say(wire.ToClient, fmt.Sprintf("hour %d: 21.%d degrees, all quiet\n", hour, hour))
	}
	t.wait(time.Second).fin(wire.ToClient)
}

// alreadyThere: the capture began after the connection; it never ends either.
func alreadyThere(s *script, ns int64) {
	t := s.talk(ns, at(bob, 42030), at(files, 22), "picked up in the middle: no SYN was seen, and no end")
	for i := range 12 {
		t.wait(400*time.Millisecond).say(wire.ToServer, string(bytes.Repeat([]byte{byte('a' + i)}, 36)))
		t.wait(30*time.Millisecond).say(wire.ToClient, string(bytes.Repeat([]byte{byte('A' + i)}, 52)))
	}
}

// outOfOrder: a burst of eight segments that took different paths.
func outOfOrder(s *script, ns int64) {
	t := s.talk(ns, at(ada, 41030), at(files, 80), "eight segments arrive out of order")
	t.open().say(wire.ToServer, get("files.example", "/map")).wait(10 * time.Millisecond)
	pieces := t.cut(wire.ToClient, []byte(page("a map", 220)[:8*t.mss]))
	for _, i := range []int{1, 3, 0, 2, 7, 6, 5, 4} {
		t.put(pieces[i])
		t.ack(wire.ToServer)
	}
	t.wait(time.Second).close(wire.ToServer)
}

// lostAndRepaired: one segment never reached us until it was sent again, another
// was lost behind us.
func lostAndRepaired(s *script, ns int64) {
	t := s.talk(ns, at(bob, 42040), at(news, 80), "one segment lost before us, one behind us; both sent again")
	t.open().say(wire.ToServer, get("news.example", "/archive")).wait(10 * time.Millisecond)
	pieces := t.cut(wire.ToClient, []byte(page("the archive", 150)[:6*t.mss]))
	late, behind := pieces[1], pieces[4]
	t.put(pieces[0])
	for _, c := range slices.Concat(pieces[2:4], pieces[5:]) {
		if c.seq == pieces[5].seq {
			t.emit(behind.dir, craft.TCP{Seq: behind.seq, Flags: behind.flags}, behind.text)
		}
		t.put(c)
		t.emit(wire.ToServer, craft.TCP{
			Seq: t.seq[wire.ToServer], Flags: wire.ACK, Opts: wire.OptSACK, SACK: []craft.SACKBlock{{Left: c.seq, Right: c.end()}},
		}, nil)
	}
	for _, c := range []piece{late, behind} {
		t.wait(200 * time.Millisecond).put(c)
		t.ack(wire.ToServer)
	}
	t.wait(time.Second).close(wire.ToServer)
}

// notCaptured: the receiver acknowledges a segment that only we have missed.
func notCaptured(s *script, ns int64) {
	t := s.talk(ns, at(ada, 41040), at(news, 80), "a segment that only the capture missed: a gap, then on")
	t.open().say(wire.ToServer, get("news.example", "/letters")).wait(10 * time.Millisecond)
	for i, c := range t.cut(wire.ToClient, []byte(page("letters", 140)[:5*t.mss])) {
		if i == 2 {
			t.unseen(c)
			continue
		}
		t.put(c)
		t.ack(wire.ToServer)
	}
	t.wait(time.Second).close(wire.ToServer)
}

// inFragments: an answer too long for one packet, its fragments back to front.
func inFragments(s *script, ns int64) {
	q := dnsQuestion{id: 0x1445, name: "keys.example", qtype: dnsTXT}
	client, server := at(ada, 51445), at(router, 53)
	s.datagram(ns, client, server, q.appendQuery(nil))
	text := append([]byte{250}, bytes.Repeat([]byte("key=0123456789abcdef/"), 12)[:250]...)
	answer := q.appendAnswer(nil, text, text, text, text, text, text, text, text)
	p := craft.Path{Src: server, Dst: client}
	frames := craft.Fragments(&p, wire.ProtoUDP, 0x1445, craft.AppendDatagram(nil, &p, answer), 1000)
	slices.Reverse(frames)
	for i, f := range frames {
		s.add(ns+int64(5+i)*int64(time.Millisecond), f)
	}
}

// scanned: somebody knocks at every port of the printer. One is open, most
// refuse, some say nothing; a probe by UDP gets an ICMP error.
func scanned(s *script, ns int64) {
	for i := range 12 {
		note, port := "port scan: refused", uint16(20+i)
		if i%6 == 5 {
			note = "port scan: no answer"
		} else if port == 22 {
			note = "port scan: open, reset at once"
		}
		t := s.talk(ns+int64(i)*int64(50*time.Millisecond), at(stranger, 60000), at(printer, port), note)
		t.syn(wire.ToServer, wire.SYN)
		switch {
		case port == 22:
			t.syn(wire.ToClient, wire.SYN|wire.ACK)
			t.emit(wire.ToServer, craft.TCP{Seq: t.seq[wire.ToServer] + 1, Flags: wire.RST}, nil)
		case i%6 != 5:
			t.emit(wire.ToClient, craft.TCP{Flags: wire.RST | wire.ACK, Ack: t.seq[wire.ToServer] + 1}, nil)
		}
	}
	later := ns + int64(3*time.Second)
	probe := s.datagram(later, at(stranger, 60000), at(printer, 161), []byte("probe"))
	p := craft.Path{Src: at(printer, 0), Dst: at(stranger, 0)}
	unreachable := craft.ICMP{Type: 3, Code: 3} // RFC 792: port unreachable
	quoted := probe[p.LinkOctets():][:20+8]
	s.add(later+int64(time.Millisecond), craft.AppendICMP(nil, &p, &unreachable, quoted))
}

// slowPrinter: the printer's window closes, is probed, and opens; then nothing is
// said for a while but that the connection still stands.
func slowPrinter(s *script, ns int64) {
	t := s.talk(ns, at(ada, 41050), at(printer, 631), "a zero window and its probes, then keep-alives")
	t.open().say(wire.ToServer, strings.Repeat("one line of the print job\n", 100))
	t.wnd[wire.ToClient] = 0
	job := t.cut(wire.ToServer, []byte("the last line of the job\n"))[0]
	t.emit(wire.ToClient, craft.TCP{Seq: t.seq[wire.ToClient], Flags: wire.ACK}, nil)
	for i := range 3 {
		// RFC 9293 §3.8.6.1: one octet that the receiver need not take.
		t.wait(time.Second << i)
		t.emit(wire.ToServer, craft.TCP{Seq: job.seq, Flags: wire.ACK}, job.text[:1])
		t.ack(wire.ToClient)
	}
	t.wnd[wire.ToClient] = windowField
	t.wait(time.Second).ack(wire.ToClient)
	t.put(job)
	t.ack(wire.ToClient)
	for range 2 {
		// RFC 9293 §3.8.4: the number before the next, without text.
		t.wait(75 * time.Second)
		t.emit(wire.ToServer, craft.TCP{Seq: t.seq[wire.ToServer] - 1, Flags: wire.ACK}, nil)
		t.ack(wire.ToClient)
	}
	t.say(wire.ToClient, "printed\n").wait(time.Second).close(wire.ToClient)
}

// blindReset: a forged RST that does not hit the sequence number.
func blindReset(s *script, ns int64) {
	t := s.talk(ns, at(bob, 42050), at(shop, 443), "a forged RST misses: the connection lives on")
	t.open().say(wire.ToServer, "hello, shop\n").say(wire.ToClient, "hello, bob\n")
	t.wait(time.Second)
	// RFC 5961 §3.2: far outside the window; neither endpoint cares.
	t.emit(wire.ToClient, craft.TCP{Seq: t.seq[wire.ToClient].Add(1 << 30), Flags: wire.RST}, nil)
	t.wait(time.Second).say(wire.ToServer, "are you still there?\n").say(wire.ToClient, "of course\n")
	t.close(wire.ToServer)
}

// closedTogether: both ends close at the same moment (RFC 9293 §3.6, case 3).
func closedTogether(s *script, ns int64) {
	t := s.talk(ns, at(ada, 41060), at(shop, 80), "both sides close at the same time")
	t.open().say(wire.ToServer, get("shop.example", "/bye")).say(wire.ToClient, page("goodbye", 3))
	seen := t.got
	for _, d := range []wire.Dir{wire.ToServer, wire.ToClient} {
		t.emit(d, craft.TCP{Seq: t.seq[d], Ack: seen[d], Flags: wire.FIN | wire.ACK}, nil)
		t.arrive(piece{dir: d, seq: t.seq[d], flags: wire.FIN})
		t.seq[d]++
	}
	t.wait(8 * time.Millisecond).ack(wire.ToServer).ack(wire.ToClient)
}

// portReused: the same two ports twice within a minute.
func portReused(s *script, ns int64) {
	for i, note := range []string{"closed properly", "a new connection on the ports of the one before"} {
		t := s.talk(ns+int64(i)*int64(30*time.Second), at(sensor, 43002), at(files, 8080), note)
		t.open().say(wire.ToServer, fmt.Sprintf("STORE %d\n", i)).say(wire.ToClient, "ok\n").close(wire.ToServer)
	}
}
