package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// dump returns the command that writes connections as transcripts.
func (p *program) dump() *cobra.Command {
	o := newOptions()
	absolute, scope := false, ""
	cmd := &cobra.Command{
		Use:   "dump -r FILE [flags] [filter expression]",
		Short: "Connections as transcripts, in the form of the tests",
		Long: `Write each TCP connection and UDP conversation as a transcript: a line for each
segment, with both TCP states after it and the events that it raised. Package
mboxtest reads the same form, so that a capture becomes a test.

  > SA 300 101 0 win=8192 | ESTABLISHED SYN-RECEIVED | events
  direction, flags, SEG.SEQ, SEG.ACK, octets of text, options, client, server`,
		Example: `  mbox dump -r trace.pcap host 10.1.0.11
  mbox dump -r trace.pcap --flow 'src host 10.1.0.11 and dst port 80'
  mbox dump -r bug.pcap --absolute > testdata/bug.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			// Speed is of no use here, and on one shard what is held of
			// connections that have not ended can have one bound.
			s, err := p.session(o, args, func(c *mbox.Config) { c.Shards = 1 })
			if err != nil {
				return err
			}
			if err := s.transcribe(scope, absolute); err != nil {
				return err
			}
			return s.play(cmd.Context())
		},
	}
	own := cmd.Flags()
	own.StringVar(&scope, "flow", "", "only flows that the expression `EXPR` selects, read from client to server")
	own.BoolVarP(&absolute, "absolute", "S", false, "sequence numbers as they are, not counted from the SYN")
	o.common(cmd)
	return cmd
}

// transcriber writes transcripts. One shard runs all its handlers.
type transcriber struct {
	out      *mbox.Output
	absolute bool
	open     mbox.Key[block]
	blocks   []*block                // of flows that have not ended, in the order of their beginnings
	reused   map[wire.FlowKey]*block // whose connection ended for the one that begins with this packet
	held     int                     // octets in blocks, about
	settings string                  // lines before the first block; "" once written
}

// heldMax bounds the lines of connections that have not ended. Beyond it all
// that is there is written, and their blocks go on further down.
const heldMax = 64 << 20

// transcribe registers what writing transcripts needs.
func (s *session) transcribe(scope string, absolute bool) error {
	t := &transcriber{out: s.stack.Output(s.out), absolute: absolute, open: mbox.NewKey[block](),
		reused: map[wire.FlowKey]*block{}, settings: s.opt.settings()}
	sock := s.stack.Monitor(mbox.Stream)
	if scope == "" {
		scope = "tcp or udp"
	}
	if err := sock.Bind(scope); err != nil {
		return err
	}
	if err := sock.Handle(mbox.OnPacket, mbox.PreTCP, t.begin); err != nil {
		return err
	}
	for _, e := range told {
		if e.hook != mbox.PostTCP || e.event == mbox.OnConnEnd {
			continue
		}
		if err := sock.Handle(e.event, mbox.PostTCP, t.note); err != nil {
			return err
		}
	}
	if err := sock.Handle(mbox.OnPacket, mbox.PostTCP, t.end); err != nil {
		return err
	}
	return sock.Handle(mbox.OnConnEnd, mbox.PostTCP, t.finish)
}

// settings returns the lines that have a transcript played as the capture was
// read.
func (o *options) settings() string {
	var b strings.Builder
	if v := o.checksums.value; v == "verify" || v == "off" {
		fmt.Fprintf(&b, ": checksums %s\n", v)
	}
	if o.policy.value != "first" {
		fmt.Fprintf(&b, ": policy %s\n", o.policy.value)
	}
	if o.strict {
		b.WriteString(": strict\n")
	}
	if !o.pickup {
		b.WriteString(": no-pickup\n")
	}
	if o.history > 0 {
		fmt.Fprintf(&b, ": history %d\n", uint64(o.history))
	}
	if o.idle.given {
		t := o.timeouts()
		for _, f := range []struct {
			name string
			d    time.Duration
		}{{"embryonic", t.Embryonic}, {"established", t.Established}, {"closing", t.Closing}, {"closed", t.Closed}, {"datagram", t.Datagram}} {
			text := f.d.String()
			if f.d == mbox.Never {
				text = "never"
			}
			fmt.Fprintf(&b, ": timeout %s %s\n", f.name, text)
		}
	}
	return b.String()
}

// block returns that of the flow at hand, and begins one with its first packet.
func (t *transcriber) block(c *mbox.Context) *block {
	if b := t.open.Get(c); b != nil {
		return b
	}
	f := c.Flow()
	b := t.reused[f.Key]
	if b == nil {
		b = &block{title: fmt.Sprintf("# %s, %s, frame %d", f, appendStamp(nil, c.Timestamp()), c.Number()), last: c.Now()}
		t.blocks = append(t.blocks, b)
	}
	delete(t.reused, f.Key)
	t.open.Set(c, b)
	return b
}

// begin begins the line of a packet.
func (t *transcriber) begin(c *mbox.Context) {
	b := t.block(c)
	events := b.now.events // of a connection that this packet has ended
	b.now = row{input: b.packet(c, t.absolute), events: events}
}

// note adds an event to the line under way, or makes a line of it where no
// packet is at hand: time has passed.
func (t *transcriber) note(c *mbox.Context) {
	b := t.block(c)
	if c.Event() == mbox.OnICMPError {
		typ, code := c.ICMP()
		input := fmt.Sprintf("icmp %s %d %d%s", arrows[c.Side()], typ, code, b.pause(c))
		t.add(c, b, row{input: input, states: states(c), events: []string{describe(c)}})
		return
	}
	text := describe(c)
	switch {
	case c.Event() == mbox.OnAnomaly && c.Anomaly() == tcpfsm.ChecksumInvalid:
		b.now.input += " badsum"
	case c.Event() == mbox.OnRexmit && c.Rexmit().Match == uevents.MatchDiffers:
		b.now.input += " text=1" // other octets than those before
	}
	b.now.events = append(b.now.events, text)
}

// end finishes the line of a packet.
func (t *transcriber) end(c *mbox.Context) {
	b := t.block(c)
	b.now.states = states(c)
	t.add(c, b, b.now)
	b.now = row{}
}

// add adds a line to a block. Where too much is held, everything is written.
func (t *transcriber) add(c *mbox.Context, b *block, r row) {
	b.rows = append(b.rows, r)
	if t.held += r.octets(); t.held <= heldMax {
		return
	}
	for _, b := range t.blocks {
		t.write(c, b)
		b.title += ", continued"
	}
}

// finish ends the flow's part of its block, and writes the block unless another
// connection on the same ports goes on with it.
func (t *transcriber) finish(c *mbox.Context) {
	b := t.block(c)
	b.now.events = append(b.now.events, describe(c))
	switch {
	case c.Reason() == uevents.EndReused:
		t.reused[c.Flow().Key] = b
		return
	case c.Order().Phase == uevents.PhaseEnd:
		b.rows = append(b.rows, row{input: "# " + strings.Join(b.now.events, ", ")})
	default:
		// To the second after it: the wheel of timers is not finer.
		pause := c.Now().Sub(b.last).Truncate(time.Second) + time.Second
		b.rows = append(b.rows, row{input: "wait " + pause.String(), states: "- -", events: b.now.events})
	}
	if i := slices.Index(t.blocks, b); i >= 0 {
		t.blocks = slices.Delete(t.blocks, i, i+1)
	}
	t.write(c, b)
}

// write writes the lines of a block.
func (t *transcriber) write(c *mbox.Context, b *block) {
	if len(b.rows) == 0 {
		return
	}
	text := append([]byte(t.settings), b.text()...)
	t.settings = ""
	t.out.Write(c, append(text, '\n'))
	for i := range b.rows {
		t.held = max(0, t.held-b.rows[i].octets())
	}
	b.rows = b.rows[:0]
}
