package main

import (
	"fmt"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// story is what is remarkable about one connection of the demo, as its events
// told it.
type story struct {
	ahead    int // segments that came before their turn
	syns     int // repeated
	same     uint64
	differs  mbox.Rexmit
	forged   bool // a RST that nobody accepts
	shrunk   bool // a window that was taken back
	gap      mbox.Gap
	half     time.Time // when one side had said all it had to say
	late     int       // pieces of data from the other side after that
	lasted   time.Duration
	together bool // both sides closed at once
	icmp     string
}

// register registers the handlers that find out.
func (w *showcase) register(sock *mbox.Socket) error {
	for _, on := range []struct {
		event mbox.Event
		hook  mbox.Hook
		do    func(*story, *mbox.Context)
	}{
		{mbox.OnPacket, mbox.PreTCP, (*story).packet},
		{mbox.OnRexmit, mbox.PostTCP, (*story).rexmit},
		{mbox.OnAnomaly, mbox.PostTCP, (*story).anomaly},
		{mbox.OnGap, mbox.PostTCP, func(s *story, c *mbox.Context) { s.gap = c.Gap() }},
		{mbox.OnStateChange, mbox.PostTCP, (*story).state},
		{mbox.OnNewData, mbox.PostTCP, (*story).data},
		{mbox.OnICMPError, mbox.PostTCP, func(s *story, c *mbox.Context) { s.icmp = unreachable(c.ICMP()) }},
	} {
		if err := sock.Handle(on.event, on.hook, func(c *mbox.Context) { on.do(w.story.Of(c), c) }); err != nil {
			return err
		}
	}
	return sock.Handle(mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		r := w.last(c)
		w.records = append(w.records, r)
		if said := w.story.Of(c).tell(&r); said != "" {
			w.stories = append(w.stories, fmt.Sprintf("  %s  %s %s > %s\n%13s%s",
				r.began.UTC().Format("15:04:05"), r.flow.Proto(), r.flow.Client(), r.flow.Server(), "", said))
		}
	})
}

// packet counts segments that begin beyond what their sender had sent: others
// are missing before them.
func (s *story) packet(c *mbox.Context) {
	if c.Conn() == nil {
		return
	}
	if next, known := c.Conn().SndNXT(c.Side()); known && c.Packet().Segment.Flags&(wire.RST|wire.SYN) == 0 && next.Less(c.Packet().Segment.Seq) {
		s.ahead++
	}
}

func (s *story) rexmit(c *mbox.Context) {
	switch r := c.Rexmit(); {
	case r.Match == uevents.MatchDiffers:
		r.Original = nil // lent
		s.differs = r
	case r.SYN:
		s.syns++
	default:
		s.same += uint64(r.Len)
	}
}

func (s *story) anomaly(c *mbox.Context) {
	switch c.Anomaly() {
	case tcpfsm.RSTOutOfWindow:
		s.forged = true
	case tcpfsm.BadWindowUpdate:
		s.shrunk = true
	}
}

func (s *story) state(c *mbox.Context) {
	switch c.To() {
	case tcpfsm.FinWait2:
		s.half = c.Now()
	case tcpfsm.Closing:
		s.together = true
	}
}

// data counts what comes after the other side has said all it had to say.
func (s *story) data(c *mbox.Context) {
	if !s.half.IsZero() {
		s.late++
		s.lasted = c.Now().Sub(s.half)
	}
}

// unreachable says what an ICMP error means.
func unreachable(typ, code uint8) string {
	what := map[uint8]string{1: "host", 3: "port"}[code]
	if typ != 3 || what == "" {
		return fmt.Sprintf("ICMP %d/%d", typ, code)
	}
	return "ICMP: " + what + " unreachable"
}

// tell returns the story in words; "" if there is none.
func (s *story) tell(r *record) string {
	server := r.sent[mbox.Server].PayloadBytes
	switch {
	case s.differs.Len > 0:
		return fmt.Sprintf("CONFLICT: octets %d-%d of the answer came twice, with different content", s.differs.Offset, s.differs.Offset+uint64(s.differs.Len)-1)
	case s.gap.Len > 0:
		return fmt.Sprintf("GAP: octets %d-%d were acknowledged, only the capture lacks them; the stream goes on", s.gap.Offset, s.gap.Offset+s.gap.Len-1)
	case s.forged:
		return "a RST far outside the window, as a blind attacker sends: neither endpoint closes"
	case s.shrunk:
		return fmt.Sprintf("the receiver took its window back, was probed, and opened it again; %s in all", durationText(r.took))
	case s.syns > 0:
		return fmt.Sprintf("%d SYNs without an answer, then %s", s.syns+1, s.icmp)
	case s.icmp != "":
		return s.icmp
	case r.reason == uevents.EndRST && server > 0:
		return fmt.Sprintf("reset in the middle of an answer, after %d octets", server)
	case s.late > 1:
		return fmt.Sprintf("half-closed: the client has sent its FIN, the server goes on for %s", durationText(s.lasted))
	case s.together:
		return "both sides closed at the same moment: FIN-WAIT-1, CLOSING, TIME-WAIT on both"
	case s.same > 0:
		return fmt.Sprintf("segments ahead of their turn: %d; and %d octets were sent again, the same", s.ahead, s.same)
	case s.ahead > 0:
		return fmt.Sprintf("segments ahead of their turn: %d; the stream is in order", s.ahead)
	case r.evidence.Midstream:
		return "picked up in the middle: no SYN was seen, so who is the client is a guess"
	}
	return ""
}
