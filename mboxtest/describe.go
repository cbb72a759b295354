package mboxtest

import (
	"fmt"
	"strconv"

	"github.com/mbox-stack/mbox"
)

// describe returns an event as transcripts write it.
func (s *Script) describe(c *mbox.Context) string {
	side := c.Side()
	switch c.Event() {
	case mbox.OnConnStart:
		return "start " + c.Flow().Start().String()
	case mbox.OnConnEstablished:
		return "established"
	case mbox.OnStateChange:
		return fmt.Sprintf("%s %s", side, c.To())
	case mbox.OnNewData:
		text := fmt.Sprintf("data %s %d+%d", side, c.Offset(), len(c.Payload()))
		if s.showText {
			text += " " + strconv.Quote(string(c.Payload()))
		}
		return text
	case mbox.OnGap:
		g := c.Gap()
		return fmt.Sprintf("gap %s %d+%d %s", side, g.Offset, g.Len, g.Why)
	case mbox.OnRexmit:
		return "rexmit " + side.String() + describeRexmit(c.Rexmit())
	case mbox.OnAnomaly:
		return "! " + c.Anomaly().String()
	case mbox.OnConnEnd:
		return "end " + c.Reason().String()
	case mbox.OnICMPError:
		typ, code := c.ICMP()
		return fmt.Sprintf("icmp %s %d/%d", side, typ, code)
	}
	return c.Event().String()
}

func describeRexmit(r mbox.Rexmit) (s string) {
	if r.SYN {
		s += " SYN"
	}
	if r.SYNACK {
		s += " SYN-ACK"
	}
	if r.FIN {
		s += " FIN"
	}
	if r.Len > 0 {
		s += fmt.Sprintf(" %d+%d %s", r.Offset, r.Len, r.Match)
	}
	return s
}
