// Mbox is the peer that mbox itself is: a whole stack of one shard, from memory,
// with a handler on OnNewData.
package main

import (
	"context"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

func main() { measure.Serve(turn) }

func turn(frames []rx.Frame) (text measure.Totals, err error) {
	stack, err := mbox.New(mbox.Config{Shards: 1, Checksums: mbox.ChecksumsOff})
	if err != nil {
		return text, err
	}
	sock := stack.Monitor(mbox.Stream)
	err = sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
		text[c.Side()] += uint64(len(c.Payload()))
	})
	if err != nil {
		return text, err
	}
	return text, stack.Run(context.Background(), rx.NewMemory(frames...))
}
