package tcpfsm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// TestUsualIsStep lets connections open, talk and close, with segments that are
// altered in one place now and then, and holds usual against its slow twin after
// each. Most segments must take the short way, and every case of it must be met.
func TestUsualIsStep(t *testing.T) {
	const lives = 100_000
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	var met [16]int // by what the sender's state became
	short, all := 0, 0
	for range lives {
		var c Conn
		rules := Rules{Strict: rng.IntN(2) == 0}
		untracked := rng.IntN(40) // after so many segments; most lives are shorter
		for i, s := range usualLife(rng) {
			if i == untracked {
				c.Untrack(wire.Dir(rng.IntN(2)))
			}
			if rng.IntN(12) == 0 { // lost behind us
				c.Step(&s.Segment, nil, s.d, rules)
				continue
			}
			before, long := c, c
			if c.plain(&s.Segment, s.d) {
				c.stepPlain(&s.Segment, s.d)
				if long.step(new(Delta), new(Look), &s.Segment, &s.Segment, s.d, rules); c != long {
					t.Fatalf("seed %d, strict %v: %+v\nof %+v\nplain %+v\nstep  %+v", seed, rules.Strict, s, before, c, long)
				}
				continue
			}
			var delta, longDelta Delta
			var look, longLook Look
			all++
			took := c.usual(&delta, &look, &s.Segment, s.d)
			if !took && c != before {
				t.Fatalf("seed %d: usual refuses %+v and changes %+v into %+v", seed, s.Segment, before, c)
			}
			long.step(&longDelta, &longLook, &s.Segment, &s.Segment, s.d, rules)
			if !took {
				c = long
				continue
			}
			short++
			met[c.State(s.d)]++
			if c != long || delta != longDelta || look != longLook {
				t.Fatalf("seed %d, strict %v: %+v\nof %+v\nusual %+v\n%+v %+v\nstep  %+v\n%+v %+v",
					seed, rules.Strict, s, before, c, delta, look, long, longDelta, longLook)
			}
		}
	}
	for _, s := range []State{SynSent, SynReceived, Established, FinWait1, LastAck, TimeWait} {
		if met[s] == 0 {
			t.Errorf("seed %d: the short way never led to %v", seed, s)
		}
	}
	if short < all/6 {
		t.Errorf("seed %d: %d of %d segments took the short way", seed, short, all)
	}
}

// usualLife returns the segments of a connection, some of which are not as they
// should be.
func usualLife(rng *rand.Rand) (out []struct {
	wire.Segment
	d wire.Dir
}) {
	nxt := [2]wire.Seq{wire.Seq(rng.Uint32()), wire.Seq(rng.Uint32())}
	ts, scale := rng.IntN(2) == 0, [2]bool{rng.IntN(4) > 0, rng.IntN(4) > 0}
	clock := rng.Uint32()
	say := func(d wire.Dir, f wire.Flags, n uint32) {
		s := wire.Segment{Seq: nxt[d], Flags: f, Wnd: uint16(8000 + rng.IntN(3)), Len: n}
		if f.Has(wire.ACK) {
			s.Ack = nxt[d^1]
		}
		if f.Has(wire.SYN) {
			s.Opts, s.MSS = wire.OptMSS|wire.OptSACKOK, 1460
			if scale[d] {
				s.Opts, s.WScale = s.Opts|wire.OptWScale, uint8(rng.IntN(16))
			}
		}
		if ts {
			clock += uint32(rng.IntN(2))
			s.Opts, s.TSVal = s.Opts|wire.OptTimestamp, clock
		}
		nxt[d] = s.End()
		alter(rng, &s)
		out = append(out, struct {
			wire.Segment
			d wire.Dir
		}{s, d})
	}
	c := wire.Dir(rng.IntN(2))
	say(c, wire.SYN, 0)
	say(c^1, wire.SYN|wire.ACK, 0)
	say(c, wire.ACK, 0)
	for range rng.IntN(3) {
		say(wire.Dir(rng.IntN(2)), wire.ACK, uint32(rng.IntN(3)))
	}
	f := wire.Dir(rng.IntN(2))
	say(f, wire.FIN|wire.ACK, uint32(rng.IntN(2)*5))
	if rng.IntN(3) == 0 {
		say(f^1, wire.ACK, uint32(rng.IntN(2)))
	}
	say(f^1, wire.FIN|wire.ACK, uint32(rng.IntN(2)))
	say(f, wire.ACK, 0)
	say(f, wire.ACK, 0)
	if rng.IntN(8) == 0 { // one overtakes another
		i := rng.IntN(len(out) - 1)
		out[i], out[i+1] = out[i+1], out[i]
	}
	if rng.IntN(8) == 0 {
		i := rng.IntN(len(out))
		out = slices.Insert(out, i, out[rng.IntN(len(out))])
	}
	return out
}

// alter changes a field of one segment in eight.
func alter(rng *rand.Rand, s *wire.Segment) {
	near := uint32(rng.IntN(7)) - 3
	switch rng.IntN(30) {
	case 0:
		s.Seq = s.Seq.Add(near)
	case 1:
		s.Ack = s.Ack.Add(near)
	case 2:
		s.Flags ^= 1 << rng.IntN(6)
	case 3:
		s.Len += uint32(rng.IntN(3))
	case 4:
		s.Wnd = uint16(rng.IntN(3))
	case 5:
		s.TSVal += near
	case 6:
		s.Opts ^= 1 << rng.IntN(6)
	case 8:
		s.Urg = uint16(rng.IntN(2))
	case 7:
		s.Seq, s.Ack = wire.Seq(rng.Uint32()), wire.Seq(rng.Uint32())
	}
}

// A connection is closed as step would close it, however much has been sent on it:
// the beginning of a long stream can no longer be compared.
func TestUsualIsStepAfterALongStream(t *testing.T) {
	const piece = windowMax / 64
	for d := range wire.Dir(2) {
		for closer := range wire.Dir(2) {
			var c Conn
			seq := [2]wire.Seq{1001, 5001}
			say := func(d wire.Dir, f wire.Flags, n uint32) {
				s := wire.Segment{Seq: seq[d], Ack: seq[d^1], Flags: f, Wnd: 65535, Len: n}
				if f.Has(wire.SYN) {
					s.Seq, s.Opts, s.WScale = s.Seq-1, wire.OptWScale, wscaleMax
				}
				if f == wire.SYN {
					s.Ack = 0
				}
				seq[d] = s.End()
				c.Step(&s, &s, d, Rules{})
			}
			say(wire.ToServer, wire.SYN, 0)
			say(wire.ToClient, wire.SYN|wire.ACK, 0)
			say(wire.ToServer, wire.ACK, 0)
			for sent := range 1<<32/piece + 3 {
				fin := wire.Segment{Seq: seq[closer], Ack: seq[closer^1], Flags: wire.FIN | wire.ACK, Wnd: 65535}
				short, long := c, c
				var a, b Delta
				var look, longLook Look
				if short.usual(&a, &look, &fin, closer) {
					long.step(&b, &longLook, &fin, &fin, closer, Rules{})
					if short != long || a != b || look != longLook {
						t.Fatalf("%v sent %d octets, %v closes: usual %+v\nstep %+v", d, sent*piece, closer, short, long)
					}
				} else if sent == 0 {
					t.Fatal("a short connection is not closed by the short way")
				}
				say(d, wire.ACK, piece)
				say(d^1, wire.ACK, 0)
			}
		}
	}
}
