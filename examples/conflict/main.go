// Conflict prints retransmissions whose octets are not the ones that came first,
// with both contents: one of the two was not sent by the peer, or one of the
// endpoints means to show a monitor something else than its peer.
//
//	go run ./examples/conflict -r trace.pcap
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// conflict is OnRexmit where the octets differ.
var conflict = mbox.Define("conflict", mbox.OnRexmit, func(c *mbox.Context) bool {
	return c.Rexmit().Match == mbox.MatchDiffers
})

const (
	// history is how many octets of a stream are kept to compare with after they
	// were acknowledged: who injects an answer has it acknowledged before the true
	// one comes. Octets not yet acknowledged are kept for whoever asks for OnRexmit.
	history  = 16 << 10
	shownMax = 40 // octets printed of either content
)

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	out := stack.Output(w)
	var n atomic.Uint64 // handlers of different flows may run at the same time
	sock := stack.Monitor(mbox.Stream)
	err = errors.Join(sock.KeepStream(history), sock.Handle(conflict, mbox.PostTCP, func(c *mbox.Context) {
		n.Add(1)
		r := c.Rexmit()
		at := 0 // the first octet that differs
		for r.Original[at] == r.Repeat[at] {
			at++
		}
		to := min(at+shownMax, len(r.Original))
		out.Printf(c, "%s: octets %d to %d of the %s came again\n", c.Flow(), r.Offset, r.Offset+uint64(r.Len), c.Side())
		out.Printf(c, "  first %q\n  then  %q\n", r.Original[at:to], r.Repeat[at:to])
	}))
	return func() { fmt.Fprintln(w, "retransmissions with different content:", n.Load()) }, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conflict:", err)
		os.Exit(1)
	}
}

func run(src rx.Source, w io.Writer) error {
	stack, err := mbox.New(mbox.Config{})
	if err != nil {
		return err
	}
	report, err := register(stack, w)
	if err == nil {
		err = stack.Run(context.Background(), src)
		report() // a capture may be cut short: what came before counts
	}
	return err
}
