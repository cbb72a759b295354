package rx_test

import (
	"testing"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/rx"
)

// TestPart: connections may be split by CPU, and by queue unless the card is known
// not to.
func TestPart(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 2)
	for _, test := range []struct {
		fanout rx.Fanout
		rings  int
		split  bool
	}{{rx.FanoutHash, 1, false}, {rx.FanoutHash, 2, false}, {rx.FanoutQueue, 1, false}, {rx.FanoutQueue, 2, true}, {rx.FanoutCPU, 2, true}} {
		rings := openRings(t, rx.RingConfig{Interface: "in0", Rings: test.rings, Fanout: test.fanout})
		first, split := rings[0].Part()
		last, _ := rings[test.rings-1].Part()
		if split != test.split || first != last {
			t.Errorf("%d rings by %s: split %v, of one %v", test.rings, test.fanout, split, first == last)
		}
		for _, r := range rings {
			r.Close()
		}
	}
}

// TestRingsOfInterfacesShareCPUs: those of a second interface go on where the first
// one's have ended.
func TestRingsOfInterfacesShareCPUs(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	for _, test := range []struct {
		ahead int
		want  []int
	}{{0, []int{5, 6}}, {1, []int{6, 7}}, {2, []int{7, 5}}} {
		rings := openRings(t, rx.RingConfig{Interface: "in0", Rings: 2, CPUs: []int{5, 6, 7}, Ahead: test.ahead})
		for k, r := range rings {
			if cpu := r.CPU(); cpu != test.want[k] {
				t.Errorf("with %d ahead, ring %d runs on CPU %d, want %d", test.ahead, k, cpu, test.want[k])
			}
			r.Close()
		}
	}
	if all := sys.CPUs(); len(all) > 1 {
		first, second := openRings(t, rx.RingConfig{Interface: "in0"})[0], openRings(t, rx.RingConfig{Interface: "in0", Ahead: 1})[0]
		if first.CPU() != all[len(all)-1] || second.CPU() != all[len(all)-2] {
			t.Errorf("two interfaces have CPUs %d and %d of %v", first.CPU(), second.CPU(), all)
		}
		// A veth's queue has no interrupt that would say whose it is.
		queued := openRings(t, rx.RingConfig{Interface: "in0", Fanout: rx.FanoutQueue, Ahead: 1})[0]
		if queued.CPU() != all[1] {
			t.Errorf("by queue, with one ring ahead, it is CPU %d of %v", queued.CPU(), all)
		}
	}
}

// TestRingSaysHowFarItIs: when one ring has handed frames over, another that has
// none says so without having to be asked twice: that no frame of before is to come.
func TestRingSaysHowFarItIs(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	veth(t, "in1", "out1", 1)
	busy := openRings(t, rx.RingConfig{Interface: "in0", Retire: time.Millisecond})[0]
	idle := openRings(t, rx.RingConfig{Interface: "in1", Retire: 10 * time.Second})[0] // says nothing by itself
	rx.Together([]rx.Source{busy, idle}, 1)

	stamps, floors := make(chan int64, 1), make(chan int64, 1000)
	go receive(busy, func(c *rx.Chunk) {
		if len(c.Frames) > 0 {
			stamps <- c.Frames[len(c.Frames)-1].Timestamp
		}
	})
	go receive(idle, func(c *rx.Chunk) {
		if len(c.Frames) == 0 {
			floors <- c.Clock
		}
	})
	s := newSender(t, "out0")
	p := flow(1, 2)
	s.send(craft.AppendUDP(nil, &p, []byte("x")))
	stamp := <-stamps
	for floor := range floors { // the deadline of all tests ends this
		if floor >= stamp {
			break
		}
	}
}

// receive takes chunks until the source is closed.
func receive(src rx.Source, f func(*rx.Chunk)) {
	var c rx.Chunk
	for src.Next(&c) == nil {
		f(&c)
		c.Release()
	}
}
