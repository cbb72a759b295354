// Perhost prints what each host has sent, most octets first, whatever the
// protocol. A handler adds to the table of the shard it runs on, without a lock.
//
//	go run ./examples/perhost -r trace.pcap
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// usage is what one host has sent; octets are of payload.
type usage struct{ flows, packets, octets, repeated uint64 }

// table has an account for each host.
type table map[netip.Addr]usage

func (t table) add(host netip.Addr, v usage) {
	u := t[host]
	t[host] = usage{u.flows + v.flows, u.packets + v.packets, u.octets + v.octets, u.repeated + v.repeated}
}

// register opens the program's socket. What it returns prints the result.
func register(stack *mbox.Stack, w io.Writer) (report func(), err error) {
	tables := mbox.NewLocal(stack, func() table { return table{} })
	err = stack.Monitor(mbox.Stream).Handle(mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		for _, side := range []mbox.Dir{mbox.Client, mbox.Server} {
			if sent := c.Counters(side); sent.Packets > 0 {
				tables.Of(c).add(c.Flow().Endpoint(side).Addr(), usage{1, sent.Packets, sent.PayloadBytes, sent.RexmitBytes})
			}
		}
	})
	return func() {
		all := table{}
		tables.Fold(func(part *table) {
			for host, u := range *part {
				all.add(host, u)
			}
		})
		byOctets := func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(all[b].octets, all[a].octets), a.Compare(b)) }
		fmt.Fprintln(w, "host               flows  packets     octets  repeated")
		for _, host := range slices.SortedFunc(maps.Keys(all), byOctets) {
			u := all[host]
			fmt.Fprintf(w, "%-17s %6d %8d %10d %9d\n", host, u.flows, u.packets, u.octets, u.repeated)
		}
	}, err
}

func main() {
	file := flag.String("r", "examples/day.pcap.gz", "the capture to read")
	flag.Parse()
	if err := run(rx.File(*file), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "perhost:", err)
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
