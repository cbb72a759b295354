package main

import (
	"bytes"
	"container/list"
	"fmt"
	"strconv"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/wire"
)

// block is the transcript of one connection: flows of one key that follow each
// other without time between them. There may be as many as flows, so that lines
// are kept as text.
type block struct {
	text    []byte        // lines of three cells between tabs, and comments
	place   *list.Element // in transcriber.blocks; valid iff there is text
	last    int64         // clock of the latest line, ns
	base    [2]wire.Seq   // what sequence numbers of either side count from
	based   [2]bool
	written bool // a part of it has been written
}

// arrows say in which direction a packet of a transcript travels.
var arrows = [2]string{mbox.Client: ">", mbox.Server: "<"}

// title returns the line that says which flow a block is of.
func (b *block) title(c *mbox.Context) []byte {
	if b.written {
		return fmt.Appendf(nil, "# %s, continued\n", c.Flow())
	}
	return fmt.Appendf(nil, "# %s, %s, frame %d\n", c.Flow(), appendStamp(nil, c.Timestamp()), c.Number())
}

// aligned returns the block's lines, their bars under each other.
func (b *block) aligned() []byte {
	wide := 0
	for line := range bytes.Lines(b.text) {
		if input, _, ok := bytes.Cut(line, []byte("\t")); ok && len(input) <= inputMax {
			wide = max(wide, len(input))
		}
	}
	var text []byte
	for line := range bytes.Lines(b.text) {
		cells := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"), 3)
		if len(cells) < 3 {
			text = append(text, line...) // a comment
			continue
		}
		text = fmt.Appendf(text, "%-*s | %-*s | %s", wide, cells[0], statesWide, cells[1], cells[2])
		text = append(bytes.TrimRight(text, " "), '\n')
	}
	return text
}

// inputMax is how long a line may be before its first bar and still decide
// where the others have theirs.
const inputMax = 72

// statesWide is room for two states.
const statesWide = 25

// packet returns a packet as it stands at the beginning of a line.
func (b *block) packet(c *mbox.Context, absolute bool) string {
	p, d := c.Packet(), c.Side()
	text := append([]byte(arrows[d]), ' ')
	if c.TCP() == nil {
		text = fmt.Appendf(text, "U %d", p.PayloadLen)
	} else {
		text = b.segment(text, &p.Segment, d, absolute)
	}
	if p.Captured < p.PayloadLen {
		text = fmt.Appendf(text, " cut=%d", p.Captured)
	}
	return string(text) + b.pause(c)
}

// pause returns the option that says how long after the line before this one
// comes, where that is longer than usual.
func (b *block) pause(c *mbox.Context) string {
	now := c.Now().UnixNano()
	pause := time.Duration(now-b.last).Round(time.Millisecond) - lineTime
	b.last = now
	if pause <= 0 {
		return ""
	}
	return " t=+" + pause.String()
}

// lineTime is how much later than the line before a line of a transcript is
// played if it does not say otherwise.
const lineTime = time.Millisecond

// segment appends flags, numbers and options.
func (b *block) segment(text []byte, s *wire.Segment, d mbox.Dir, absolute bool) []byte {
	seq, ack, peer := s.Seq, s.Ack, d.Reverse()
	if !s.Flags.Has(wire.ACK) {
		ack = 0
	}
	if !absolute {
		first := s.Seq
		if !s.Flags.Has(wire.SYN) {
			first--
		}
		seq -= b.from(d, first)
		if s.Flags.Has(wire.ACK) {
			ack -= b.from(peer, s.Ack-1)
		}
	}
	text = fmt.Appendf(text, "%-3s %6d %6d %4d", s.Flags, seq, ack, s.Len)
	option := func(is bool, name string, n uint64) {
		if is {
			text = strconv.AppendUint(append(append(append(text, ' '), name...), '='), n, 10)
		}
	}
	option(true, "win", uint64(s.Wnd))
	option(s.Flags.Has(wire.URG), "urg", uint64(s.Urg))
	option(s.Opts&wire.OptMSS != 0, "mss", uint64(s.MSS))
	option(s.Opts&wire.OptWScale != 0, "ws", uint64(s.WScale))
	if s.Opts&wire.OptSACKOK != 0 {
		text = append(text, " sackok"...)
	}
	if s.Opts&wire.OptTFO != 0 {
		text = append(text, " tfo"...)
	}
	if s.Opts&wire.OptTimestamp != 0 {
		text = fmt.Appendf(text, " ts=%d/%d", s.TSVal, s.TSEcr)
	}
	return text
}

// from returns what sequence numbers of a side count from: its initial sequence
// number or, failing that, the one before the first octet heard of, so that the
// stream's first octet is number 1 either way.
func (b *block) from(d mbox.Dir, first wire.Seq) wire.Seq {
	if !b.based[d] {
		b.base[d], b.based[d] = first, true
	}
	return b.base[d]
}

// states returns both states as they stand between the bars.
func states(c *mbox.Context) string {
	if c.Conn() == nil {
		return ""
	}
	return fmt.Sprintf("%-12s %-12s", c.State(mbox.Client), c.State(mbox.Server))
}

// describe returns an event as transcripts name it, in package mboxtest's words.
func describe(c *mbox.Context) string {
	side := c.Side()
	switch c.Event() {
	case mbox.OnConnStart:
		return "start " + c.Flow().Start().String()
	case mbox.OnConnEstablished:
		return "established"
	case mbox.OnStateChange:
		return fmt.Sprintf("%s %s", side, c.To())
	case mbox.OnNewData:
		return fmt.Sprintf("data %s %d+%d", side, c.Offset(), len(c.Payload()))
	case mbox.OnGap:
		g := c.Gap()
		return fmt.Sprintf("gap %s %d+%d %s", side, g.Offset, g.Len, g.Why)
	case mbox.OnRexmit:
		return "rexmit " + side.String() + describeRexmit(c.Rexmit())
	case mbox.OnAnomaly:
		return "! " + c.Anomaly().String()
	case mbox.OnICMPError:
		typ, code := c.ICMP()
		return fmt.Sprintf("icmp %s %d/%d", side, typ, code)
	}
	return "end " + c.Reason().String()
}

func describeRexmit(r mbox.Rexmit) (text string) {
	for _, repeated := range []struct {
		is   bool
		name string
	}{{r.SYN, " SYN"}, {r.SYNACK, " SYN-ACK"}, {r.FIN, " FIN"}} {
		if repeated.is {
			text += repeated.name
		}
	}
	if r.Len > 0 {
		text += fmt.Sprintf(" %d+%d %s", r.Offset, r.Len, r.Match)
	}
	return text
}
