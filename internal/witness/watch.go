package witness

import (
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/mbox-stack/mbox"
)

// watch is a journal of one stack.
type watch struct {
	out      *mbox.Output
	seed     uint64 // of the nuisance; 0: none
	flow     mbox.Key[notes]
	switched []mbox.Registration // handlers that the nuisance switches
	raised   mbox.Event
}

// notes is what a journal keeps with a flow.
type notes struct {
	events uint64 // so far
	timer  mbox.Timer
}

// Watch has everything that the stack raises written to w: the events of all
// flows, of all frames, user-defined events, raised ones, timers. A seed other
// than 0 makes the handlers a nuisance; see the package's documentation.
func Watch(s *mbox.Stack, w io.Writer, seed uint64) error {
	j := &watch{out: s.Output(w), seed: seed, flow: mbox.NewKey[notes](), raised: mbox.NewEvent("raised")}
	raw, err := s.MonitorAs(mbox.Raw, "raw")
	if err != nil {
		return err
	}
	if err := raw.Handle(mbox.OnPacket, mbox.PreTCP, j.frame); err != nil {
		return err
	}
	sock, err := s.MonitorAs(mbox.Stream, "journal")
	if err != nil {
		return err
	}
	long := mbox.Define("long", mbox.OnNewData, func(c *mbox.Context) bool { return len(c.Payload()) > 1000 })
	odd := mbox.Define("odd", long, func(c *mbox.Context) bool { return c.Offset()%2 == 1 })
	for _, ev := range append(mbox.Events(), long, odd, j.raised) {
		for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
			if err := j.stand(sock, ev, hook); err != nil {
				return err
			}
		}
	}
	return nil
}

// stand registers the journal's handler on an event, and a second one that the
// nuisance switches on for single flows. An event that lacks the hook is none.
func (j *watch) stand(sock *mbox.Socket, ev mbox.Event, hook mbox.Hook) error {
	if sock.Handle(ev, hook, j.line) != nil {
		if hook == mbox.PostTCP && ev != mbox.OnOrphan {
			return fmt.Errorf("witness: no handler stands on %s", ev)
		}
		return nil
	}
	if j.seed == 0 {
		return nil
	}
	reg, err := sock.Prepare(ev, hook, func(c *mbox.Context) { j.out.Printf(c, "  also %s %s\n", c.Event(), c.Hook()) })
	j.switched = append(j.switched, reg)
	return err
}

// frame is the handler of raw sockets.
func (j *watch) frame(c *mbox.Context) {
	j.out.Printf(c, "%d frame %d %s %d octets %x\n", c.Now().UnixNano(), c.Number(), c.Packet().Outcome, len(c.Frame()), xxhash.Sum64(c.Frame()))
}

// line writes what there is to say about an event, and then is a nuisance.
func (j *watch) line(c *mbox.Context) {
	f := c.Flow()
	n := j.flow.Of(c)
	n.events++
	j.out.Printf(c, "%d %d %s %s %s %s %s: %s\n", c.Now().UnixNano(), c.Number(), c.Event(), c.Hook(), c.Side(), f.ID, f, details(c))
	if j.seed != 0 && f.ID != 0 {
		j.annoy(c, n)
	}
}

// WatchOnly has some events of all flows written to w, and asks for nothing else:
// what nobody watches costs nothing, so the ways that a packet takes then are
// others than where Watch looks on. Beside what an event carries it writes what
// does not depend on what else is asked for.
func WatchOnly(s *mbox.Stack, w io.Writer, events ...mbox.Event) error {
	out := s.Output(w)
	sock, err := s.MonitorAs(mbox.Stream, "journal")
	if err != nil {
		return err
	}
	for _, ev := range events {
		for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
			err := sock.Handle(ev, hook, func(c *mbox.Context) {
				out.Printf(c, "%d %s %s %s %s: %s\n", c.Number(), c.Event(), c.Hook(), c.Side(), c.Flow().ID, essence(c))
			})
			if err != nil && !errors.Is(err, mbox.ErrHook) {
				return err
			}
		}
	}
	return nil
}

// essence is details without what depends on what else is asked for.
func essence(c *mbox.Context) string {
	switch c.Event() {
	case mbox.OnConnEnd:
		return fmt.Sprintf("%s %s %s %+v %+v %+v", c.Reason(), c.State(mbox.Client), c.State(mbox.Server),
			c.Counters(mbox.Client), c.Counters(mbox.Server), c.RTT())
	case mbox.OnStateChange, mbox.OnRexmit, mbox.OnAnomaly, mbox.OnGap, mbox.OnICMPError:
		return details(c)
	}
	return fmt.Sprintf("%s %s at %d, %d octets %x", c.State(mbox.Client), c.State(mbox.Server), c.Offset(),
		len(c.Payload()), xxhash.Sum64(c.Payload()))
}

// details says what an event carries.
func details(c *mbox.Context) string {
	switch c.Event() {
	case mbox.OnStateChange:
		return fmt.Sprintf("%s to %s", c.From(), c.To())
	case mbox.OnRexmit:
		r := c.Rexmit()
		return fmt.Sprintf("%v %v %v %d+%d %s %x", r.SYN, r.SYNACK, r.FIN, r.Offset, r.Len, r.Match, xxhash.Sum64(r.Original))
	case mbox.OnAnomaly:
		return c.Anomaly().String()
	case mbox.OnGap:
		return fmt.Sprintf("%+v", c.Gap())
	case mbox.OnICMPError:
		typ, code := c.ICMP()
		return fmt.Sprintf("%d %d", typ, code)
	case mbox.OnTimer:
		return fmt.Sprintf("%d", c.Timer())
	case mbox.OnConnEnd:
		return fmt.Sprintf("%s %s %s %+v %+v %+v %+v from %d to %d", c.Reason(), c.State(mbox.Client), c.State(mbox.Server),
			c.Counters(mbox.Client), c.Counters(mbox.Server), c.Evidence(), c.RTT(), c.FirstSeen().UnixNano(), c.LastActive().UnixNano())
	}
	b := [2]any{c.Buffered(mbox.Client), c.Buffered(mbox.Server)}
	return fmt.Sprintf("%s %s at %d, %d octets %x; %+v", c.State(mbox.Client), c.State(mbox.Server), c.Offset(),
		len(c.Payload()), xxhash.Sum64(c.Payload()), b)
}
