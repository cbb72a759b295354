package mboxtest_test

import (
	"context"
	"fmt"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/mboxtest"
)

// A handler sees what a transcript says: here a segment that comes late, and one
// that comes twice.
func Example() {
	script, err := mboxtest.Parse("late", `
> S  100   0  0
< SA 300 101  0
> A  101 301  0
> PA 107 301  - data="world"
> PA 101 301  - data="hello "
> PA 107 301  - data="world"
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	stack, err := mbox.New(mbox.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	sock := stack.Monitor(mbox.Stream)
	for _, ev := range []mbox.Event{mbox.OnNewData, mbox.OnRexmit} {
		if err := sock.Handle(ev, mbox.PostTCP, func(c *mbox.Context) {
			fmt.Printf("%s from the %s at %d: %q\n", c.Event(), c.Side(), c.Offset(), c.Payload())
		}); err != nil {
			fmt.Println(err)
		}
	}
	if err := stack.Run(context.Background(), script.Source()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// new-data from the client at 0: "hello "
	// new-data from the client at 6: "world"
	// rexmit from the client at 6: "world"
}

// A Talk knows the sequence numbers; what it writes can be kept as a transcript.
func ExampleTalk() {
	var talk mboxtest.Talk
	talk.Open().Send(mbox.Client, "who?").Send(mbox.Server, "me").Close(mbox.Server)
	fmt.Print(talk.String())
	// Output:
	// > S 100 0 0
	// < SA 300 101 0
	// > A 101 301 0
	// > PA 101 301 - data="who?"
	// < PA 301 105 - data="me"
	// < FA 303 105 0
	// > FA 105 304 0
	// < A 304 106 0
}
