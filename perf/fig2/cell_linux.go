package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/perf/internal/monitor"
)

// modes are what watches: nothing, and the modes of mbox web.
var modes = []string{"none", "packet", "flow", "stream"}

// cell is one measurement.
type cell struct {
	Mode   string
	Octets int
	Keep   bool
	asked
	Served  served
	Others  time.Duration  // CPU time of server and clients
	Monitor monitor.Result // zero without one
}

// perRequest returns microseconds a request.
func (c *cell) perRequest(t time.Duration) float64 {
	return float64(t.Nanoseconds()) / 1e3 / float64(max(c.Requests, 1))
}

// rate returns requests a second.
func (c *cell) rate() float64 { return float64(c.Requests) / c.Seconds }

// settle is how long the monitor is left alone behind the last packet: rings hand
// over what they have every 10 ms.
const settle = 300 * time.Millisecond

// serverAddresses is how many addresses the server has: with one, clients would
// run out of ports.
const serverAddresses = 4

// measure runs one cell in namespaces of its own.
func (b *bench) measure(mode string, octets int, keep bool) (c *cell, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s mode, %d octets, connections kept %v: %w", mode, octets, keep, err)
		}
	}()
	c = &cell{Mode: mode, Octets: octets, Keep: keep}
	client, server, err := pair()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	defer server.Close()
	l := &load{Octets: octets, Keep: keep, Rate: b.rate, Workers: b.workers, Seconds: b.seconds}
	for i := range serverAddresses {
		l.Servers = append(l.Servers, fmt.Sprintf("10.0.0.%d:80", 2+i))
	}
	srv, err := b.role(server, "server", l)
	if err != nil {
		return nil, err
	}
	defer srv.kill()
	if err := srv.line("ready"); err != nil {
		return nil, err
	}
	var mon *monitor.Monitor
	if mode != modes[0] {
		if mon, err = monitor.Start(server, b.mbox, "s0", mode, "--shards", strconv.Itoa(b.shards)); err != nil {
			return nil, err
		}
		defer mon.Kill()
	}
	cli, err := b.role(client, "client", l)
	if err != nil {
		return nil, err
	}
	defer cli.kill()
	if err := errors.Join(cli.result(&c.asked), srv.result(&c.Served)); err != nil {
		return nil, err
	}
	c.Others = srv.used() + cli.used()
	if c.Failures > 0 {
		return nil, fmt.Errorf("%d clients failed, one by: %s", c.Failures, c.Failure)
	}
	if mon != nil {
		time.Sleep(settle)
		r, err := mon.Stop()
		if err != nil {
			return nil, err
		}
		c.Monitor = *r
	}
	return c, c.check()
}

// check compares what the monitor has counted with what the server has.
func (c *cell) check() error {
	n, s := &c.Monitor, &c.Served
	opened, closed := n.Opened, n.Closed
	switch c.Mode {
	case modes[0]:
		return nil
	case "packet":
		// It knows packets only: a SYN-ACK for each, and a FIN from either side. Each
		// may have been sent again, which it does not know either.
		opened, closed = min(n.SYNACK, s.Accepts), min(n.FIN/2, s.Closes)
	}
	if opened == s.Accepts && closed == s.Closes {
		return nil
	}
	return fmt.Errorf("the server accepted %d connections and closed %d, the monitor counted %d and %d; %s",
		s.Accepts, s.Closes, opened, closed, cmp.Or(n.Missed(), "no frame was missed"))
}

// pair returns two namespaces joined by a veth pair. The client may use nearly
// all ports.
func pair() (client, server *netns.Namespace, err error) {
	if client, err = netns.New("client"); err != nil {
		return nil, nil, err
	}
	if server, err = netns.New("server"); err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	at := []string{}
	for i := range serverAddresses {
		at = append(at, fmt.Sprintf("10.0.0.%d/24", 2+i))
	}
	err = netns.Connect(netns.Cable{
		A: netns.End{In: client, Name: "c0", Addrs: []string{"10.0.0.1/24"}},
		B: netns.End{In: server, Name: "s0", Addrs: at},
	})
	err = errors.Join(err, client.Do(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("1024 65535"), 0)
	}), server.Do(func() error {
		return os.WriteFile("/proc/sys/net/core/somaxconn", []byte("16384"), 0)
	}))
	if err != nil {
		return nil, nil, errors.Join(err, client.Close(), server.Close())
	}
	return client, server, nil
}

// process is one of the programs that take part.
type process struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors bytes.Buffer // what it says on standard error
	ended  bool
}

// start starts a program in a namespace.
func start(in *netns.Namespace, name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	cmd.Stderr = &p.errors
	if err := in.Start(cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// role starts this program as the server or the clients.
func (b *bench) role(in *netns.Namespace, role string, l *load) (*process, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return start(in, role, exec.Command(b.self, "-role", role, "-load", string(text)))
}

// line waits for a line on the standard output of a process.
func (p *process) line(want string) error {
	got, err := p.out.ReadString('\n')
	if strings.TrimSpace(got) != want {
		return fmt.Errorf("%s: said %q: %w: %s", p.name, got, errors.Join(err, p.wait()), p.errors.String())
	}
	return nil
}

// result ends a process's standard input, reads what it has to say, and waits.
func (p *process) result(v any) error {
	p.in.Close()
	err := json.NewDecoder(p.out).Decode(v)
	if err = errors.Join(err, p.wait()); err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, err, p.errors.String())
	}
	return nil
}

func (p *process) wait() error {
	if p.ended {
		return nil
	}
	p.ended = true
	return p.cmd.Wait()
}

// used returns the CPU time of a process that has ended.
func (p *process) used() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// kill ends a process that has not ended yet.
func (p *process) kill() {
	if !p.ended {
		p.cmd.Process.Kill()
		p.wait()
	}
}
