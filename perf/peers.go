package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/mbox-stack/mbox/internal/sys"
	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// own is the peer that the others are compared with.
const own = "mbox"

// rivals returns the names of the others: directories in perf/peers.
func rivals() []string { return []string{"reassembly", "tcpassembly"} }

// peersPath is where the peers' main packages are.
const peersPath = "github.com/mbox-stack/mbox/perf/peers/"

// peer is a program under way.
type peer struct {
	name    string
	in      io.WriteCloser
	answers *json.Decoder
	command *exec.Cmd
	ready   measure.Ready
	samples []measure.Sample
}

// start builds the peers and starts them on a CPU. stop ends them.
func start(names []string, w measure.Workload, cpu int) (peers []*peer, stop func(), err error) {
	dir, err := os.MkdirTemp("", "mbox-perf-")
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		for _, p := range peers {
			p.in.Close()
			p.command.Wait()
		}
		os.RemoveAll(dir)
	}
	if err = build(dir, names); err == nil {
		err = launch(&peers, dir, names, w, cpu)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return peers, stop, nil
}

func build(dir string, names []string) error {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	for _, name := range names {
		args = append(args, peersPath+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the peers: %w", err)
	}
	return nil
}

// launch starts the peers one after the other, as each makes the workload
// before it says that it is ready. They run where the thread that starts them
// may run.
func launch(peers *[]*peer, dir string, names []string, w measure.Workload, cpu int) error {
	if cpu >= 0 {
		runtime.LockOSThread() // until the program ends
		if err := sys.Pin(cpu); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for _, name := range names {
		p := &peer{name: name, command: exec.Command(filepath.Join(dir, name), w.Args()...)}
		p.command.Stderr = os.Stderr
		p.command.Env = append(os.Environ(), "GOMAXPROCS=1")
		in, err := p.command.StdinPipe()
		if err != nil {
			return err
		}
		out, err := p.command.StdoutPipe()
		if err != nil {
			return err
		}
		if err := p.command.Start(); err != nil {
			return err
		}
		p.in, p.answers = in, json.NewDecoder(out)
		*peers = append(*peers, p)
		if err := p.answers.Decode(&p.ready); err != nil {
			return fmt.Errorf("%s did not start: %w", name, err)
		}
	}
	return nil
}

// turn has the peer run once.
func (p *peer) turn() (s measure.Sample, err error) {
	if _, err = io.WriteString(p.in, measure.Ask); err == nil {
		err = p.answers.Decode(&s)
	}
	if err != nil {
		return s, fmt.Errorf("%s does not answer: %w", p.name, err)
	}
	if s.Error != "" {
		return s, fmt.Errorf("%s is wrong: %s", p.name, s.Error)
	}
	return s, nil
}
