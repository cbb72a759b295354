package buffers

import (
	"errors"
	"testing"
)

// TestPolicyNames: thirteen names, six behaviours.
func TestPolicyNames(t *testing.T) {
	for name, want := range map[string]Policy{
		"first": First, "vista": First,
		"last":  Last,
		"linux": Linux, "irix": Linux, "hpux10": Linux,
		"old-linux": OldLinux, "old_linux": OldLinux,
		"bsd": BSD, "macos": BSD, "windows": BSD, "win_2003": BSD,
		"solaris": Solaris, "hpux11": Solaris,
	} {
		got, err := ParsePolicy(name)
		if got != want || err != nil {
			t.Errorf("ParsePolicy(%q) = %v, %v, want %v", name, got, err, want)
		}
	}
	for p := range policyCount {
		if got, err := ParsePolicy(p.String()); got != p || err != nil {
			t.Errorf("%v does not parse: %v, %v", p, got, err)
		}
	}
	if _, err := ParsePolicy("windows95"); !errors.Is(err, ErrPolicy) {
		t.Errorf("an unknown name gives %v", err)
	}
	if got := policyCount.String(); got != "policy(6)" {
		t.Errorf("an unknown policy is %q", got)
	}
}
