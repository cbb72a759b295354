package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mbox-stack/mbox/internal/compose"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// foreign are the programs that the go command does not build as they are; what
// makes them returns why it cannot.
var foreign = map[string]func(*bin) error{
	"libnids": func(b *bin) error {
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		cc := exec.Command("gcc", "-O2", "-o", b.path("libnids"), filepath.Join(root, "perf", "peers", "libnids", "libnids.c"),
			"-lnids", "-lpcap", "-lnet", "-lglib-2.0", "-lgthread-2.0")
		if out, err := cc.CombinedOutput(); err != nil {
			return fmt.Errorf("gcc and Debian's libnids-dev, libpcap-dev, libnet1-dev and libglib2.0-dev are needed: %w: %s", err, firstLine(out))
		}
		return nil
	},
	"tcpflow": func(*bin) error {
		_, err := exec.LookPath("tcpflow")
		return err
	},
	together: func(b *bin) error {
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		_, err = compose.Build(root, b.dir, apps)
		return err
	},
	apart: func(*bin) error { return nil }, // it is the same program
}

// Four example programs in one stack, and each in a process of its own.
const (
	together = "one-stack"
	apart    = "four-processes"
)

// apps are the four: they look at servers, hosts, retransmissions and connections.
var apps = []string{"assets", "perhost", "synrexmit", "webmonitor"}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// moduleRoot returns the directory of the module's sources.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/mbox-stack/mbox").Output()
	return strings.TrimSpace(string(out)), err
}

// whole measures whole processes that read a capture: from their start to their
// end, in interleaved turns.
func (b *bin) whole(ctx context.Context, f *figure, o *options) ([]row, error) {
	load, err := f.setup.Load()
	if err != nil {
		return nil, err
	}
	f.setup.File = filepath.Join(b.dir, "capture.pcap")
	if err := writeCapture(f.setup.File, &f.setup.Workload); err != nil {
		return nil, err
	}
	defer os.Remove(f.setup.File)
	var peers []*peer
	for _, p := range f.programs {
		if _, ok := b.skipped[p.name]; !ok {
			peers = append(peers, &peer{program: p, ready: measure.Ready{Frames: load.Frames, Octets: load.Octets}})
		}
	}
	for round := range o.turns + 1 {
		for i := range peers {
			p := peers[(round+i)%len(peers)]
			s, err := b.process(ctx, p.program, f, load.Text, o.cpu)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", f, p, err)
			}
			if round > 0 { // in the first one pages and files come into the cache
				p.samples = append(p.samples, s)
			}
		}
	}
	return f.rows(peers), nil
}

func writeCapture(name string, w *measure.Workload) error {
	s, err := w.Stream()
	if err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = traffic.WriteCapture(out, s, 0)
	return errors.Join(err, out.Close())
}

// process runs a program over the capture, and checks what it has counted.
func (b *bin) process(ctx context.Context, p program, f *figure, text measure.Totals, cpu int) (s measure.Sample, err error) {
	switch p.name {
	case together:
		return s, b.composed(ctx, &s, f.setup.File, cpu, apps...)
	case apart:
		for _, name := range apps {
			if err = b.composed(ctx, &s, f.setup.File, cpu, name); err != nil {
				break
			}
		}
		return s, err
	case "tcpflow":
		return s, b.tcpflow(ctx, &s, f.setup.File, text, cpu)
	}
	cmd, err := b.command(ctx, p, f.setup, cpu)
	if err != nil {
		return s, err
	}
	if p.name == "libnids" {
		cmd.Args = []string{cmd.Path, "-file", f.setup.File}
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := account(&s, cmd); err != nil {
		return s, err
	}
	var got measure.Result
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return s, err
	}
	if got.Text != text {
		err = fmt.Errorf("it counted %v octets, the capture holds %v", got.Text, text)
	}
	return s, err
}

// account runs a command and adds what it took.
func account(s *measure.Sample, cmd *exec.Cmd) error {
	if err := cmd.Run(); err != nil {
		return err
	}
	s.CPUNs += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Nanoseconds()
	return nil
}

// composed runs example programs in one stack.
func (b *bin) composed(ctx context.Context, s *measure.Sample, file string, cpu int, names ...string) error {
	if err := pin(cpu, 1); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.path("composed.exe"), append([]string{file, "1", b.dir}, names...)...)
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
	return account(s, cmd)
}

// tcpflow has tcpflow write the streams to its standard output, which is the
// least that it can do with them. It adds line ends.
func (b *bin) tcpflow(ctx context.Context, s *measure.Sample, file string, text measure.Totals, cpu int) error {
	if err := pin(cpu, 1); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "tcpflow", "-C", "-B", "-r", file)
	cmd.Dir = b.dir // it leaves a report
	var n counter
	cmd.Stdout = &n
	if err := account(s, cmd); err != nil {
		return err
	}
	if uint64(n) < text[0]+text[1] {
		return fmt.Errorf("it wrote %d octets, the capture holds %d", n, text[0]+text[1])
	}
	return nil
}

// counter counts what is written to it.
type counter uint64

// Write implements io.Writer.
func (n *counter) Write(b []byte) (int, error) {
	*n += counter(len(b))
	return len(b), nil
}

// memory runs the program of a figure once, and says what it took.
func (b *bin) memory(ctx context.Context, f *figure, o *options) ([]row, error) {
	cmd, err := b.command(ctx, f.programs[0], f.setup, o.cpu)
	if err != nil {
		return nil, err
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	var m measure.Memory
	if err := json.NewDecoder(io.LimitReader(bytes.NewReader(out), 1<<20)).Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	load, err := f.setup.Load()
	if err != nil {
		return nil, err
	}
	p := &peer{program: f.programs[0], ready: measure.Ready{Frames: load.Frames, Octets: load.Octets},
		samples: []measure.Sample{{CPUNs: m.CPUNs, PeakOctets: m.FullOctets}}}
	rows := f.rows([]*peer{p})
	rows[0].Memory = &m
	mb := func(octets uint64) uint64 { return octets / 1e6 }
	rows[0].Note = fmt.Sprintf("%d octets a connection; %d MB at first, %d full, %d cleared, %d a minute later; "+
		"%d collections, %.2f %% of the CPU, longest pause %.2f ms, collecting the full table %.1f ms",
		(m.FullOctets-m.StartOctets)/m.Flows, mb(m.StartOctets), mb(m.FullOctets), mb(m.ClearedOctets), mb(m.LaterOctets),
		m.Collections, m.CPUShare*100, float64(m.PauseNs)/1e6, float64(m.CollectNs)/1e6)
	return rows, nil
}
