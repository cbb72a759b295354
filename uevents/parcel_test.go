package uevents

import (
	"fmt"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// A flow's plan is the same plan elsewhere: handlers of the flow alone, switched
// ones and stopped sides included, also under a snapshot from before or after.
func TestAPlanIsTheSameElsewhere(t *testing.T) {
	b := newBench(t)
	s := b.socket(Stream)
	b.handle(s, OnPacket, PostTCP, b.say("all"))
	off := b.handle(s, OnNewData, PostTCP, b.say("off"))
	before := b.set.Snapshot()
	if _, err := s.Register(OnConnEnd, PostTCP, b.say("late")); err != nil {
		t.Fatal(err)
	}
	after := b.set.Snapshot()
	local := Registration{&registration{socket: s, event: OnPacket.def, hook: PostTCP, handler: b.say("own"), local: true}}
	changes := []Change{
		{Kind: ChangeDisable, Socket: s.Index(), Reg: off},
		{Kind: ChangeStop, Socket: s.Index(), Side: wire.ToClient},
		{Kind: ChangeAdd, Socket: s.Index(), Reg: local},
	}
	for n := range len(changes) + 1 {
		for _, at := range []*Snapshot{before, after} {
			here, there := NewPlans(before, Always{}), NewPlans(at, Always{})
			id := here.ForMask(1)
			for _, c := range changes[:n] {
				id = here.With(id, c)
			}
			want := NewPlans(at, Always{})
			twin := want.ForMask(1)
			for _, c := range changes[:n] {
				twin = want.With(twin, c)
			}
			private := here.Private(id)
			got := there.At(there.Unpack(here.Pack(id)))
			if x, y := fmt.Sprintf("%v %v %v", got.Registrations(), got.Reassemble, got.Stopped),
				fmt.Sprintf("%v %v %v", want.At(twin).Registrations(), want.At(twin).Reassemble, want.At(twin).Stopped); x != y {
				t.Errorf("%d changes: %s, want %s", n, x, y)
			}
			if private != (n == len(changes)) || private && here.At(id) != nil {
				t.Errorf("%d changes: private %v; one that is gone is given back", n, private)
			}
		}
	}
}

// Of sockets that ask for flows from before them, those are missed that came
// after the snapshot that a flow's plan was made under.
func TestWhatAnEarlierSnapshotMissed(t *testing.T) {
	b := newBench(t)
	if err := b.socket(Stream).IncludeExisting(); err != nil {
		t.Fatal(err)
	}
	first := b.set.Snapshot()
	b.socket(Stream)
	if err := b.socket(Stream).IncludeExisting(); err != nil {
		t.Fatal(err)
	}
	second := b.set.Snapshot()
	if m := second.Missed(first); m != 1<<2 || !second.After(first) || first.After(second) {
		t.Errorf("missed %b, after %v, before %v", m, second.After(first), first.After(second))
	}
}
