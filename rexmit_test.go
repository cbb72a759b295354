package mbox_test

import (
	"fmt"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
)

// TestARepeatStandsBesideItsOriginal: what a segment repeats may begin in its
// middle and lie in several stored pieces; of a conflict it is the piece with
// the first difference that is shown, before and after the states change.
func TestARepeatStandsBesideItsOriginal(t *testing.T) {
	for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
		t.Logf("hook %s", hook)
		s := stack(t, mbox.Config{})
		var j journal
		handle(t, s.Monitor(mbox.Stream), mbox.OnRexmit, hook, func(c *mbox.Context) {
			r := c.Rexmit()
			j.add("%d+%d %s %q %q at %d", r.Offset, r.Len, r.Match, r.Original, r.Repeat, r.At)
		})
		mboxtest.Run(t, s, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  101 301 - data="ab"
> A  105 301 - data="ef"
> A  107 301 - data="gh"
# The whole again, one octet of the last piece another.
> A  101 301 - data="abcdeFgH"
> A  101 301 - data="ab"
< A  301 109 0
# Acknowledged, so no longer held.
> A  101 301 - data="ab"
`)
		j.expect(t,
			`0+8 differs "ef" "eF" at 4`,
			`0+2 same "ab" "ab" at 0`,
			`0+2 unknown "" "" at 0`)
	}
}

// TestARepeatedSYNHasNothingToCompare: no octet is repeated, so none is unknown.
func TestARepeatedSYNHasNothingToCompare(t *testing.T) {
	s := stack(t, mbox.Config{})
	var j journal
	handle(t, s.Monitor(mbox.Stream), mbox.OnRexmit, mbox.PostTCP, func(c *mbox.Context) {
		r := c.Rexmit()
		j.add("%v %v %v, %d octets %s", r.SYN, r.SYNACK, r.FIN, r.Len, r.Match)
	})
	mboxtest.Run(t, s, `
> S  100   0 0
> S  100   0 0
< SA 300 101 0
< SA 300 101 0
> A  101 301 0
> FA 101 301 0
> FA 101 301 0
`)
	j.expect(t, "true false false, 0 octets same", "false true false, 0 octets same", "false false true, 0 octets same")
}

// TestWhatIsTriedAgainRepeatsNothing: a segment has held octets in its middle, and
// there is no room for what lies behind them. A hole is given up for its sake; what
// was taken of it at first is not taken for a repetition when its rest is tried again.
func TestWhatIsTriedAgainRepeatsNothing(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	var j journal
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.SetBuffer(mbox.Client, 700); err != nil {
			t.Error(err)
		}
	})
	handle(t, sock, mbox.OnGap, mbox.PostTCP, func(c *mbox.Context) { g := c.Gap(); j.add("gap %d+%d %s", g.Offset, g.Len, g.Why) })
	handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.add("data %d+%d", c.Offset(), len(c.Payload())) })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { j.add("%+v", c.Evidence()) })
	mboxtest.Run(t, s, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  201 301 100
> A  151 301 1000
< A  301 1151 0
`)
	j.expect(t, "gap 0+50 budget", "data 50+50", "data 100+100", "data 200+850", fmt.Sprintf("%+v", mbox.Evidence{GapOctets: 50}))
}

// TestAStoppedSideIsNotToldOfItsRepeats: of two sockets, the one that has stopped a
// side hears of the other side's repeats alone.
func TestAStoppedSideIsNotToldOfItsRepeats(t *testing.T) {
	for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
		s := stack(t, mbox.Config{})
		var j journal
		for _, name := range []string{"both", "server's"} {
			sock := s.Monitor(mbox.Stream)
			handle(t, sock, mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
				if name == "server's" {
					if err := c.Stop(mbox.Client); err != nil {
						t.Error(err)
					}
				}
			})
			handle(t, sock, mbox.OnRexmit, hook, func(c *mbox.Context) { j.add("%s: %s", name, c.Side()) })
		}
		mboxtest.Run(t, s, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  101 301 10
> A  101 301 10
< A  301 111 10
< A  301 111 10
`)
		j.expect(t, "both: client", "both: server", "server's: server")
	}
}

// TestAGapAtTheEndIsToldToWhoeverReads: nobody is told of the connection itself,
// only of its octets, and they end before its FIN.
func TestAGapAtTheEndIsToldToWhoeverReads(t *testing.T) {
	s := stack(t, mbox.Config{})
	var j journal
	handle(t, s.Monitor(mbox.Stream), mbox.OnGap, mbox.PostTCP, func(c *mbox.Context) {
		g := c.Gap()
		j.add("%s %d+%d %s", c.Side(), g.Offset, g.Len, g.Why)
	})
	const whole = `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  101 301 10
< FA 301 111 0
> FA 111 302 0
`
	mboxtest.Run(t, s, whole+`
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  101 301 10
> FA 112 301 0
`)
	j.expect(t, "client 10+1 end")
	st := s.Stats()
	if total := st.Total(); total.Ended[mbox.EndFIN]+total.Ended[mbox.EndShutdown] != 2 || total.Live != 0 {
		t.Errorf("flows ended: %v, %d left", total.Ended, total.Live)
	}
}
