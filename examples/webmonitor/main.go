// Webmonitor prints how many connections to web servers are opened, closed and
// ongoing, for each second of the capture in which that changes: the paper's
// first program. It asks for two events, and no stream is put in order for it.
//
//	go run ./examples/webmonitor -r trace.pcap
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// count is how many connections were opened and closed, in one second.
type count struct{ opened, closed int }

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	local := mbox.NewLocal(stack, func() map[int64]count { return map[int64]count{} }) // by second; one for each shard
	established := mbox.NewKey[bool]()
	sock := stack.Monitor(mbox.Stream)
	err = errors.Join(
		sock.Bind("tcp port 80 or tcp port 443"),
		sock.Handle(mbox.OnConnEstablished, mbox.PostTCP, func(c *mbox.Context) {
			*established.Of(c) = true
			seconds, now := *local.Of(c), c.Now().Unix()
			seconds[now] = count{seconds[now].opened + 1, seconds[now].closed}
		}),
		sock.Handle(mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
			if established.Get(c) != nil && c.Reason() != mbox.EndShutdown {
				seconds, closed := *local.Of(c), c.LastActive().Unix() // an end waits for what is late
				seconds[closed] = count{seconds[closed].opened, seconds[closed].closed + 1}
			}
		}))
	return func() {
		all, ongoing := map[int64]count{}, 0
		local.Fold(func(part *map[int64]count) {
			for second, n := range *part {
				all[second] = count{all[second].opened + n.opened, all[second].closed + n.closed}
			}
		})
		for _, second := range slices.Sorted(maps.Keys(all)) {
			n := all[second]
			ongoing += n.opened - n.closed
			fmt.Fprintf(w, "%s opened %d closed %d ongoing %d\n", time.Unix(second, 0).UTC().Format(time.TimeOnly), n.opened, n.closed, ongoing)
		}
	}, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "webmonitor:", err)
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
