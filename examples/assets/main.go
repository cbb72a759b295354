// Assets lists which systems there are without sending a packet: what the SYNs
// of clients look like, and the first line that servers say of themselves.
//
//	go run ./examples/assets -r trace.pcap
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	local := mbox.NewLocal(stack, func() map[string]int { return map[string]int{} }) // how often, by line
	sock := stack.Monitor(mbox.Stream)
	err = errors.Join(
		sock.SetReassembly(mbox.Client, false),
		sock.Handle(mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
			if p := c.Packet(); c.Flow().Start() == mbox.StartSYN {
				line := fmt.Sprintf("%-21s SYN ttl %d win %d mss %d scale %d options", c.Flow().Client().Addr(),
					p.TTL, p.Segment.Wnd, p.Segment.MSS, p.Segment.WScale)
				for kind := range c.TCP().Options() { // their order differs from system to system
					line += fmt.Sprint(" ", kind)
				}
				(*local.Of(c))[line]++
			}
		}),
		sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
			first := make([]byte, 60) // they may come in several pieces; datagrams are no stream
			if n, _ := c.ReadAt(mbox.Server, 0, first); n > 0 {
				line, _, _ := bytes.Cut(first[:n], []byte("\n"))
				(*local.Of(c))[fmt.Sprintf("%-21s says %q", c.Flow().Server(), bytes.TrimSpace(line))]++
			}
			c.SetReassembly(mbox.Server, false) // the rest of the stream is not for us
		}))
	return func() {
		all := map[string]int{}
		local.Fold(func(part *map[string]int) {
			for line, n := range *part {
				all[line] += n
			}
		})
		for _, line := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(w, "%4d times %s\n", all[line], line)
		}
	}, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
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
