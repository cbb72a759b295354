// Synrexmit prints and counts the SYNs that are sent again: Listing 1 of "A Case
// for a Stateful Middlebox Networking Stack" (SIGCOMM 2015). Which retransmission
// is one of a SYN is said once, as an event of its own, that any handler of any
// socket can then stand on.
//
//	go run ./examples/synrexmit -r trace.pcap
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// synRexmit is OnRexmit where the segment is a client's SYN.
var synRexmit = mbox.Define("syn-rexmit", mbox.OnRexmit, func(c *mbox.Context) bool {
	tcp := c.TCP()
	return tcp.SYN() && !tcp.ACK()
})

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	out := stack.Output(w)
	var n atomic.Uint64 // handlers of different flows may run at the same time
	sock := stack.Monitor(mbox.Stream)
	err = sock.Handle(synRexmit, mbox.PreTCP, func(c *mbox.Context) {
		n.Add(1)
		// PreTCP is before the states change: the flow was last active at the SYN before.
		out.Printf(c, "%s %s after %s\n", c.Timestamp().UTC().Format("15:04:05"), c.Flow(), c.Now().Sub(c.LastActive()))
	})
	return func() { fmt.Fprintln(w, "SYNs sent again:", n.Load()) }, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "synrexmit:", err)
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
