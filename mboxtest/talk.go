package mboxtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/wire"
)

// Talk writes a transcript: it keeps the sequence numbers, so that a test says
// only what is sent. Each method adds what it says and returns the Talk; String
// returns the transcript.
//
//	mboxtest.Run(t, stack, new(mboxtest.Talk).Open().Send(mbox.Client, "GET /").String())
//
// The zero value has said nothing. A Talk must not be used concurrently.
type Talk struct {
	lines []string
	next  [2]wire.Seq // what each side sends next
	last  [2]string   // its latest segment
}

// The initial sequence numbers of a Talk, as transcripts have them.
const (
	talkClient wire.Seq = 100
	talkServer wire.Seq = 300
)

// Open begins a connection, on ports of its own, with its handshake.
func (k *Talk) Open() *Talk {
	if len(k.lines) > 0 {
		k.Line("")
	}
	k.next = [2]wire.Seq{mbox.Client: talkClient, mbox.Server: talkServer}
	k.segment(mbox.Client, "S", "")
	k.next[mbox.Client]++
	k.segment(mbox.Server, "SA", "")
	k.next[mbox.Server]++
	return k.Ack(mbox.Client)
}

// Send adds a segment with text, which acknowledges all that its sender was sent.
func (k *Talk) Send(side mbox.Dir, text string) *Talk {
	k.segment(side, "PA", text)
	return k.Miss(side, text)
}

// Miss says that a side has sent text and its peer has received it, but that it
// is not among the frames: what is sent from now on acknowledges it.
func (k *Talk) Miss(side mbox.Dir, text string) *Talk {
	k.next[side] = k.next[side].Add(uint32(len(text)))
	return k
}

// Ack adds a segment without text.
func (k *Talk) Ack(side mbox.Dir) *Talk {
	k.segment(side, "A", "")
	return k
}

// Repeat adds a side's latest segment again: a retransmission.
func (k *Talk) Repeat(side mbox.Dir) *Talk { return k.Line(k.last[side]) }

// Swap exchanges the last two lines: two segments that arrive out of order.
func (k *Talk) Swap() *Talk {
	if n := len(k.lines); n > 1 {
		k.lines[n-1], k.lines[n-2] = k.lines[n-2], k.lines[n-1]
	}
	return k
}

// Close closes both halves of the connection, the given side first.
func (k *Talk) Close(first mbox.Dir) *Talk {
	for _, side := range [...]mbox.Dir{first, first.Reverse()} {
		k.segment(side, "FA", "")
		k.next[side]++
	}
	return k.Ack(first)
}

// Reset adds a RST that counts.
func (k *Talk) Reset(side mbox.Dir) *Talk {
	k.segment(side, "RA", "")
	return k
}

// Datagram adds a UDP datagram between the connection's ports.
func (k *Talk) Datagram(side mbox.Dir, text string) *Talk {
	return k.Line(fmt.Sprintf("%s U - data=%s", arrow(side), strconv.Quote(text)))
}

// Wait lets time go by.
func (k *Talk) Wait(d time.Duration) *Talk { return k.Line("wait " + d.String()) }

// Line adds a line of a transcript as it stands, for what has no method here.
func (k *Talk) Line(line string) *Talk {
	k.lines = append(k.lines, line)
	return k
}

// String returns the transcript.
func (k *Talk) String() string { return strings.Join(k.lines, "\n") + "\n" }

// segment adds a segment at what the side sends next.
func (k *Talk) segment(side mbox.Dir, flags, text string) {
	ack := k.next[side.Reverse()]
	if flags == "S" {
		ack = 0
	}
	line := fmt.Sprintf("%s %s %d %d 0", arrow(side), flags, k.next[side], ack)
	if text != "" {
		line = fmt.Sprintf("%s %s %d %d - data=%s", arrow(side), flags, k.next[side], ack, strconv.Quote(text))
	}
	k.last[side] = line
	k.Line(line)
}

// arrow is how a transcript writes who sends.
func arrow(side mbox.Dir) string {
	if side == mbox.Client {
		return ">"
	}
	return "<"
}
