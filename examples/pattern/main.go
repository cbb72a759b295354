// Pattern finds a text in streams wherever segments cut it: octets come in the
// order of the stream, and the end of what came before is carried over. Where
// octets are missing for good the search starts anew, and says so.
//
//	go run ./examples/pattern -r trace.pcap -text secret
package main

import (
	"bytes"
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

var text = flag.String("text", "line 19 of", "what to look for")

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	if *text == "" {
		return nil, errors.New("-text is empty")
	}
	out := stack.Output(w)
	var found, gaps atomic.Uint64
	want := []byte(*text)
	carried := mbox.NewKey[[2][]byte]() // by side: the last octets, fewer than the text has
	sock := stack.Monitor(mbox.Stream)
	err = errors.Join(
		sock.Bind("tcp"),
		sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
			carry := &carried.Of(c)[c.Side()]
			at := c.Offset() - uint64(len(*carry)) // where octets begins in the stream
			octets := append(*carry, c.Payload()...)
			for i := bytes.Index(octets, want); i >= 0; i = bytes.Index(octets, want) {
				found.Add(1)
				out.Printf(c, "%s: %q at octet %d of the %s\n", c.Flow(), want, at+uint64(i), c.Side())
				octets, at = octets[i+1:], at+uint64(i)+1
			}
			*carry = bytes.Clone(octets[max(0, len(octets)-len(want)+1):])
		}),
		sock.Handle(mbox.OnGap, mbox.PostTCP, func(c *mbox.Context) {
			gaps.Add(1)
			carried.Of(c)[c.Side()] = nil
			out.Printf(c, "%s: %d octets of the %s are missing: nothing is found across them\n", c.Flow(), c.Gap().Len, c.Side())
		}))
	return func() { fmt.Fprintf(w, "found: %d; gaps: %d\n", found.Load(), gaps.Load()) }, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pattern:", err)
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
