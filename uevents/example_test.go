package uevents_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/uevents"
)

// A user-defined event is a base event and a filter; another may stand on it.
func ExampleDefine() {
	large := uevents.Define("large", uevents.OnNewData, func(c *uevents.Context) bool {
		return len(c.Payload()) > 1000
	})
	answer := uevents.Define("large-answer", large, func(c *uevents.Context) bool {
		return c.Side().String() == "server"
	})
	fmt.Println(answer, "is an event of kind", uevents.OnNewData, answer.Kind() == uevents.OnNewData.Kind())
	// Output: large-answer is an event of kind new-data true
}
