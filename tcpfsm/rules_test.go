package tcpfsm

import (
	"math/bits"
	"testing"
)

// TestRulesAreAFunction checks that no pair of state and signal is listed twice,
// and pins how many pairs are anomalies, so that a new one is noticed.
func TestRulesAreAFunction(t *testing.T) {
	seen := map[[2]uint8]string{}
	for _, r := range rules {
		k := [2]uint8{uint8(r.From), uint8(r.On)}
		if old, ok := seen[k]; ok {
			t.Errorf("%v on %q is listed twice: %s and %s", r.From, r.On, old, r.Ref)
		}
		seen[k] = r.Ref
		if next[r.From][r.On] != r.To {
			t.Errorf("%v on %q: index says %v", r.From, r.On, next[r.From][r.On])
		}
	}
	if got, want := int(ruledStates)*int(signalCount)-len(seen), 113; got != want {
		t.Errorf("%d pairs are anomalies, want %d: list the new one or explain it here", got, want)
	}
}

// TestEveryRuleIsTaken fails for a rule that no transcript goes through: it is
// either dead or untested.
func TestEveryRuleIsTaken(t *testing.T) {
	taken := map[[2]uint8]bool{}
	onApply = func(from State, s signals) {
		for ; s != 0; s &= s - 1 {
			sig := bits.TrailingZeros16(uint16(s))
			taken[[2]uint8{uint8(from), uint8(sig)}] = true
			if to := next[from][sig]; to != unlisted {
				from = to
			}
		}
	}
	defer func() { onApply = nil }()
	for _, tr := range readTranscripts(t) {
		replay(t, tr.steps, &player{})
	}
	for _, r := range rules {
		if !taken[[2]uint8{uint8(r.From), uint8(r.On)}] {
			t.Errorf("no transcript takes {%v, %s, %v} (%s)", r.From, r.On, r.To, r.Ref)
		}
	}
}
