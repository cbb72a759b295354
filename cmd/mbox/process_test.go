//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
)

// program returns the program as a process of its own.
func asProcess(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// TestHead: a reader that goes ends the program quietly, with status 0.
func TestHead(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Pages(1, 300))
	if err != nil {
		t.Fatal(err)
	}
	cmd := asProcess("events", "--on", "all", "-r", writeCapture(t, pages))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "conn-start") && !strings.Contains(line, "packet") {
		t.Errorf("the first line is %q (%v)", line, err)
	}
	out.Close()
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, %s", err, &stderr)
	}
}

// TestFullDisk: output that cannot be written is an error like a bad input.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here: ", err)
	}
	defer full.Close()
	demo := writeCapture(t, traffic.NewDemo())
	for _, args := range []string{"flows", "flows --format jsonl", "events", "dump", "web", "web --format jsonl", "top", "top --every 1m"} {
		var stderr bytes.Buffer
		if status := run(append(strings.Fields(args), "-r", demo), full, &stderr); status != statusInput ||
			stderr.String() != "mbox: write /dev/full: no space left on device\n" {
			t.Errorf("%s: status %d, %s", args, status, &stderr)
		}
	}
}

// TestInterrupt: an interrupt drains, reports and exits with status 0, while
// standard input stays open; a second one would end the program at once.
func TestInterrupt(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := asProcess("events", "--stats", "-r", "-")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := traffic.WriteCapture(in, traffic.NewDemo(), 0); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.Contains(lines.Text(), "> 198.51.100.7:443 conn-start") {
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		last := ""
		for lines.Scan() {
			last = lines.Text()
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(last, " conn-end reason=") || !strings.HasSuffix(stderr.String(), "both ledgers balance\n") {
			t.Errorf("%v: %v, the last line is %q, and\n%s", sig, err, last, &stderr)
		}
		in.Close()
	}
}

// TestStandardInput: -r - reads it, alone and between files.
func TestStandardInput(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	want, err := asProcess("flows", "-r", demo, "-r", demo).Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(demo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := asProcess("flows", "-r", demo, "-r", "-")
	cmd.Stdin = f
	got, err := cmd.Output()
	if line, g, w := firstDifference(string(got), string(want)); err != nil || line > 0 {
		t.Errorf("%v; line %d is\n%s\nwant\n%s", err, line, g, w)
	}
	cmd = asProcess("flows", "-r", "-")
	cmd.Stdin = strings.NewReader("")
	if text, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != statusInput || string(text) != "mbox: standard input: the file is empty\n" {
		t.Errorf("%v: %q", err, text)
	}
}

// TestFewDescriptors: with fewer descriptors than streams, files are closed and
// opened again, and hold what they should.
func TestFewDescriptors(t *testing.T) {
	capture, flows := manyStreams(t)
	dir := filepath.Join(t.TempDir(), "out")
	self := asProcess()
	cmd := exec.Command("sh", "-c", `ulimit -n 24; exec "$0" "$@"`, self.Path, "streams", "-r", capture, "-d", dir, "--shards", "2")
	cmd.Env = self.Env
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	checkStreams(t, dir, flows)
}

// TestStreamsCannotBeWritten: the run ends with one line, and with no file that
// is half written.
func TestStreamsCannotBeWritten(t *testing.T) {
	var capture bytes.Buffer
	if _, err := traffic.WriteCapture(&capture, traffic.NewDemo(), 0); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	cmd := asProcess("streams", "-r", "-", "-d", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	half := capture.Len() / 2
	if _, err := in.Write(capture.Bytes()[:half]); err != nil {
		t.Fatal(err)
	}
	for { // until the program has begun to write
		if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
			break
		}
	}
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	io.Copy(in, bytes.NewReader(capture.Bytes()[half:])) // whether it is still read does not matter
	in.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != statusInput || strings.Count(stderr.String(), "\n") != 1 ||
		!strings.HasPrefix(stderr.String(), "mbox: ") || !strings.Contains(stderr.String(), "no such file or directory") {
		t.Errorf("%v, %s", err, &stderr)
	}
}

// TestHangUp: SIGHUP has the output file opened anew, and the run goes on.
func TestHangUp(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	cmd := asProcess("events", "--format", "jsonl", "-r", "-", "-o", name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var capture bytes.Buffer
	if _, err := traffic.WriteCapture(&capture, traffic.NewDemo(), 0); err != nil {
		t.Fatal(err)
	}
	half := capture.Len() / 2
	if _, err := in.Write(capture.Bytes()[:half]); err != nil {
		t.Fatal(err)
	}
	there := func(name string, least int64) {
		for { // the test's own time limit ends it
			if info, err := os.Stat(name); err == nil && info.Size() >= least {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	there(name, 1)
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	there(name, 0)
	if _, err := in.Write(capture.Bytes()[half:]); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v, %s", err, &stderr)
	}
	old, _ := os.ReadFile(name + ".old")
	late, _ := os.ReadFile(name)
	capturePath := writeCapture(t, traffic.NewDemo())
	if want := must(t, "events", "--format", "jsonl", "-r", capturePath); string(old)+string(late) != want || len(old) == 0 || len(late) == 0 {
		t.Errorf("%d and %d octets are not the %d of one file", len(old), len(late), len(want))
	}
}

// TestHangUpEnds: without a file to open anew SIGHUP ends the run as SIGTERM does:
// what has come by then is reported, and what is written is whole.
func TestHangUpEnds(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // or the program ignores it where these tests run under nohup
	defer signal.Stop(heard)
	dir := t.TempDir()
	cmd := asProcess("flows", "--format", "jsonl", "-r", "-", "-w", filepath.Join(dir, "w.pcapng"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var capture bytes.Buffer
	if _, err := traffic.WriteCapture(&capture, traffic.NewDemo(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(capture.Bytes()); err != nil {
		t.Fatal(err)
	}
	for { // until the program has begun; the test's own time limit ends it
		if _, err := os.Stat(filepath.Join(dir, "w.pcapng.part")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	go func() { // the system sends one, and the shell another
		for cmd.Process.Signal(syscall.SIGHUP) == nil {
			time.Sleep(100 * time.Microsecond)
		}
	}()
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, %s", err, &stderr)
	}
	if _, err := rx.Load(rx.File(filepath.Join(dir, "w.pcapng"))); err != nil {
		t.Error(err)
	}
}

// TestWaitsForRoom: with a full disk the program waits, until it is told to end;
// then it says what is lost.
func TestWaitsForRoom(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here: ", err)
	}
	cmd := asProcess("flows", "--format", "jsonl", "-r", writeCapture(t, traffic.NewDemo()), "-o", "/dev/full")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.Contains(lines.Text(), "no space left on device; waiting until there is") {
		t.Errorf("first line %q", lines.Text())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if cmd.Wait(); cmd.ProcessState.ExitCode() != statusInput || !strings.Contains(last, "no room for the last") {
		t.Errorf("%v, last line %q", cmd.ProcessState, last)
	}
}
