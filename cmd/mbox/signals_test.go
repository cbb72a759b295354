//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
)

// waiting is the program as a process that has read the demo from standard input
// and waits for more.
type waiting struct {
	*exec.Cmd
	in     io.WriteCloser
	stderr *bufio.Scanner
}

// startWaiting starts the program with the demo on its standard input.
func startWaiting(t *testing.T, args ...string) *waiting {
	t.Helper()
	w := &waiting{Cmd: asProcess(args...)}
	stderr, err := w.StderrPipe()
	if err == nil {
		w.in, err = w.StdinPipe()
	}
	if err == nil {
		err = w.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.stderr = bufio.NewScanner(stderr)
	t.Cleanup(func() {
		w.Process.Kill() // it may have ended
		w.Wait()
	})
	if _, err := traffic.WriteCapture(w.in, traffic.NewDemo(), 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// until returns the lines of standard error up to one that begins so.
func (w *waiting) until(t *testing.T, begins string) (lines []string) {
	t.Helper()
	for w.stderr.Scan() {
		lines = append(lines, w.stderr.Text())
		if strings.HasPrefix(w.stderr.Text(), begins) {
			return lines
		}
	}
	t.Fatalf("no line begins with %q in\n%s", begins, strings.Join(lines, "\n"))
	return nil
}

// TestSummary: SIGUSR1 has a summary printed of what has been done so far, each
// time, and the run goes on.
func TestSummary(t *testing.T) {
	w := startWaiting(t, "flows", "--format", "jsonl", "-r", "-", "--metrics", "0")
	w.until(t, "mbox: metrics at ") // the signal has its meaning soon after that
	for tracked := 0; tracked < 345; {
		if err := w.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		lines := w.until(t, "both ledgers balance")
		for _, l := range lines {
			fmt.Sscanf(l, "  tracked %d", &tracked)
		}
	}
	w.in.Close()
	if err := w.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSecondSignal: where the first signal cannot have the run end, as nobody
// reads its output, the second one ends the program at once; also where a shell
// that has begun it in the background had it ignore interrupts.
func TestSecondSignal(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGINT) // or programs ignore it where these tests run in the background
	defer signal.Stop(heard)
	for _, test := range []struct {
		sig        syscall.Signal
		background bool
	}{{syscall.SIGINT, false}, {syscall.SIGTERM, false}, {syscall.SIGINT, true}} {
		sig, cmd := test.sig, asProcess("events", "--on", "all", "-r", "-")
		if test.background {
			cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap "" INT; exec "$0" "$@"`}, cmd.Args...)
		}
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd.Stdout = in
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in.Close()
		pages, err := traffic.NewConnections(traffic.Pages(1, 300)) // more lines than a pipe holds
		if err != nil {
			t.Fatal(err)
		}
		go traffic.WriteCapture(stdin, pages, 0)                     // until the program does not read on
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it writes
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for over := false; !over; {
			cmd.Process.Signal(sig) // it may have ended
			select {
			case <-ended:
				over = true
			case <-time.After(50 * time.Millisecond):
			}
		}
		st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if byIt := ok && st.Signaled() && st.Signal() == sig; byIt == test.background || test.background && st.ExitStatus() != statusInterrupted {
			t.Errorf("%+v twice: %v", test, cmd.ProcessState)
		}
	}
}

// get asks for a page of the monitoring server.
func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// TestMetrics: --metrics serves the counters of a run, and profiles only where
// that was asked for.
func TestMetrics(t *testing.T) {
	for _, profiles := range []bool{false, true} {
		w := startWaiting(t, "flows", "-r", "-", "--metrics", ":0", "--metrics-pprof="+fmt.Sprint(profiles))
		line := w.until(t, "mbox: metrics at ")[0]
		base, ok := strings.CutSuffix(strings.TrimPrefix(line, "mbox: metrics at "), "/metrics")
		if !ok || !strings.HasPrefix(base, "http://127.0.0.1:") {
			t.Fatalf("%q: want loopback", line)
		}
		for {
			status, text := get(t, base+"/metrics")
			if status != http.StatusOK || !strings.Contains(text, "mbox_ledgers_balanced 1\n") || !strings.Contains(text, "go_gc_duration_seconds_count ") {
				t.Fatalf("%d: %s", status, text)
			}
			if strings.Contains(text, `mbox_packets_total{fate="tracked",shard="0"} 345`) {
				break
			}
		}
		want := map[string]int{"/healthz": http.StatusOK, "/": http.StatusOK, "/no-such-page": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound}
		if profiles {
			want["/debug/pprof/"], want["/debug/pprof/goroutine?debug=1"] = http.StatusOK, http.StatusOK
		}
		for page, code := range want {
			if status, text := get(t, base+page); status != code {
				t.Errorf("%s with profiles %v: %d, want %d: %s", page, profiles, status, code, text)
			}
		}
		if _, text := get(t, base+"/debug/pprof/goroutine?debug=1"); profiles && (!strings.Contains(text, `"actor":"shard 0"`) || !strings.Contains(text, `"actor":"receiver 0", "source":"standard input"`)) {
			t.Errorf("goroutines carry no labels of their actor and source:\n%s", text)
		}
		w.in.Close()
		if err := w.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// TestMetricsTaken: a port that is taken is an error, and leaves nothing behind.
func TestMetricsTaken(t *testing.T) {
	w := startWaiting(t, "flows", "-r", "-", "--metrics", "0")
	line := w.until(t, "mbox: metrics at ")[0]
	port := strings.TrimSuffix(line[strings.LastIndexByte(line, ':')+1:], "/metrics")
	name := t.TempDir() + "/w.pcapng"
	r := runArgs("flows", "-r", writeCapture(t, traffic.NewDemo()), "-w", name, "--metrics", port)
	if r.status != statusInput || r.stdout != "" || !strings.HasPrefix(r.stderr, "mbox: --metrics: listen tcp 127.0.0.1:"+port) || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(name); err == nil {
		t.Errorf("%s is there", name)
	}
}

// TestHealth: a shard that hangs makes /healthz say so.
func TestHealth(t *testing.T) {
	stack, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	hangs, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	err = stack.Monitor(mbox.Stream).Handle(mbox.OnPacket, mbox.PreTCP, func(*mbox.Context) {
		once.Do(func() { close(hangs) })
		<-free
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &monitor{stack: stack}
	health := func() int {
		r := httptest.NewRecorder()
		m.health(r, nil)
		return r.Code
	}
	done := make(chan error)
	go func() { done <- stack.Run(t.Context(), generated(traffic.NewDemo())) }()
	<-hangs
	if code := health(); code != http.StatusServiceUnavailable {
		t.Errorf("%d while a shard hangs", code)
	}
	close(free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if code := health(); code != http.StatusOK {
		t.Errorf("%d though nothing hangs", code)
	}
}
