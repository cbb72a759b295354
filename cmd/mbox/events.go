package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
)

// told says how each event is printed: where handlers stand, and what there is
// to say besides when, which flow and which side.
var told = []struct {
	event   mbox.Event
	hook    mbox.Hook
	details func(*line, *mbox.Context)
}{
	{mbox.OnPacket, mbox.PreTCP, tellPacket},
	{mbox.OnConnStart, mbox.PostTCP, tellStart},
	{mbox.OnStateChange, mbox.PostTCP, func(l *line, c *mbox.Context) {
		l.text("from", c.From().String())
		l.text("to", c.To().String())
	}},
	{mbox.OnConnEstablished, mbox.PostTCP, func(l *line, c *mbox.Context) {
		l.seconds("rtt_client", c.RTT().Client)
		l.seconds("rtt_server", c.RTT().Server)
	}},
	{mbox.OnRexmit, mbox.PostTCP, tellRexmit},
	{mbox.OnAnomaly, mbox.PostTCP, func(l *line, c *mbox.Context) {
		l.text("anomaly", c.Anomaly().String())
		l.text("ref", c.Anomaly().Ref())
	}},
	{mbox.OnGap, mbox.PostTCP, func(l *line, c *mbox.Context) {
		g := c.Gap()
		l.number("offset", g.Offset)
		l.number("len", g.Len)
		l.text("why", g.Why.String())
	}},
	{mbox.OnNewData, mbox.PostTCP, func(l *line, c *mbox.Context) {
		l.number("offset", c.Offset())
		l.number("len", uint64(len(c.Payload())))
	}},
	{mbox.OnICMPError, mbox.PostTCP, func(l *line, c *mbox.Context) {
		typ, code := c.ICMP()
		l.number("type", uint64(typ))
		l.number("code", uint64(code))
	}},
	{mbox.OnConnEnd, mbox.PostTCP, tellEnd},
	{mbox.OnOrphan, mbox.PreTCP, tellPacket},
}

// eventsDefault are the events that are printed unless the user chooses: those
// that happen to connections and not to each of their packets.
var eventsDefault = []string{"conn-start", "state-change", "conn-established", "rexmit", "anomaly", "gap",
	"icmp-error", "conn-end", "orphan"}

func eventNames() (names []string) {
	for _, t := range told {
		names = append(names, t.event.String())
	}
	return names
}

// events returns the command that prints a line for each event.
func (p *program) events() *cobra.Command {
	o := newOptions()
	format := choice{kind: "FORM", value: "text", of: []string{"text", "jsonl"}}
	var on []string
	cmd := &cobra.Command{
		Use:   "events -r FILE | -i IFACE [flags] [filter expression]",
		Short: "One line of each event",
		Long: `Print a line for each thing that happens to a flow, in the order in which it
happens: time, flow, event, the side that it is about, details.`,
		Example: `  mbox events -r trace.pcap
  mbox events -r trace.pcap --on rexmit,anomaly | grep match=differs
  mbox events -r trace.pcap --on all --format jsonl host 10.1.0.11`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.session(o, args, nil)
			if err != nil {
				return err
			}
			if err := s.tell(on, format.value == "jsonl"); err != nil {
				return err
			}
			return s.play(cmd.Context())
		},
	}
	own := cmd.Flags()
	own.StringSliceVar(&on, "on", eventsDefault, "the `EVENTS` to print, separated by commas, or all: "+strings.Join(eventNames(), ", "))
	own.Var(&format, "format", "text or jsonl, one object a line")
	o.output(own)
	o.common(cmd)
	return cmd
}

// tell has the events named on printed.
func (s *session) tell(on []string, json bool) error {
	there := "there are all, " + strings.Join(eventNames(), ", ")
	if len(on) == 0 || slices.Contains(on, "") {
		return fmt.Errorf("--on: names no event; %s", there)
	}
	for _, name := range on {
		if name != "all" && !slices.Contains(eventNames(), name) {
			return fmt.Errorf("--on %s: no such event; %s", name, there)
		}
	}
	sock := s.stack.Monitor(mbox.Stream)
	out := s.stack.Output(s.out)
	lines := mbox.NewLocal(s.stack, func() line { return line{json: json} })
	for _, t := range told {
		if !slices.Contains(on, t.event.String()) && !slices.Contains(on, "all") {
			continue
		}
		err := sock.Handle(t.event, t.hook, func(c *mbox.Context) {
			l := lines.Of(c)
			l.begin(c)
			t.details(l, c)
			out.Write(c, l.end(c))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// line is a line of output in the making: text that reads well and has a
// name=value for each detail, or a JSON object.
type line struct {
	b    []byte
	json bool
}

// begin writes what every line begins with.
func (l *line) begin(c *mbox.Context) {
	f := c.Flow()
	proto, client, server := f.Proto(), f.Client(), f.Server()
	if f.ID == 0 { // an orphan has none
		p := c.Packet()
		proto, client, server = p.Key.Proto, p.Src(), p.Dst()
	}
	if !l.json {
		l.b = append(appendStamp(l.b[:0], c.Now()), ' ')
		l.b = append(append(l.b, proto.String()...), ' ')
		l.b = append(client.AppendTo(l.b), " > "...)
		l.b = append(server.AppendTo(l.b), ' ')
		l.b = append(l.b, c.Event().String()...)
		if hasSide(c) {
			l.b = append(append(l.b, ' '), c.Side().String()...)
		}
		return
	}
	l.b = append(l.b[:0], `{"t":`...)
	l.b = strconv.AppendInt(l.b, c.Now().UnixNano(), 10)
	l.text("flow", f.ID.String())
	l.text("proto", proto.String())
	l.b = putEndpoint(append(l.b, `,"client":`...), client)
	l.b = putEndpoint(append(l.b, `,"server":`...), server)
	l.text("event", c.Event().String())
	if hasSide(c) {
		l.text("side", c.Side().String())
	}
}

// hasSide reports whether the event is about one side: those about the whole
// flow are not, and an orphan's sender is no side of anything.
func hasSide(c *mbox.Context) bool {
	ev := c.Event()
	return ev != mbox.OnConnEnd && ev != mbox.OnConnEstablished && ev != mbox.OnOrphan
}

// end finishes the line and lends it.
func (l *line) end(c *mbox.Context) []byte {
	if n := c.Number(); n > 0 {
		l.number("frame", n)
	}
	if l.json {
		l.b = append(l.b, '}')
	}
	l.b = append(l.b, '\n')
	return l.b
}

func (l *line) name(name string) {
	if l.json {
		l.b = append(append(append(l.b, `,"`...), name...), `":`...)
		return
	}
	l.b = append(append(append(l.b, ' '), name...), '=')
}

// text writes a detail that is a word. In text lines, spaces become
// underscores, so that a line splits at spaces.
func (l *line) text(name, value string) {
	l.name(name)
	if l.json {
		l.b = quote(l.b, value)
		return
	}
	for i := range len(value) {
		if value[i] == ' ' {
			l.b = append(l.b, '_')
		} else {
			l.b = append(l.b, value[i])
		}
	}
}

func (l *line) number(name string, n uint64) {
	l.name(name)
	l.b = strconv.AppendUint(l.b, n, 10)
}

// seconds writes a duration that is known, in seconds.
func (l *line) seconds(name string, d time.Duration) {
	if d > 0 {
		l.name(name)
		l.b = appendSeconds(l.b, d)
	}
}

// flag writes a detail that is there or not.
func (l *line) flag(name string, is bool) {
	if is {
		l.name(name)
		l.b = append(l.b, "true"...)
	}
}

func tellPacket(l *line, c *mbox.Context) {
	p := c.Packet()
	if tcp := c.TCP(); tcp != nil {
		s := &p.Segment
		l.text("flags", s.Flags.String())
		l.number("seq", uint64(s.Seq))
		l.number("ack", uint64(s.Ack))
		l.number("win", uint64(s.Wnd))
	}
	l.number("len", uint64(p.PayloadLen))
}

func tellStart(l *line, c *mbox.Context) {
	l.text("start", c.Flow().Start().String())
	if encap := c.Packet().Encap(); l.json || strings.Contains(encap, "/") {
		l.text("encap", encap)
	}
	l.flowID(c)
}

// flowID names the flow where it begins and ends; JSON lines have it anyway.
func (l *line) flowID(c *mbox.Context) {
	if !l.json {
		l.text("flow", c.Flow().ID.String())
	}
}

func tellRexmit(l *line, c *mbox.Context) {
	r := c.Rexmit()
	l.flag("syn", r.SYN)
	l.flag("synack", r.SYNACK)
	l.flag("fin", r.FIN)
	if r.Len > 0 {
		l.number("offset", r.Offset)
		l.number("len", uint64(r.Len))
		l.text("match", r.Match.String())
	}
}

func tellEnd(l *line, c *mbox.Context) {
	l.text("reason", c.Reason().String())
	if c.Conn() != nil {
		l.text("client_state", c.State(mbox.Client).String())
		l.text("server_state", c.State(mbox.Server).String())
	}
	for _, d := range sides {
		sent := c.Counters(d)
		l.number(sideNames[d]+"_packets", sent.Packets)
		l.number(sideNames[d]+"_bytes", sent.PayloadBytes)
	}
	e := c.Evidence()
	l.flag("midstream", e.Midstream)
	l.flag("one_sided", e.OneSided)
	if e.GapOctets > 0 {
		l.number("gap", e.GapOctets)
	}
	switch {
	case l.json:
		if e.Conflicts > 0 {
			l.number("conflicts", uint64(e.Conflicts))
		}
		l.flag("conflicts_unknown", e.MatchUnknown)
	case e.Conflicts > 0 || e.MatchUnknown:
		l.text("conflicts", conflicts(&e))
	}
	l.flowID(c)
}
