package tcpfsm

import "testing"

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
	if got, want := int(ruledStates)*int(signalCount)-len(seen), 115; got != want {
		t.Errorf("%d pairs are anomalies, want %d: list the new one or explain it here", got, want)
	}
}

// TestEveryRuleIsTaken takes each rule away in turn. If no transcript notices, the
// rule is either dead or untested.
func TestEveryRuleIsTaken(t *testing.T) {
	all := readTranscripts(t)
	for _, r := range rules {
		next[r.From][r.On] = unlisted
		if !noticed(t, all) {
			t.Errorf("no transcript takes {%v, %s, %v} (%s)", r.From, r.On, r.To, r.Ref)
		}
		next[r.From][r.On] = r.To
	}
}

// noticed reports whether a transcript reads otherwise than it is written.
func noticed(t *testing.T, all []transcript) bool {
	for _, tr := range all {
		var p player
		for i := range tr.steps {
			s := &tr.steps[i]
			if s.verb == "expire" && next[TimeWait][timeout2MSL] == unlisted {
				return true // Expire asserts that rule
			}
			if p.play(t, s) != s.want {
				return true
			}
		}
	}
	return false
}
