package tcpfsm

import (
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// TestWrapAnywhere replays every transcript with all sequence numbers moved, so
// that they wrap at each number there is in it. Nothing else changes.
func TestWrapAnywhere(t *testing.T) {
	for _, tr := range readTranscripts(t) {
		at := map[wire.Seq]bool{}
		for i := range tr.steps {
			seg := &tr.steps[i].seg
			for _, q := range []wire.Seq{seg.Seq, seg.Seq + 1, seg.End(), seg.Ack, seg.Ack - 1} {
				at[q] = true
			}
		}
		for q := range at {
			p := player{shift: -q}
			for i := range tr.steps {
				s := &tr.steps[i]
				if got := p.play(t, s); got != s.want {
					t.Errorf("%s:%d with %d at 0: %s\n got %s\nwant %s", tr.path, i+1, q, s.left, got, s.want)
				}
			}
		}
	}
}

// TestRolesAreSymmetric replays what transcripts show midstream with client and
// server exchanged: there the roles are a guess, and must not matter.
func TestRolesAreSymmetric(t *testing.T) {
	steps := 0
	for _, tr := range readTranscripts(t) {
		var p, q player
		for i := range tr.steps {
			s, mirrored := tr.steps[i], tr.steps[i]
			mirrored.dir = s.dir.Reverse()
			p.play(t, &s)
			if p.conn.origin != 0 && !p.conn.Midstream() {
				q = player{} // until the next connection
				continue
			}
			steps++
			q.play(t, &mirrored)
			if !areMirrored(&p.conn, &q.conn) {
				t.Fatalf("%s:%d: %s\n%+v\n%+v", tr.path, i+1, s.left, p.conn, q.conn)
			}
		}
	}
	if steps < 50 {
		t.Errorf("only %d steps", steps)
	}
}

// TestConnIsAValue goes on with a copy after every step.
func TestConnIsAValue(t *testing.T) {
	for _, tr := range readTranscripts(t) {
		var p player
		for i := range tr.steps {
			p = player{conn: p.conn, rules: p.rules}
			if got := p.play(t, &tr.steps[i]); got != tr.steps[i].want {
				t.Fatalf("%s:%d: %s, want %s", tr.path, i+1, got, tr.steps[i].want)
			}
		}
	}
}

// areMirrored reports whether the endpoints of a are those of b, the other way round.
func areMirrored(a, b *Conn) bool {
	for i := range a.ends {
		if a.ends[i] != b.ends[i^1] || a.rest[i] != b.rest[i^1] || a.mss[i] != b.mss[i^1] {
			return false
		}
	}
	return true
}
