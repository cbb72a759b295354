package fuzz_test

import (
	"fmt"

	"github.com/mbox-stack/mbox/fuzz"
)

// Four frames of the conversations, and one of the program's own.
func Example() {
	base, err := fuzz.Conversations()
	if err != nil {
		fmt.Println(err)
		return
	}
	m := fuzz.Mutator{Frames: base}
	frames := m.Run([]byte{0, 3, 7, 2, 0xca, 0xfe})
	fmt.Println(len(frames), "frames, the last:", frames[len(frames)-1].Data)
	// Output:
	// 5 frames, the last: [202 254]
}
