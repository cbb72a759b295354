package actors_test

import (
	"context"
	"fmt"

	"github.com/mbox-stack/mbox/actors"
)

// A counter is an actor: it owns its sum, learns of numbers by messages, and
// answers questions between two of them.
func Example() {
	numbers := actors.NewMailbox[int](4)
	questions := actors.NewMailbox[chan int](1)
	g := actors.NewGroup(context.Background())
	g.Go("counter", func(ctx context.Context) error {
		sum := 0
		actors.Serve(ctx.Done(), numbers, questions,
			func(n int) bool { sum += n; return n != 0 },
			func(answer chan int) bool { answer <- sum; return true })
		fmt.Println("in all", sum)
		return nil
	})
	for _, n := range []int{1, 2, 3, 0} {
		numbers.Put(n, g.Done())
	}
	fmt.Println("error:", g.Wait())
	// Output:
	// in all 6
	// error: <nil>
}
