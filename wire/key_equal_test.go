package wire

import (
	"math/rand/v2"
	"testing"
)

// TestEqualIsEquality changes one octet of a key after the other.
func TestEqualIsEquality(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var k FlowKey
	for side := range k.Addr {
		for i := range k.Addr[side] {
			k.Addr[side][i] = byte(r.Uint32())
		}
	}
	k.Port, k.Proto, k.Version, k.Scope = [2]uint16{1, 2}, ProtoTCP, 6, r.Uint64()
	same := k
	if !k.Equal(&same) {
		t.Fatal("a key is not equal to its copy")
	}
	differ := func(change func(*FlowKey)) {
		t.Helper()
		other := k
		change(&other)
		if k.Equal(&other) || other == k {
			t.Errorf("%+v is equal to %+v", k, other)
		}
	}
	for side := range k.Addr {
		for i := range k.Addr[side] {
			differ(func(o *FlowKey) { o.Addr[side][i] ^= 1 << r.IntN(8) })
		}
		differ(func(o *FlowKey) { o.Port[side]++ })
	}
	differ(func(o *FlowKey) { o.Proto++ })
	differ(func(o *FlowKey) { o.Version = 4 })
	differ(func(o *FlowKey) { o.Scope ^= 1 << 63 })
}
