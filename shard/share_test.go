package shard

import (
	"reflect"
	"sync"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

func TestCommonsDealsOutWhatThereIs(t *testing.T) {
	const mib = 1 << 20
	c := NewCommons(1, 108*mib, mib, false, nil) // 100 MiB after the margin
	for _, x := range []struct {
		name string
		used []uint64 // MiB, of slots 0, 1, ...
		want []uint64 // nil: no pressure
	}{
		{"room for all", []uint64{51, 50}, nil},
		{"one is much", []uint64{200}, []uint64{101}},
		{"the small keep what they have", []uint64{11, 200, 200}, []uint64{11, 46, 46}},
		{"all alike", []uint64{101, 101, 101, 101}, []uint64{26, 26, 26, 26}},
	} {
		var all []Usage
		for i, u := range x.used {
			all = append(all, Usage{wire.Slot(i), u * mib})
		}
		g := c.decide(all)
		if g.Pressed != (x.want != nil) {
			t.Errorf("%s: pressed is %v", x.name, g.Pressed)
		}
		for _, n := range g.Named {
			if n.Octets != x.want[n.Slot]*mib {
				t.Errorf("%s: slot %d may have %d MiB, want %d", x.name, n.Slot, n.Octets/mib, x.want[n.Slot])
			}
		}
	}
}

// TestCommonsDoesNotDependOnShards gives the same reports to one shard and to
// three, which take their steps at their own pace.
func TestCommonsDoesNotDependOnShards(t *testing.T) {
	const steps = 50
	report := func(step int, slot wire.Slot) []Usage {
		if used := uint64(step*int(slot)) << 18; used > 1<<20 {
			return []Usage{{slot, used}}
		}
		return nil
	}
	play := func(shards int) [][]Grants {
		stop, over := make(chan struct{}), make(chan struct{})
		c := NewCommons(shards, 64<<20, 1<<20, false, stop)
		go c.Run(over)
		got := make([][]Grants, shards)
		var wait sync.WaitGroup
		for i := range shards {
			wait.Go(func() {
				for step := range steps {
					var all []Usage
					for slot := i; slot < 12; slot += shards {
						all = append(all, report(step, wire.Slot(slot))...)
					}
					got[i] = append(got[i], c.Step(i, all))
				}
			})
		}
		wait.Wait()
		close(over)
		return got
	}
	want := play(1)[0]
	pressed := false
	for i, got := range play(3) {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("shard %d of three was told otherwise than a single one", i)
		}
		pressed = pressed || got[steps-1].Pressed
	}
	if !pressed {
		t.Error("memory never was short: the test shows nothing")
	}
}
