package live

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// TestExactAmidMoves: the same while slots move from shard to shard all the time,
// also where shards bring what rings hand over into order.
func TestExactAmidMoves(t *testing.T) {
	for _, test := range []struct {
		rings, shards int
		fanout        rx.Fanout
	}{{1, 2, rx.FanoutHash}, {2, 3, rx.FanoutHash}, {2, 2, rx.FanoutCPU}, {2, 3, rx.FanoutQueue}} {
		t.Run(fmt.Sprintf("%d rings by %s, %d shards", test.rings, test.fanout, test.shards), func(t *testing.T) {
			client, server := netns.PairForTest(t, netns.Cable{Queues: 2})
			o := &overheard{flows: map[mbox.Flow]*conversation{}}
			l := capture(t, server, "s0", rx.RingConfig{Rings: test.rings, Fanout: test.fanout}, mbox.Config{Shards: test.shards}, o.register(t))
			stop := unsettle(t, l.stack, test.shards)
			k := newTalk()
			// How many moves there are while they talk is up to the machine: they go on
			// until one has taken flows along.
			for round := 0; round == 0 || round < 20 && !hasMoved(l.stack); round++ {
				for i, a := range []string{"10.0.0.2", "fd00::2"} {
					converse(t, client, server, a, (2*round+i)*40, 40, k)
				}
			}
			stop()
			st := l.stop()
			o.missed = l.missed() + st.Total().Hurried
			o.compare(t, k, o.missed)
			o.sane(t)
			if st.Total().FlowsIn == 0 {
				t.Error("no flow has moved")
			}
			t.Logf("%d flows moved, %d frames held, %d hurried, %d late", st.Total().FlowsIn, st.Total().Held, st.Total().Hurried, st.Total().Late)
		})
	}
}

func hasMoved(s *mbox.Stack) bool {
	st := s.Stats()
	return st.Total().FlowsIn > 0
}

// unsettle moves slots about until it is stopped.
func unsettle(t *testing.T, s *mbox.Stack, shards int) (stop func()) {
	var over atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		for turn := 0; !over.Load(); turn++ {
			var slots []mbox.Slot
			for at := mbox.Slot(turn % 3); at < mbox.SlotCount; at += 3 {
				slots = append(slots, at)
			}
			if err := s.MoveSlots(turn/3%shards, slots...); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	return func() { over.Store(true); wait.Wait() }
}
