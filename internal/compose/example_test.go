package compose_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/mbox-stack/mbox/internal/compose"
)

// Two examples in one stack, over the demonstration capture.
func Example() {
	dir, err := os.MkdirTemp("", "compose-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	root, err := filepath.Abs("../..")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := compose.Build(root, dir, []string{"synrexmit", "perhost"})
	if err == nil {
		err = exec.Command(program, "../../examples/day.pcap.gz", "1", dir, "synrexmit", "perhost").Run()
	}
	for _, name := range []string{"synrexmit", "perhost"} {
		printed, _ := os.ReadFile(dir + "/" + name)
		fmt.Println(name, len(printed) > 0)
	}
	fmt.Println(err)
	// Output:
	// synrexmit true
	// perhost true
	// <nil>
}
