package mbox_test

import (
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
)

// TestARepeatStandsBesideItsOriginal: what a segment repeats may begin in its
// middle and lie in several stored pieces; of a conflict it is the piece with
// the first difference that is shown, before and after the states change.
func TestARepeatStandsBesideItsOriginal(t *testing.T) {
	for _, hook := range []mbox.Hook{mbox.PreTCP, mbox.PostTCP} {
		t.Logf("hook %s", hook)
		s := stack(t, mbox.Config{})
		var j journal
		handle(t, s.Monitor(mbox.Stream), mbox.OnRexmit, hook, func(c *mbox.Context) {
			r := c.Rexmit()
			j.add("%d+%d %s %q %q at %d", r.Offset, r.Len, r.Match, r.Original, r.Repeat, r.At)
		})
		mboxtest.Run(t, s, `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  101 301 - data="ab"
> A  105 301 - data="ef"
> A  107 301 - data="gh"
# The whole again, one octet of the last piece another.
> A  101 301 - data="abcdeFgH"
> A  101 301 - data="ab"
< A  301 109 0
# Acknowledged, so no longer held.
> A  101 301 - data="ab"
`)
		j.expect(t,
			`0+8 differs "ef" "eF" at 4`,
			`0+2 same "ab" "ab" at 0`,
			`0+2 unknown "" "" at 0`)
	}
}
