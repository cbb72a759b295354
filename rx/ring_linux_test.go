package rx_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/rx"
)

// openRings opens rings and closes them with the test.
func openRings(t testing.TB, c rx.RingConfig) []*rx.Ring {
	t.Helper()
	rings, err := rx.OpenRings(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, r := range rings {
			r.Close()
		}
	})
	return rings
}

// fetch calls Next until there have been n frames, or none for two seconds, and
// returns copies.
func fetch(t testing.TB, r rx.Source, n int) (frames []rx.Frame) {
	t.Helper()
	const idleMax = 20
	var c rx.Chunk
	for idle := 0; len(frames) < n && idle < idleMax; {
		if err := r.Next(&c); err != nil {
			t.Fatal(err)
		}
		if len(c.Frames) == 0 {
			idle++
		}
		for _, f := range c.Frames {
			f.Data = bytes.Clone(f.Data)
			frames = append(frames, f)
		}
		c.Release()
	}
	return frames
}

// numbered returns an Ethernet frame of a length, of a local experimental
// EtherType, that bears a number.
func numbered(n, octets int) []byte {
	f := make([]byte, octets)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
	binary.BigEndian.PutUint32(f[14:], uint32(n))
	return f
}

func TestRingBringsFramesAsTheyWereSent(t *testing.T) {
	namespace(t)
	veth(t, "in0", "out0", 1)
	r := openRings(t, rx.RingConfig{Interface: "in0"})[0]
	s := newSender(t, "out0")
	before := time.Now().Add(-time.Millisecond).UnixNano()
	var want [][]byte
	for n := range 1000 {
		want = append(want, numbered(n, 60+n))
	}
	sent := s.send(want...)
	got := fetch(t, r, sent)
	if len(got) != len(want) {
		t.Fatalf("%d frames of %d came: %+v", len(got), len(want), r.Counters())
	}
	for i, f := range got {
		if !bytes.Equal(f.Data, want[i]) || f.WireLen != uint32(len(want[i])) {
			t.Fatalf("frame %d: %d octets of %d, want %d as sent", i, len(f.Data), f.WireLen, len(want[i]))
		}
		if f.Timestamp < before || f.Timestamp > time.Now().UnixNano() {
			t.Fatalf("frame %d was captured at %v, in %v", i, f.Timestamp, before)
		}
	}
	if c := r.Counters(); c.Packets != uint64(sent) || c.Drops != 0 || c.BlocksLent != 0 {
		t.Errorf("counted %+v, sent %d", c, sent)
	}
	t.Log(r.Setup())
}
