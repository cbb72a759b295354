package main

import (
	"container/list"
	"fmt"
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
		Use:   "dump -r FILE | -i IFACE [flags] [filter expression]",
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
			s, err := p.session(o, args, func(c *mbox.Config) { c.Shards, c.Memory = 1, keeping(c.Memory, 40) })
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
	blocks   list.List               // *block, all that hold lines, in the order in which they were begun
	reused   map[wire.FlowKey]*block // whose connection ended for the one that begins with this packet
	held     int                     // octets of text in blocks
	heldMax  int
	settings string // lines before the first block; "" once written

	// The line under way: what the packet is, "" before there is one, and what
	// has been raised.
	input  string
	events []string
}

// heldMax bounds the lines of connections that have not ended, or where memory
// is given, an eighth of that. Beyond it blocks are written, and go on further
// down.
const heldMax = 64 << 20

// transcribe has flows written as transcripts.
func (s *session) transcribe(scope string, absolute bool) error {
	return s.newTranscriber(absolute).register(s.stack.Monitor(mbox.Stream), scope)
}

func (s *session) newTranscriber(absolute bool) *transcriber {
	t := &transcriber{out: s.stack.Output(s.out), absolute: absolute, open: mbox.NewKey[block](),
		reused: map[wire.FlowKey]*block{}, settings: s.opt.settings(), heldMax: heldMax}
	if m := s.opt.memory / 8; m > 0 {
		t.heldMax = int(min(m, heldMax))
	}
	return t
}

// register registers what writing transcripts needs.
func (t *transcriber) register(sock *mbox.Socket, scope string) error {
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
	key := c.Flow().Key
	b := t.reused[key]
	if b == nil {
		b = &block{last: c.Now().UnixNano()}
	}
	delete(t.reused, key)
	t.open.Set(c, b)
	return b
}

// begin begins the line of a packet. If it has ended another connection, what
// was raised for that stands there already.
func (t *transcriber) begin(c *mbox.Context) { t.input = t.block(c).packet(c, t.absolute) }

// note adds an event to the line under way. An ICMP error makes a line of its
// own, as does a segment that nobody sees because of its checksum.
func (t *transcriber) note(c *mbox.Context) {
	b := t.block(c)
	t.events = append(t.events, describe(c))
	switch {
	case c.Event() == mbox.OnICMPError:
		typ, code := c.ICMP()
		t.input = fmt.Sprintf("icmp %s %d %d%s", arrows[c.Side()], typ, code, b.pause(c))
		t.end(c)
	case c.Event() == mbox.OnAnomaly && c.Anomaly() == tcpfsm.ChecksumInvalid && t.input == "":
		t.input = b.packet(c, t.absolute) + " badsum"
		t.end(c)
	case c.Event() == mbox.OnAnomaly && c.Anomaly() == tcpfsm.ChecksumInvalid:
		t.input += " badsum"
	case c.Event() == mbox.OnRexmit && c.Rexmit().Match == uevents.MatchDiffers:
		t.input += " text=1" // other octets than those before
	}
}

// end finishes the line of a packet. Where too much is held, blocks are written
// whose turn has not come, those that were begun first.
func (t *transcriber) end(c *mbox.Context) {
	t.finishLine(c, t.block(c), states(c))
	if t.held <= t.heldMax {
		return
	}
	for t.held > t.heldMax-t.heldMax/heldPart {
		t.write(c, t.blocks.Front().Value.(*block))
	}
}

// heldPart is which part of what is held is written at once: little enough to
// fit between two marks, and enough that it is not done for each line.
const heldPart = 16

// finishLine adds the line under way to a block.
func (t *transcriber) finishLine(c *mbox.Context, b *block, states string) {
	t.add(c, b, fmt.Appendf(nil, "%s\t%s\t%s", t.input, states, strings.Join(t.events, ", ")))
	t.input, t.events = "", t.events[:0]
}

// add adds a line to a block, and before the first one, which flow it is.
func (t *transcriber) add(c *mbox.Context, b *block, line []byte) {
	before := len(b.text)
	if before == 0 {
		b.text = append(b.text, b.title(c)...)
		b.place = t.blocks.PushBack(b)
	}
	b.text = append(append(b.text, line...), '\n')
	t.held += len(b.text) - before
}

// finish ends the flow's part of its block, and writes the block unless another
// connection on the same ports goes on with it.
func (t *transcriber) finish(c *mbox.Context) {
	b := t.block(c)
	t.events = append(t.events, describe(c))
	switch {
	case c.Reason() == uevents.EndReused:
		t.reused[c.Flow().Key] = b
		return
	case c.Order().Phase == uevents.PhaseEnd:
		t.add(c, b, []byte("# "+strings.Join(t.events, ", ")))
		t.events = t.events[:0]
	default:
		// To the second after it: the wheel of timers is not finer.
		pause := time.Duration(c.Now().UnixNano() - b.last).Truncate(time.Second)
		t.input = "wait " + (pause + time.Second).String()
		t.finishLine(c, b, "- -")
	}
	t.write(c, b)
}

// write writes the lines of a block.
func (t *transcriber) write(c *mbox.Context, b *block) {
	text := append([]byte(t.settings), b.aligned()...)
	t.settings = ""
	t.out.Write(c, append(text, '\n'))
	t.held -= len(b.text)
	b.text, b.written = nil, true
	t.blocks.Remove(b.place)
}
