package tcpfsm

import (
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// TestLongStreams sends 5 GiB, so that sequence numbers wrap and the stream's
// start, a hole at it, and an SND.UNA that nobody moves would all come into sight
// again from the other side (RFC 9293 §3.4).
func TestLongStreams(t *testing.T) {
	const octets, piece = 5 << 30, 65000
	for _, c := range []struct {
		name             string
		handshake, acked bool
		hole             bool
	}{
		{"both seen", true, true, false},
		{"a hole nobody fills", true, true, true},
		{"handshake, then one direction", true, false, true},
		{"one direction only", false, false, false},
		{"one direction only, a hole", false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var conn Conn
			if c.handshake {
				conn = up()
			}
			seg := wire.Segment{Seq: 101, Ack: 301, Flags: wire.ACK, Wnd: 65535, Len: piece}
			ack := wire.Segment{Seq: 301, Flags: wire.ACK, Wnd: 65535}
			for sent := 0; sent < octets; sent += piece {
				if c.hole && sent == piece {
					seg.Seq = seg.Seq.Add(100)
				}
				checkPiece(t, &conn, &seg, !c.handshake || c.acked)
				seg.Seq = seg.Seq.Add(piece)
				if c.acked {
					ack.Ack = seg.Seq
					conn.Step(&ack, &ack, wire.ToClient, Rules{})
				}
				if t.Failed() {
					t.Fatalf("after %d octets", sent)
				}
			}
			again := seg
			again.Seq -= piece
			if l := conn.Look(&again, wire.ToServer, Rules{}); l.OldLen != piece || l.Text != Take {
				t.Errorf("the last piece again: %+v", l)
			}
			seg.Flags |= wire.FIN
			conn.Step(&seg, &seg, wire.ToServer, Rules{})
			if conn.State(wire.ToServer) != FinWait1 {
				t.Errorf("a FIN leads to %v", conn.State(wire.ToServer))
			}
			if start, ok := conn.StreamStart(wire.ToServer); !ok || start != 101 {
				t.Errorf("stream starts at %d, %v", start, ok)
			}
		})
	}
}

// checkPiece steps a piece that is the next in order, but for a hole before it.
func checkPiece(t *testing.T, c *Conn, seg *wire.Segment, inWindow bool) {
	look := c.Look(seg, wire.ToServer, Rules{})
	before := *c
	delta := c.Step(seg, seg, wire.ToServer, Rules{})
	if look.Text != Take || look.TakeLen != seg.Len || look.Rexmit != 0 {
		t.Errorf("%d: %+v", seg.Seq, look)
	}
	if inWindow && delta.Anomalies != 0 {
		t.Errorf("%d: %v", seg.Seq, delta.Anomalies)
	}
	checkConn(t, &before, c, &delta)
}
