package shard

import (
	"testing"

	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// newTestShard returns a shard that nobody runs.
func newTestShard(t *testing.T) *Shard {
	t.Helper()
	var set uevents.Set
	s, err := New(Config{}, set.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A record's counters have 32 bits and two; what a flow has sent is counted
// beyond that, and a side that was heard never looks as if it was not.
func TestTalliesDoNotRunOver(t *testing.T) {
	s := newTestShard(t)
	_, fl := s.flows.New()
	p := wire.Packet{PayloadLen: 65535}
	p.Key.Proto = wire.ProtoUDP
	const packets = 200_000 // of 64 KiB: 12 GiB
	for range packets {
		s.count(fl, &p, wire.ToClient)
	}
	if n, octets := s.sentBy(fl, wire.ToClient); n != packets || octets != packets*65535 {
		t.Errorf("%d packets, %d octets, want %d, %d", n, octets, packets, packets*65535)
	}
	fl.sent[wire.ToServer].packets = 1<<31 - 1
	s.moreOf(fl).sent[wire.ToServer].packets = 5 * carry
	for range 3 {
		s.count(fl, &p, wire.ToServer)
		if fl.sent[wire.ToServer].packets == 0 {
			t.Fatal("a side that was heard has sent nothing")
		}
	}
	if n, _ := s.sentBy(fl, wire.ToServer); n != 1<<31-1+5*carry+3 {
		t.Errorf("%d packets, want %d", n, 1<<31-1+5*carry+3)
	}
}

func TestControlSegmentsAreCountedTo255(t *testing.T) {
	s := newTestShard(t)
	_, fl := s.flows.New()
	for n := 1; n <= 300; n++ {
		s.note(fl, wire.ToClient, controlFIN)
		if got := s.noted(fl, wire.ToClient, controlFIN); int(got) != min(n, 255) {
			t.Fatalf("%d FINs count as %d", n, got)
		}
		if n == seenMax && fl.more != 0 {
			t.Error("three FINs do not fit the record")
		}
	}
	for d := range wire.Dir(2) {
		for c := range controlCount {
			if n := s.noted(fl, d, c); n != 0 && (d != wire.ToClient || c != controlFIN) {
				t.Errorf("%v: %d segments of kind %d, want none", d, n, c)
			}
		}
	}
}

// Keys that differ in their Scope alone are two, whichever of the flows was first.
func TestScopeIsPartOfTheKey(t *testing.T) {
	s := newTestShard(t)
	plain := wire.FlowKey{Port: [2]uint16{1, 2}, Proto: wire.ProtoTCP, Version: 4}
	tagged := plain
	tagged.Scope = 7 << 32
	other := plain
	other.Scope = 8 << 32
	keys := []wire.FlowKey{plain, tagged, other}
	for i := range keys {
		_, fl := s.flows.New()
		s.setKey(fl, &keys[i])
		for j := range keys {
			if s.matches(fl, &keys[j]) != (i == j) {
				t.Errorf("the flow of key %d matches key %d: %v", i, j, i != j)
			}
		}
		if s.keyOf(fl) != keys[i] {
			t.Errorf("key %d reads %+v", i, s.keyOf(fl))
		}
	}
}
