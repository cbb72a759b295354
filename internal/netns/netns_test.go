//go:build linux

package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// must fails the test at an error of the set-up.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exchange sends text from a client to a server at address, which sends it back.
func exchange(t *testing.T, client, server *Namespace, address string, text []byte) {
	t.Helper()
	l, err := server.Listen("tcp", address)
	must(t, err)
	served := make(chan error)
	defer func() {
		l.Close()
		<-served
	}()
	go func() {
		defer close(served)
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := client.DialContext(context.Background(), "tcp", l.Addr().String())
	must(t, err)
	defer c.Close()
	sent := make(chan error)
	go func() {
		_, err := c.Write(text)
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(c)
	must(t, errors.Join(err, <-sent))
	if !bytes.Equal(got, text) {
		t.Errorf("%s: %d octets came back of %d, or others", address, len(got), len(text))
	}
}

// random returns n octets.
func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestCable(t *testing.T) {
	client, server := PairForTest(t, Cable{})
	exchange(t, client, server, "10.0.0.2:0", random(1<<20))
	exchange(t, client, server, "[fd00::2]:0", random(1<<20))
	must(t, client.Down("c0")) // so that the kernel has nothing to add between the counts
	sent, err := client.Counters("c0")
	must(t, err)
	heard, err := server.Counters("s0")
	must(t, err)
	if sent.Sent == 0 || sent.Sent != heard.Received || heard.Sent != sent.Received {
		t.Errorf("one end: %+v, the other: %+v", sent, heard)
	}
	mac, err := client.MAC("c0")
	if err != nil || len(mac) != 6 {
		t.Errorf("link address %v, %v", mac, err)
	}
}

func TestQueues(t *testing.T) {
	client, _ := PairForTest(t, Cable{Queues: 4, MTU: 9000})
	l, err := client.device("c0")
	must(t, err)
	if a := l.Attrs(); a.NumTxQueues != 4 || a.NumRxQueues != 4 || a.MTU != 9000 {
		t.Errorf("%d queues to send, %d to receive, MTU %d", a.NumTxQueues, a.NumRxQueues, a.MTU)
	}
}

// TestAppearance: what is done to a device can be seen, and a cable goes whole.
func TestAppearance(t *testing.T) {
	client, server := PairForTest(t, Cable{})
	must(t, client.Down("c0"))
	must(t, client.Rename("c0", "c1"))
	must(t, client.Up("c1"))
	if err := client.Up("c0"); err == nil {
		t.Error("the old name is still there")
	}
	must(t, client.Remove("c1"))
	if err := server.Up("s0"); err == nil {
		t.Error("the other end is still there")
	}
}

// chain is a client and a server with two hops between them: c0 a0 hop w0 w1 hop
// b0 s0. What is between w0 and w1 can be watched.
func chain(t *testing.T, noOffloads bool, near, far func(int, *Frame, func(*Frame))) (client, server *Namespace, stop func()) {
	t.Helper()
	var hops []*Hop
	stop = sync.OnceFunc(func() {
		for _, h := range hops {
			must(t, h.Close())
		}
	})
	ns := ForTest(t, "client", "middle", "server")
	for _, c := range []Cable{
		{A: End{In: ns[0], Name: "c0", Addrs: []string{"10.0.0.1/24"}}, B: End{In: ns[1], Name: "a0"}},
		{A: End{In: ns[1], Name: "w0"}, B: End{In: ns[1], Name: "w1"}},
		{A: End{In: ns[1], Name: "b0"}, B: End{In: ns[2], Name: "s0", Addrs: []string{"10.0.0.2/24"}}},
	} {
		c.NoOffloads = noOffloads
		must(t, Connect(c))
	}
	for _, h := range []struct {
		a, b string
		pass func(int, *Frame, func(*Frame))
	}{{"a0", "w0", near}, {"w1", "b0", far}} {
		hop, err := NewHop(ns[1], h.a, h.b, h.pass)
		must(t, err)
		hops = append(hops, hop)
	}
	t.Cleanup(stop)
	return ns[0], ns[2], stop
}

// TestHop: frames of all lengths that offloads make pass a hop, and without
// offloads none is longer than a wire carries.
func TestHop(t *testing.T) {
	for _, off := range []bool{false, true} {
		longest := 0 // of what the client sends
		client, server, stop := chain(t, off, nil, func(from int, f *Frame, send func(*Frame)) {
			if from == 0 {
				longest = max(longest, len(f.Data))
			}
			send(f)
		})
		exchange(t, client, server, "10.0.0.2:0", random(4<<20))
		stop()
		if (longest <= 1514) != off {
			t.Errorf("offloads off: %v; the longest frame has %d octets", off, longest)
		}
	}
}

func TestHopTags(t *testing.T) {
	tags := map[uint32]int{}
	client, server, stop := chain(t, false,
		func(from int, f *Frame, send func(*Frame)) {
			f.Tag = 0
			if from == 0 {
				f.Tag = VLANTag(7)
			}
			send(f)
		},
		func(from int, f *Frame, send func(*Frame)) {
			if from == 0 {
				tags[f.Tag]++
			}
			f.Tag = 0
			if from == 1 {
				f.Tag = VLANTag(7)
			}
			send(f)
		})
	exchange(t, client, server, "10.0.0.2:0", random(1<<20))
	stop()
	if tags[0] != 0 || tags[VLANTag(7)] < 10 {
		t.Errorf("tags on the wire: %v", tags)
	}
}

func TestImpairment(t *testing.T) {
	i := Impairment{Lose: 0.01, Repeat: 0.02, Delay: 0.05}
	client, server, _ := chain(t, true, i.Pass(), i.Pass())
	exchange(t, client, server, "10.0.0.2:0", random(200<<10))
}

// TestImpairmentShares counts what becomes of many frames.
func TestImpairmentShares(t *testing.T) {
	const n = 20000
	pass := Impairment{Lose: 0.1, Repeat: 0.2, Delay: 0.3}.Pass()
	var order []int
	seen := map[int]int{}
	for i := range n {
		pass(0, &Frame{Tag: uint32(i)}, func(f *Frame) {
			order = append(order, int(f.Tag))
			seen[int(f.Tag)]++
		})
	}
	lost, twice, late := n-len(seen), 0, 0
	for _, k := range seen {
		twice += k - 1
	}
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1] {
			late++
		}
	}
	near := func(got int, share float64) bool {
		return float64(got) > share*n*0.8 && float64(got) < share*n*1.2
	}
	if !near(lost, 0.1) || !near(twice, 0.2) || late < n/10 {
		t.Errorf("of %d frames %d were lost, %d came twice, %d late", n, lost, twice, late)
	}
}

func TestVXLAN(t *testing.T) {
	client, server := PairForTest(t, Cable{})
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	must(t, VXLAN(42, a, b, End{In: client, Name: "v0", Addrs: []string{"192.168.7.1/24"}}))
	must(t, VXLAN(42, b, a, End{In: server, Name: "v0", Addrs: []string{"192.168.7.2/24"}}))
	exchange(t, client, server, "192.168.7.2:0", random(1<<20))
}

func TestVLAN(t *testing.T) {
	client, server := PairForTest(t, Cable{})
	err := VLAN("c0", 7, End{In: client, Name: "c0.7", Addrs: []string{"192.168.7.1/24"}})
	if errors.Is(err, ErrNoKind) {
		t.Skip(err)
	}
	must(t, err)
	must(t, VLAN("s0", 7, End{In: server, Name: "s0.7", Addrs: []string{"192.168.7.2/24"}}))
	exchange(t, client, server, "192.168.7.2:0", random(1<<20))
}

// here names the namespace of the calling thread.
func here(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	must(t, err)
	return s
}

func TestDo(t *testing.T) {
	ns := ForTest(t, "one", "two")
	outside := here(t)
	var one, two, back string
	must(t, ns[0].Do(func() error {
		one = here(t)
		err := ns[1].Do(func() error {
			two = here(t)
			return nil
		})
		back = here(t)
		return err
	}))
	if one == outside || two == outside || one == two || back != one {
		t.Errorf("outside %s, one %s, two %s, and back in %s", outside, one, two, back)
	}
	func() {
		defer func() { recover() }()
		ns[0].Do(func() error { panic("in there") })
	}()
	if now := here(t); now != outside {
		t.Errorf("a panic leaves its goroutine in %s", now)
	}
	want := errors.New("f's")
	if err := ns[0].Do(func() error { return want }); err != want {
		t.Errorf("Do returns %v", err)
	}
}

func TestStart(t *testing.T) {
	ns := ForTest(t, "alone")[0]
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/self/net/dev")
	cmd.Stdout = &out
	must(t, ns.Start(cmd))
	must(t, cmd.Wait())
	if n := strings.Count(out.String(), ":"); n != 1 || !strings.Contains(out.String(), "lo:") {
		t.Errorf("a process in a namespace of its own sees\n%s", out.String())
	}
}

// TestNothingIsLeft: no descriptor, thread, process or goroutine outlives a
// namespace, and nobody is in it any more.
func TestNothingIsLeft(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	defer goleak.VerifyNone(t)
	before := descriptors(t)
	a, err := New("a")
	must(t, err)
	b, err := New("b")
	must(t, err)
	must(t, Connect(Cable{A: End{In: a, Name: "x"}, B: End{In: b, Name: "y"}}))
	hop, err := NewHop(a, "x", "lo", nil)
	must(t, err)
	sleeper := exec.Command("sleep", "1000")
	must(t, a.Start(sleeper))
	var inside string
	must(t, a.Do(func() error {
		inside = here(t)
		return nil
	}))
	if n := inhabitants(t, inside); n < 2 {
		t.Errorf("%d threads and processes are in an open namespace", n)
	}
	must(t, hop.Close())
	must(t, errors.Join(a.Close(), b.Close(), a.Close()))
	if err := sleeper.Wait(); err == nil {
		t.Error("the process slept to its end")
	}
	if n := inhabitants(t, inside); n != 0 {
		t.Errorf("%d threads and processes are left in it", n)
	}
	if after := descriptors(t); after > before { // fewer: pipes that package net had pooled
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if err := a.Do(func() error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Do in a closed namespace: %v", err)
	}
	if err := a.Start(exec.Command("true")); !errors.Is(err, ErrClosed) {
		t.Errorf("Start in a closed namespace: %v", err)
	}
}

// descriptors counts the open descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

// inhabitants counts the threads of all processes that are in the namespace.
func inhabitants(t *testing.T, namespace string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/ns/net")
	must(t, err)
	for _, name := range all {
		if s, err := os.Readlink(name); err == nil && s == namespace {
			n++
		}
	}
	return n
}

// TestKilled: a process that makes a namespace with a child in it, and is killed
// without warning, takes both with it.
func TestKilled(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if os.Getenv("NETNS_VICTIM") != "" {
		victim(t)
		return
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestKilled$", "-test.v")
	cmd.Env = append(os.Environ(), "NETNS_VICTIM=1")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var inside string
	var child int
	for inside == "" {
		var line string
		if _, err := fmt.Fscanln(out, &line); err == io.EOF {
			t.Fatal("the victim ended")
		}
		if s, ok := strings.CutPrefix(line, "victim="); ok {
			_, err := fmt.Sscanf(s, "%d,%s", &child, &inside)
			must(t, err)
		}
	}
	must(t, cmd.Process.Kill())
	cmd.Wait()
	for unix.Kill(child, 0) == nil && state(child) != 'Z' {
		time.Sleep(time.Millisecond) // it has been sent its signal, and dies when it is scheduled
	}
	if n := inhabitants(t, inside); n != 0 {
		t.Errorf("%d threads and processes are left in the namespace", n)
	}
}

// victim waits in a namespace to be killed.
func victim(t *testing.T) {
	n, err := New("victim")
	must(t, err)
	child := exec.Command("sleep", "1000")
	must(t, n.Start(child))
	n.Do(func() error {
		fmt.Printf("\nvictim=%d,%s\n", child.Process.Pid, here(t))
		return nil
	})
	select {}
}

// state returns the letter of a process's state.
func state(pid int) byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if _, after, ok := bytes.Cut(b, []byte(") ")); err == nil && ok {
		return after[0]
	}
	return 'Z'
}

func TestSender(t *testing.T) {
	client, server := PairForTest(t, Cable{MTU: 65535})
	s, err := NewSender(client, "c0")
	must(t, err)
	before, err := server.Counters("s0")
	must(t, err)
	frame := random(14 + 65535)
	for _, n := range []int{14, 60, 1514, len(frame)} {
		must(t, s.Send(frame[:n]))
	}
	after, err := server.Counters("s0")
	must(t, err)
	if n := after.Received - before.Received; n < 4 {
		t.Errorf("%d frames have come of 4", n)
	}
	must(t, errors.Join(s.Close(), s.Close()))
	if _, err := NewSender(client, "nothing"); err == nil {
		t.Error("a sender on a device that is not there")
	}
}
