package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// checkDemo checks what the live demo says at its end: that mbox counted what the
// servers did, unless it says what it missed.
func checkDemo(t *testing.T, text string) {
	t.Helper()
	_, verdict, ok := strings.Cut(text, "that they accepted ")
	if !ok {
		t.Fatalf("no verdict in\n%s", text)
	}
	var accepted, closed, opened, over uint64
	if _, err := fmt.Sscanf(verdict, "%d connections and closed %d. mbox, in the middle, counted\n%d and %d",
		&accepted, &closed, &opened, &over); err != nil {
		t.Fatalf("%v in\n%s", err, verdict)
	}
	if strings.Contains(verdict, "having missed") {
		t.Log(verdict)
	} else if accepted == 0 || accepted != closed || opened != accepted || over != closed {
		t.Errorf("accepted %d, closed %d; counted %d and %d", accepted, closed, opened, over)
	}
}

// descriptors counts the open descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestDemoLive: the demo shows all hosts of its small web and leaves nothing.
func TestDemoLive(t *testing.T) {
	if err := demoLiveMissing(); err != nil {
		t.Skip(err)
	}
	must(t, "demo", "--duration", "10ms") // what is made once for good
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := descriptors(t)
	text := must(t, "demo", "--duration", "3s")
	checkDemo(t, text)
	for _, s := range demoServers {
		if !strings.Contains(text, s.host) && s.host != "bank.example" && !strings.Contains(text, "having missed") {
			t.Errorf("%s is not in\n%s", s.host, text)
		}
	}
	for range 1000 { // a ring is closed beside the run that it ends
		if descriptors(t) <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d descriptors before, %d after", before, descriptors(t))
}

// TestDemoInterrupted: an interrupt ends the live demo as its time would.
func TestDemoInterrupted(t *testing.T) {
	if err := demoLiveMissing(); err != nil {
		t.Skip(err)
	}
	cmd := asProcess("demo", "--duration", "1h")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, %s", err, &stderr)
	}
	if !strings.Contains(string(rest), "in the middle, counted") {
		t.Errorf("no verdict in\n%s", rest)
	}
}

// TestDemoWithoutRoot: what is missing is said, and the generated day shown.
func TestDemoWithoutRoot(t *testing.T) {
	if demoLiveMissing() == nil {
		t.Skip("namespaces can be made here")
	}
	r := runArgs("demo")
	if r.status != statusOK || !strings.Contains(r.stderr, "mbox: demo: not live: ") || r.stdout != must(t, "demo", "--generated") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}
