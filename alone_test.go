package mbox_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/witness"
	"github.com/mbox-stack/mbox/rx"
)

// TestEventsAlone: whoever asks for one event is told the same of it as one who
// asks for all, though all else is not even worked out for him. Retransmissions
// are left to themselves: who asks for them has octets kept and compared.
func TestEventsAlone(t *testing.T) {
	together := slices.DeleteFunc(slices.Clone(mbox.Events()), func(ev mbox.Event) bool { return ev == mbox.OnRexmit })
	for _, c := range captures() {
		t.Run(c.name, func(t *testing.T) {
			frames := c.frames(t)
			if testing.Short() && len(frames) > framesMany/2 {
				t.Skipf("%d frames: not with -short", len(frames))
			}
			all := journalOf(t, c.memory, frames, together...)
			for _, ev := range together {
				alone := journalOf(t, c.memory, frames, ev)
				want := slices.DeleteFunc(slices.Clone(all), func(line string) bool {
					return !strings.Contains(line, " "+ev.String()+" ") && !strings.HasPrefix(line, "the run ended")
				})
				if !slices.Equal(alone, want) {
					a, b := bytes.NewBufferString(strings.Join(want, "")), bytes.NewBufferString(strings.Join(alone, ""))
					t.Errorf("%s, of %d: %s", ev, len(want)-1, parting(a, b))
				}
			}
		})
	}
}

// journalOf returns the lines that are written of some events.
func journalOf(t *testing.T, memory uint64, frames []rx.Frame, events ...mbox.Event) []string {
	t.Helper()
	var log bytes.Buffer
	if _, err := witness.PlayOnly(stack(t, mbox.Config{Shards: 1, Memory: memory}), rx.NewMemory(frames...), &log, events...); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(log.String()))
}
