package mbox_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
)

// synRexmit is a SYN that is sent again, as an event of its own: Listing 1 of "A
// Case for a Stateful Middlebox Networking Stack" (SIGCOMM 2015).
var synRexmit = mbox.Define("syn-rexmit", mbox.OnRexmit, func(c *mbox.Context) bool {
	tcp := c.TCP()
	return tcp.SYN() && !tcp.ACK()
})

// A whole program. Its packets come from a transcript here; rx.File reads
// captures.
func Example() {
	stack, err := mbox.New(mbox.Config{}) // the zero value has documented defaults
	check(err)
	var n atomic.Uint64
	sock := stack.Monitor(mbox.Stream)
	check(sock.Bind("tcp port 80"))
	check(sock.Handle(synRexmit, mbox.PreTCP, func(c *mbox.Context) { n.Add(1) }))
	script, err := mboxtest.Parse("a SYN is lost twice", `
> S  100   0 0
> S  100   0 0 t=1s
> S  100   0 0 t=2s
< SA 300 101 0
> A  101 301 0
`)
	check(err)
	check(stack.Run(context.Background(), script.Source()))
	fmt.Println(n.Load(), "SYNs were sent again")
	// Output:
	// 2 SYNs were sent again
}

// The octets of a connection, in the order of its streams.
func ExampleSocket_Handle() {
	stack, err := mbox.New(mbox.Config{})
	check(err)
	out := stack.Output(os.Stdout)
	sock := stack.Monitor(mbox.Stream)
	check(sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
		out.Printf(c, "%s %d %q\n", c.Side(), c.Offset(), c.Payload())
	}))
	check(sock.Handle(mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		out.Printf(c, "%s: %s\n", c.Flow(), c.Reason())
	}))
	script, err := mboxtest.Parse("out of order", `
> S  100   0 0
< SA 300 101 0
> A  101 301 0
> A  106 301 - data=", world"
> A  101 301 - data="hello"
< A  301 113 - data="hi"
> FA 113 303 0
< FA 303 114 0
> A  114 304 0
`)
	check(err)
	check(stack.Run(context.Background(), script.Source()))
	// Output:
	// client 0 "hello"
	// client 5 ", world"
	// server 0 "hi"
	// tcp 10.0.0.1:40001 > 10.0.0.2:80: fin
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
