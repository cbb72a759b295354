package mbox_test

import (
	"context"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
)

// A shard that is pinned runs on its CPU alone, others on any, and what is found
// is the same.
func TestPinnedShards(t *testing.T) {
	frames := generate(t, traffic.Staggered(5, 40, 20, 300))
	want, cpus := livesOf(t, frames), sys.CPUs()
	for _, pinned := range []bool{true, false} {
		s := stack(t, mbox.Config{Shards: 3, PinShards: pinned})
		l := watchLives(t, s)
		var mu sync.Mutex
		at := map[int]unix.CPUSet{}
		handle(t, s.Monitor(mbox.Stream), mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(0, &set); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			at[c.Shard()] = set
		})
		if err := s.Run(context.Background(), rx.NewMemory(frames...)); err != nil {
			t.Fatal(err)
		}
		for shard, set := range at {
			if pinned && (set.Count() != 1 || !set.IsSet(cpus[shard%len(cpus)])) || !pinned && set.Count() != len(cpus) {
				t.Errorf("pinned %v: shard %d may run on %d CPUs of %v", pinned, shard, set.Count(), cpus)
			}
		}
		if len(at) != 3 || len(l.all) != len(want) {
			t.Errorf("pinned %v: %d shards saw %d flows, want 3 and %d", pinned, len(at), len(l.all), len(want))
		}
	}
}
