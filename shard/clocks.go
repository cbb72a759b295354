package shard

import (
	"time"

	"github.com/mbox-stack/mbox/buffers"
)

// clockSlack is how far the clock of one source may lie behind another's and
// count as the same time: rings of one interface hand over what they received
// within some ten milliseconds of one another, and their marks carry the time of
// day. Captures of different years lie further apart, and keep their own times.
const clockSlack = int64(time.Second)

// align makes the frames of a batch no older than what the shard has seen, where
// that came from another source and the two go by one clock. Without it a flow
// whose directions come by different rings would end before it began, and time
// would run backwards between two events of it.
//
// One source's clock never runs backwards, so its batches are left alone.
func (s *Shard) align(b *buffers.Batch) {
	if len(b.Frames) == 0 || b.Frames[0].Clock >= s.clock || s.clock-b.Frames[0].Clock > clockSlack {
		return
	}
	for i := range b.Frames {
		f := &b.Frames[i]
		if f.Clock >= s.clock {
			return
		}
		f.Clock = s.clock
	}
}
