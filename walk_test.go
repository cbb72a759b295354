package mbox_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/wire"
)

// A timer of the shard walks the flows of its socket: it reads them, keeps
// values with them and releases them, and Clock tells what has brought it there.
func TestATimerOfTheShardWalksFlows(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 1})
	sock := s.Monitor(mbox.Stream)
	other := s.Monitor(mbox.Stream)
	if err := other.Bind("port 9999"); err != nil {
		t.Fatal(err)
	}
	var seen []string
	var ends int
	visits := mbox.NewKey[int]()
	armed := false
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.EachFlow(0, wire.SlotCount, func(*mbox.Context) {}); !errors.Is(err, mbox.ErrHook) {
			t.Errorf("a handler about a flow walks them: %v", err)
		}
		if !armed {
			armed = true
			if _, err := c.ArmShard(time.Second); err != nil {
				t.Error(err)
			}
		}
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		if late := c.Clock().Sub(c.Now()); late < 3*time.Second || late > 4*time.Second {
			t.Errorf("the frame that shows the time is %v behind it", late)
		}
		walk := func(f mbox.Handler) {
			for _, part := range [][2]int{{-5, 1000}, {1000, wire.SlotCount + 5}} {
				if err := c.EachFlow(part[0], part[1], f); err != nil {
					t.Error(err)
				}
			}
		}
		walk(func(c *mbox.Context) {
			*visits.Of(c)++
			seen = append(seen, fmt.Sprintf("%v %d", c.State(mbox.Client), c.Counters(mbox.Client).Packets))
			if c.State(mbox.Client) == mbox.Established {
				if err := c.Release(); err != nil {
					t.Error(err)
				}
			}
		})
		walk(func(c *mbox.Context) {
			seen = append(seen, fmt.Sprintf("again %v %d", c.State(mbox.Client), *visits.Of(c)))
		})
	})
	handle(t, other, mbox.OnTimer, mbox.PostTCP, func(*mbox.Context) { t.Error("the timer of another socket") })
	handle(t, sock, mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		ends++
		if c.Reason() == mbox.EndReleased { // amid the walk
			seen = append(seen, fmt.Sprintf("released %v %d", c.State(mbox.Client), *visits.Of(c)))
		}
	})
	mboxtest.Run(t, s, `> S 100 0 0
< SA 300 101 0
> A 101 301 0

> S 100 0 0

> S 100 0 0
> S 100 0 0 t=+4s
`)
	slices.Sort(seen)
	want := []string{"ESTABLISHED 2", "SYN-SENT 1", "SYN-SENT 1", "again SYN-SENT 1", "again SYN-SENT 1", "released ESTABLISHED 1"}
	if !slices.Equal(seen, want) || ends != 3 {
		t.Errorf("%d flows ended, and the walks saw\n%q\nwant\n%q", ends, seen, want)
	}
}

// A timer of the shard visits the flows whose places it was told: not those that
// have ended, nor what has taken their place.
func TestATimerOfTheShardVisitsFlows(t *testing.T) {
	s := stack(t, mbox.Config{Shards: 1})
	sock := s.Monitor(mbox.Stream)
	var places []mbox.Place
	var seen []string
	handle(t, sock, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if kept, err := c.VisitFlows(places, func(*mbox.Context) bool { return false }); !errors.Is(err, mbox.ErrHook) || len(kept) != len(places) {
			t.Errorf("a handler about a flow visits others: %v, and %d of %d are left", err, len(kept), len(places))
		}
		places = append(places, c.Place())
		if len(places) == 1 {
			for i := range 3 {
				if _, err := c.ArmShard(time.Duration(1+i) * time.Second); err != nil {
					t.Error(err)
				}
			}
		}
	})
	handle(t, sock, mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		asked := append([]mbox.Place{{}, {ID: 1 << 40, At: 1 << 30}}, places...)
		kept, err := c.VisitFlows(asked, func(c *mbox.Context) bool {
			seen = append(seen, fmt.Sprintf("%v %d", c.State(mbox.Client), c.Counters(mbox.Client).Packets))
			if c.State(mbox.Client) == mbox.Established {
				if err := c.Release(); err != nil {
					t.Error(err)
				}
			}
			return c.Counters(mbox.Client).Packets == 1
		})
		if err != nil {
			t.Error(err)
		}
		seen = append(seen, fmt.Sprintf("%d kept", len(kept)))
	})
	mboxtest.Run(t, s, `> S 100 0 0
< SA 300 101 0
> A 101 301 0

> S 100 0 0

> S 100 0 0
> S 100 0 0 t=+4s
`)
	want := []string{"ESTABLISHED 2", "SYN-SENT 1", "SYN-SENT 1", "2 kept", "SYN-SENT 1", "SYN-SENT 1", "2 kept", "SYN-SENT 1", "SYN-SENT 1", "2 kept"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen\n%q\nwant\n%q", seen, want)
	}
}
