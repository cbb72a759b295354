package buffers

import (
	"errors"
	"strings"
	"testing"
)

// chain returns a segment of one octet behind a hole, so many that follow it, and
// one that repeats the last of them and goes on.
func chain(followers int) (segments []Range) {
	for off := uint64(1); off <= uint64(1+followers); off++ {
		segments = append(segments, Range{off, off + 1})
	}
	last := segments[followers]
	return append(segments, Range{last.Off, last.End + 1})
}

// TestLinuxJoinsSoMany: under Linux what follows a held segment joins it, so that
// its octets are not the first of a segment, and stay; but only joinMax do. The
// next one is a segment of its own, and gives way to one of the same start.
func TestLinuxJoinsSoMany(t *testing.T) {
	for followers, stays := range map[int]bool{1: true, joinMax: true, joinMax + 1: false, joinMax + 2: true} {
		a, s := NewArena(Config{}), Stream{policy: Linux}
		var r Result
		segments := chain(followers)
		for i, seg := range segments {
			a.testInsert(&s, seg.Off, strings.Repeat(string(rune('a'+i)), int(seg.Len())), &r)
		}
		got := a.testInsert(&s, 0, "-", &r)
		want := "-abcdefghijklmnopqrstuvwxyz"[:followers+2]
		if n := string(rune('a' + len(segments) - 1)); stays {
			want += n
		} else {
			want = want[:followers+1] + n + n
		}
		if got != want {
			t.Errorf("%d followers: %q, want %q", followers, got, want)
		}
	}
}

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
