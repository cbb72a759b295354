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

// A key that differs from a flow's in one octet, whichever it is, is another one.
func TestEveryOctetOfTheKeyMatters(t *testing.T) {
	s := newTestShard(t)
	var k wire.FlowKey
	_, fl := s.flows.New()
	s.setKey(fl, &k)
	if !s.matches(fl, &k) {
		t.Fatal("a flow does not have its own key")
	}
	for side := range 2 {
		for i := range k.Addr[side] {
			other := k
			other.Addr[side][i] = 1
			if s.matches(fl, &other) {
				t.Errorf("octet %d of address %d makes no difference", i, side)
			}
		}
		for bit := range 16 {
			other := k
			other.Port[side] = 1 << bit
			if s.matches(fl, &other) {
				t.Errorf("bit %d of port %d makes no difference", bit, side)
			}
		}
	}
	for _, other := range []wire.FlowKey{{Proto: wire.ProtoTCP}, {Version: 4}, {Scope: 1}} {
		if s.matches(fl, &other) {
			t.Errorf("%+v has the flow of no protocol, version and scope", other)
		}
	}
}

// What a role holds does not run into one another.
func TestRolesKeepTheirParts(t *testing.T) {
	for client := range uint8(2) {
		for how := range uevents.Start(4) {
			for life := range lifecycle(8) {
				r := makeRole(client, how, 7-life)
				r.setLife(life)
				if r.client() != client || r.how() != how || r.life() != life || r&roleScoped != 0 {
					t.Errorf("%d, %d, %d read %d, %d, %d", client, how, life, r.client(), r.how(), r.life())
				}
			}
		}
	}
}

// Each kind of control segment is counted by itself, for each side.
func TestControlSegmentsAreCountedByKind(t *testing.T) {
	for d := range wire.Dir(2) {
		for _, c := range []struct {
			flags wire.Flags
			want  [controlCount]uint8
		}{
			{wire.SYN, [controlCount]uint8{controlSYN: 1}},
			{wire.SYN | wire.ACK, [controlCount]uint8{controlSYNACK: 1}},
			{wire.FIN | wire.ACK, [controlCount]uint8{controlFIN: 1}},
			{wire.RST, [controlCount]uint8{controlRST: 1}},
			{wire.SYN | wire.FIN, [controlCount]uint8{controlSYN: 1, controlFIN: 1}},
			{wire.ACK, [controlCount]uint8{}},
		} {
			s := newTestShard(t)
			_, fl := s.flows.New()
			fl.key.proto = wire.ProtoTCP
			p := wire.Packet{Segment: wire.Segment{Flags: c.flags}}
			s.count(fl, &p, d)
			for k := range controlCount {
				if got, other := s.noted(fl, d, k), s.noted(fl, d^1, k); got != c.want[k] || other != 0 {
					t.Errorf("%v: %d of kind %d, the other side %d", c.flags, got, k, other)
				}
			}
		}
	}
}
