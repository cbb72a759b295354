package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// capturing is the program as a process that captures in a namespace.
type capturing struct {
	*exec.Cmd
	stdout strings.Builder
	stderr *bufio.Scanner
	said   []string // on standard error so far
}

// startCapturing starts the program in a namespace, and waits until it captures.
func startCapturing(t *testing.T, in *netns.Namespace, args ...string) *capturing {
	t.Helper()
	c := &capturing{Cmd: asProcess(args...)}
	c.Stdout = &c.stdout
	stderr, err := c.StderrPipe()
	if err == nil {
		err = in.Start(c.Cmd)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.stderr = bufio.NewScanner(stderr)
	t.Cleanup(func() {
		c.Process.Kill() // it may have ended
		c.Wait()
	})
	c.until(t, "mbox: privileges left: ")
	return c
}

// until reads standard error up to a line that has the text, and returns it.
func (c *capturing) until(t *testing.T, text string) string {
	t.Helper()
	for c.stderr.Scan() {
		c.said = append(c.said, c.stderr.Text())
		if strings.Contains(c.stderr.Text(), text) {
			return c.stderr.Text()
		}
	}
	t.Fatalf("no line has %q in\n%s", text, strings.Join(c.said, "\n"))
	return ""
}

// stop interrupts the program and returns all it has said on standard error.
func (c *capturing) stop(t *testing.T) string {
	t.Helper()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	return c.wait(t)
}

// wait waits for the program to end by itself.
func (c *capturing) wait(t *testing.T) string {
	t.Helper()
	for c.stderr.Scan() {
		c.said = append(c.said, c.stderr.Text())
	}
	said := strings.Join(c.said, "\n")
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	return said
}

// talk has the server say so many octets to a client, and the client close first.
func talk(t *testing.T, client, server *netns.Namespace, octets int) {
	t.Helper()
	l, err := server.Listen("tcp", "10.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = c.Write(make([]byte, octets))
			_, rest := io.Copy(io.Discard, c)
			err = errors.Join(err, rest, c.Close())
		}
		said <- err
	}()
	c, err := client.DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(c, make([]byte, octets))
	if err := errors.Join(err, c.Close(), <-said); err != nil {
		t.Fatal(err)
	}
}

// TestRecordsComeSoon: on an interface the record of a connection that was closed
// comes while one waits for it.
func TestRecordsComeSoon(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	out := filepath.Join(t.TempDir(), "flows.jsonl")
	c := startCapturing(t, client, "flows", "-i", "c0", "--format", "jsonl", "-o", out, "tcp")
	talk(t, client, server, 1000)
	var text []byte
	for i := 0; len(text) == 0; i++ {
		if i == 30*20 { // half the minute that a capture gives it
			t.Fatal("no record has come")
		}
		time.Sleep(time.Second / 20)
		var err error
		if text, err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if all := records(t, string(text)); len(all) != 1 || all[0]["end"] != "fin" {
		t.Errorf("%s", text)
	}
	c.stop(t)
}

// records returns the flow records that the program has printed, those of TCP.
func records(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if r["proto"] == "tcp" {
			all = append(all, r)
		}
	}
	return all
}

// TestLive: what passes an interface is followed by several rings at once and
// written to a file, from which the same is read; all that with the privileges
// that are left.
func TestLive(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	for _, as := range []string{"", "nobody"} {
		dir := t.TempDir()
		open(t, dir)
		name, out := filepath.Join(dir, "w.pcapng"), filepath.Join(dir, "out.jsonl")
		c := startCapturing(t, client, "flows", "-i", "c0", "--rings", "2", "--user", as, "-w", name, "-o", out, "--format", "jsonl", "--sha256", "--metrics", "0")
		confined(t, c.Process.Pid, as)
		const octets = 100_000
		for range 8 {
			talk(t, client, server, octets)
		}
		if err := c.Process.Signal(syscall.SIGHUP); err != nil { // the file is opened anew, by who is left
			t.Fatal(err)
		}
		talk(t, client, server, octets)
		metrics := c.scrape(t, client)
		said := c.stop(t)
		if !strings.Contains(said, "mbox: capturing on c0 ring 1 by CPU ") || !strings.Contains(said, " frames received, ") ||
			!strings.Contains(metrics, `mbox_ring_frames_total{source="c0 ring 1"}`) || !strings.Contains(metrics, `mbox_ring_moved_blocks_total{source="c0 ring 1"}`) || !strings.Contains(metrics, `mbox_dropped_total{place="ring"} `) {
			t.Errorf("as %q: %s\n%s", as, said, metrics)
		}
		if !strings.Contains(said, " frames received, 0 dropped by full rings, 0 by shards that were behind") {
			t.Logf("a busy machine: frames were dropped, and told; nothing can be said of streams: %s", said)
			continue
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		flows := records(t, string(text))
		again := records(t, must(t, "flows", "-r", name, "--format", "jsonl", "--sha256"))
		if len(flows) != 9 || len(again) != 9 {
			t.Errorf("as %q: %d connections live, %d in what was written, of 9", as, len(flows), len(again))
		}
		for _, r := range append(flows, again...) {
			if got := r["s2c"].(map[string]any)["stream_bytes"]; got != float64(octets) {
				t.Errorf("as %q: the server said %v octets, want %d: %v", as, got, octets, r)
			}
		}
	}
}

// open lets everybody write into a folder and pass those above it.
func open(t *testing.T, dir string) {
	t.Helper()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
}

// scrape returns the metrics that the program serves in its namespace.
func (c *capturing) scrape(t *testing.T, in *netns.Namespace) string {
	t.Helper()
	_, url, _ := strings.Cut(c.said[0], " at ")
	client := http.Client{Transport: &http.Transport{DialContext: in.DialContext, DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// confined checks what every thread of a process may still do.
func confined(t *testing.T, pid int, as string) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 3 {
		t.Fatalf("%d threads (%v)", len(threads), err)
	}
	uid := "0"
	if as == "nobody" {
		uid = "65534"
	}
	const netRaw = "0000000000002000"
	want := map[string]string{"Uid": strings.Repeat(uid+"\t", 3) + uid, "CapPrm": netRaw, "CapEff": netRaw,
		"CapInh": strings.Repeat("0", 16), "CapBnd": strings.Repeat("0", 16), "CapAmb": strings.Repeat("0", 16), "NoNewPrivs": "1"}
	for _, name := range threads {
		status, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for field, value := range want {
			if !strings.Contains(string(status), "\n"+field+":\t"+value+"\n") {
				t.Errorf("%s of a process as %q: want %s %q in\n%s", name, as, field, value, status)
			}
		}
	}
}

// TestLiveCount: -c stops after exactly so many frames, whichever rings they
// came by, and --duration after a time.
func TestLiveCount(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	name := filepath.Join(t.TempDir(), "w.pcapng")
	c := startCapturing(t, client, "events", "-i", "c0", "--rings", "4", "-c", "50", "-w", name, "tcp")
	for range 16 {
		talk(t, client, server, 1000)
	}
	c.wait(t)
	m, err := rx.Load(rx.File(name))
	if err != nil || m.Len() != 50 {
		t.Errorf("%d frames were written (%v), want 50", m.Len(), err)
	}
	c = startCapturing(t, client, "flows", "-i", "any", "--duration", "100ms")
	c.wait(t)
}

// TestLiveResumes: with the privileges that are left, an interface that was
// removed and is there again is captured on as before.
func TestLiveResumes(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	c := startCapturing(t, client, "flows", "-i", "c0", "--user", "nobody", "--format", "jsonl")
	if err := client.Remove("c0"); err != nil {
		t.Fatal(err)
	}
	c.until(t, `msg="the interface `) // is down, or was removed: whichever is seen first
	err := netns.Connect(netns.Cable{A: netns.End{In: client, Name: "c0", Addrs: []string{"10.0.0.1/24"}},
		B: netns.End{In: server, Name: "s0", Addrs: []string{"10.0.0.2/24"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.until(t, "the interface is back")
	talk(t, client, server, 1000)
	said := c.stop(t)
	if flows := records(t, c.stdout.String()); len(flows) != 1 {
		t.Errorf("%d connections, want 1: %s\n%s", len(flows), &c.stdout, said)
	}
}

// TestLiveErrors: what is wrong about an interface is said in one line, with
// status 1.
func TestLiveErrors(t *testing.T) {
	client, _ := netns.PairForTest(t, netns.Cable{})
	startCapturing(t, client, "flows", "-i", "c0", "--fanout-group", "77")
	if err := client.Up("lo"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open(t, dir)
	self := filepath.Join(dir, "mbox") // where anybody may run it
	program, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(self, program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string
		as         uint32
	}{
		{"flows -i nope", `^mbox: nope: no such interface: there are .*c0.* and any`, 0},
		{"flows -i c0 --fanout-group 77", `^mbox: c0: the fanout group is taken: group 77`, 0},
		{"flows -i c0", `^mbox: c0: not permitted to capture: CAP_NET_RAW is missing: .*setcap cap_net_raw\+ep ` + self, 65534},
		{"flows -i c0 --user nobodyatall", `^mbox: --user nobodyatall: no such user`, 0},
		{"flows -i c0 --user nobody -o /proc/x", `^mbox: (open )?/proc/x`, 0},
		{"flows -i c0 --user nobody -w " + t.TempDir() + "/sub/w.pcapng", `^mbox: open .*/sub/w.pcapng.part`, 0},
	} {
		cmd := exec.Command(self, strings.Fields(c.args)...)
		cmd.Env = asProcess().Env
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.as, Gid: c.as}}
		if err := client.Start(cmd); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // its status is looked at
		if !regexp.MustCompile(c.want).MatchString(out.String()) || strings.Count(out.String(), "\n") != 1 || cmd.ProcessState.ExitCode() != statusInput {
			t.Errorf("mbox %s as %d: %v, and\n%swant one line like\n%s", c.args, c.as, cmd.ProcessState, &out, c.want)
		}
	}
	if err := client.Down("c0"); err != nil {
		t.Fatal(err)
	}
	cmd := asProcess("flows", "-i", "c0")
	var out strings.Builder
	cmd.Stderr = &out
	if err := client.Start(cmd); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // its status is looked at
	if out.String() != "mbox: c0: the interface is down: bring it up with: ip link set c0 up\n" || cmd.ProcessState.ExitCode() != statusInput {
		t.Errorf("%v, and %s", cmd.ProcessState, &out)
	}
}

// TestInterfaces: what there is in a namespace is listed with its queues, and
// with what is missing to whoever asks.
func TestInterfaces(t *testing.T) {
	client, _ := netns.PairForTest(t, netns.Cable{Queues: 3})
	if err := client.Down("lo"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open(t, dir)
	self := filepath.Join(dir, "mbox") // where anybody may run it
	if err := os.Link(os.Args[0], self); err != nil {
		program, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(self, program, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func(as uint32, format string) string {
		cmd := exec.Command(self, "interfaces", "--format", format)
		cmd.Env = asProcess().Env
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as, Gid: as}}
		if err := client.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, &out)
		}
		return out.String()
	}
	for _, as := range []uint32{0, 65534} {
		found := map[string]device{}
		for line := range strings.Lines(list(as, "jsonl")) {
			var d device
			if err := json.Unmarshal([]byte(line), &d); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			found[d.Name] = d
		}
		c0, lo := found["c0"], found["lo"]
		if len(found) != 2 || !c0.Up || c0.State != "up" || c0.Driver != "veth" || len(c0.Queues) != 3 || c0.Senders != 3 || c0.MTU != 1500 ||
			!strings.Contains(strings.Join(c0.Addresses, " "), "10.0.0.1/24 fd00::1/64") || c0.Symmetric != nil ||
			lo.Up || lo.Missing[len(lo.Missing)-1] != "ip link set lo up" {
			t.Errorf("as %d: %+v", as, found)
		}
		missing := strings.Join(c0.Missing, ", ")
		remedy := "\nCapturing needs CAP_NET_RAW: run as root, or once: setcap cap_net_raw+ep " + self + "\n"
		text := list(as, "table")
		if as == 0 && (missing != "" || strings.Contains(text, "CAP_NET_RAW")) || as != 0 && (missing != "CAP_NET_RAW" || !strings.HasSuffix(text, remedy)) {
			t.Errorf("as %d, missing: %s\n%s", as, missing, text)
		}
	}
}

// TestPassedOn: --stats says what no ledger has, summed up over the shards.
func TestPassedOn(t *testing.T) {
	var b strings.Builder
	ledger(&b, passedOn(&rx.Counters{Totals: rx.Totals{Forwarded: 7}, Shards: []rx.ShardTotals{{HeldBack: 2}, {HeldBack: 3}}}))
	want := fmt.Sprintf("  %-24s %14d\n  %-24s %14d\n", "fragments to other rings", 7, "batches held back", 5)
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestNoSuchCPU: a CPU that the machine has not is not announced.
func TestNoSuchCPU(t *testing.T) {
	usage(t, []struct{ args, want string }{{"flows -i lo --cpus 0,1023", "mbox: --cpus 0,1023: there is no CPU 1023"}})
}
