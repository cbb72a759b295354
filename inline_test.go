package mbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// handlersSource is what a program may look like that knows this package alone.
const handlersSource = `package main

import "github.com/mbox-stack/mbox"

var even = mbox.Define("even", mbox.OnPacket, func(c *mbox.Context) bool { return c.TCP().AckNum()%2 == 0 })

func count(n *[2]int) mbox.Handler {
	return func(c *mbox.Context) { n[c.Side()] += len(c.Payload()) }
}

func main() { _, _ = even, count(nil) }
`

// What handlers ask on every packet costs no call in a program that imports this
// package alone. The compiler says so itself.
func TestHandlersAreInlined(t *testing.T) {
	if testing.Short() {
		t.Skip("short runs do not ask the compiler")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(handlersSource), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", "-o", os.DevNull, file).CombinedOutput()
	if err != nil {
		t.Skipf("no compiler here: %v: %s", err, out)
	}
	for _, method := range []string{
		"uevents.(*Context).TCP", "wire.TCP.AckNum", "uevents.(*Context).Side", "uevents.(*Context).Payload", "wire.(*Packet).Payload",
	} {
		if !strings.Contains(string(out), "inlining call to "+method) {
			t.Errorf("%s is not inlined", method)
		}
	}
}
