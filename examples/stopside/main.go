// Stopside reads what clients ask for and nothing of what servers answer: it
// prints the first line of each request, and what it has saved. Servers' streams
// are never put in order, and once a connection is established its server is not
// followed at all; what another socket of the stack wants to know goes on.
//
//	go run ./examples/stopside -r trace.pcap
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

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	out := stack.Output(w)
	var read, spared atomic.Uint64
	sock := stack.Monitor(mbox.Stream)
	err = errors.Join(
		sock.Bind("tcp port 80"),
		sock.SetReassembly(mbox.Server, false), // for all flows; Context has the same for one
		sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
			read.Add(uint64(len(c.Payload())))
			if line, _, ok := bytes.Cut(c.Payload(), []byte("\r\n")); ok && bytes.HasSuffix(line, []byte("HTTP/1.1")) {
				out.Printf(c, "%s %s\n", c.Flow().Client(), line)
			}
		}),
		sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
			c.Stop(mbox.Server) // no event of that side from here on, and no state
		}),
		sock.Handle(mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
			spared.Add(c.Counters(mbox.Server).PayloadBytes)
		}))
	return func() {
		fmt.Fprintf(w, "%d octets of clients were read, %d octets of servers never put in order\n", read.Load(), spared.Load())
	}, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stopside:", err)
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
