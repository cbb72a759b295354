package mbox_test

import (
	"context"
	"io"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// oneWay is a live source that sees one direction of a line, and brings it when
// after is closed.
type oneWay struct {
	*rx.Memory
	after, done chan struct{}
}

func (o *oneWay) Live() bool { return true }

// Part implements rx.Parted: the line's other direction is another interface's.
func (o *oneWay) Part() (any, bool) { return o, false }

// Next implements rx.Source.
func (o *oneWay) Next(c *rx.Chunk) error {
	if o.after != nil {
		<-o.after
	}
	err := o.Memory.Next(c)
	if err == io.EOF && o.done != nil {
		close(o.done)
		o.done = nil
	}
	return err
}

// TestInterfacesOfOneDirectionEach: what the server says comes by one interface,
// and all of it before anything that the client says comes by the other. The
// shards put it in order: nothing is guessed, nothing is missing.
func TestInterfacesOfOneDirectionEach(t *testing.T) {
	script, err := mboxtest.Parse("talk", `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> PA 101 301 8 data="question"
< A  301 109 0
< PA 301 109 6 data="answer"
> A  109 307 0
> FA 109 307 0
< FA 307 110 0
> A  110 308 0
`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := rx.Load(script.Source())
	if err != nil {
		t.Fatal(err)
	}
	var ways [2][]rx.Frame
	var c rx.Chunk
	for all.Next(&c) == nil {
		for _, f := range c.Frames {
			var p wire.Packet
			new(wire.Parser).Parse(&p, f.Link, f.Data)
			way := 0
			if p.Segment.Seq >= 300 {
				way = 1
			}
			ways[way] = append(ways[way], f)
		}
	}
	first := make(chan struct{})
	server := &oneWay{Memory: rx.NewMemory(ways[1]...), done: first}
	client := &oneWay{Memory: rx.NewMemory(ways[0]...), after: first}
	var seen journal
	s := stack(t, mbox.Config{Shards: 2})
	m := s.Monitor(mbox.Stream)
	handle(t, m, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) { seen.add("%s", c.Flow().Start()) })
	handle(t, m, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { seen.add("%s: %s", c.Side(), c.Payload()) })
	handle(t, m, mbox.OnGap, mbox.PostTCP, func(c *mbox.Context) { seen.add("a gap") })
	handle(t, m, mbox.OnAnomaly, mbox.PostTCP, func(c *mbox.Context) { seen.add("%s", c.Anomaly()) })
	handle(t, m, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) { seen.add("%s", c.Reason()) })
	if err := s.Run(context.Background(), server, client); err != nil {
		t.Fatal(err)
	}
	seen.expect(t, "syn", "client: question", "server: answer", "fin")
	st := s.Stats()
	if sum := st.Total(); sum.Hurried+sum.Late > 0 || !st.Balanced() {
		t.Errorf("%d frames hurried, %d were late; balanced: %v", sum.Hurried, sum.Late, st.Balanced())
	}
}
