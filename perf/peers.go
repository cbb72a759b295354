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

// peersPath is where the peers' main packages are.
const peersPath = "github.com/mbox-stack/mbox/perf/peers/"

// bin is a directory with the programs of figures.
type bin struct{ dir string }

// build builds the programs of figures.
func build(figures []figure) (*bin, error) {
	dir, err := os.MkdirTemp("", "mbox-perf-")
	if err != nil {
		return nil, err
	}
	b := &bin{dir}
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	names := map[string]bool{}
	for i := range figures {
		for _, p := range figures[i].programs {
			if !names[p.name] {
				names[p.name] = true
				args = append(args, peersPath+p.name)
			}
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		b.remove()
		return nil, fmt.Errorf("building the peers: %w", err)
	}
	return b, nil
}

func (b *bin) remove() { os.RemoveAll(b.dir) }

// measure starts the programs of a figure, has them take turns, and ends them.
func (b *bin) measure(f *figure, o *options) ([]row, error) {
	peers, err := b.launch(f, o.cpu)
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	if err == nil {
		err = takeTurns(peers, o.turns)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return f.rows(peers), nil
}

// peer is a program under way.
type peer struct {
	program
	in      io.WriteCloser
	answers *json.Decoder
	command *exec.Cmd
	ready   measure.Ready
	samples []measure.Sample
}

// launch starts the peers one after the other, as each makes the workload
// before it says that it is ready. They run where the thread that starts them
// may run.
func (b *bin) launch(f *figure, cpu int) (peers []*peer, err error) {
	if cpu >= 0 {
		runtime.LockOSThread() // until the program ends
		if err := sys.Pin(cpu); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	for _, program := range f.programs {
		s := f.setup
		s.Variant = program.variant
		p := &peer{program: program, command: exec.Command(filepath.Join(b.dir, program.name), s.Args()...)}
		p.command.Stderr = os.Stderr
		p.command.Env = append(os.Environ(), "GOMAXPROCS=1")
		in, err := p.command.StdinPipe()
		if err != nil {
			return peers, err
		}
		out, err := p.command.StdoutPipe()
		if err != nil {
			return peers, err
		}
		if err := p.command.Start(); err != nil {
			return peers, err
		}
		p.in, p.answers = in, json.NewDecoder(out)
		peers = append(peers, p)
		if err := p.answers.Decode(&p.ready); err != nil {
			return peers, fmt.Errorf("%s did not start: %w", program, err)
		}
	}
	return peers, nil
}

// stop ends a peer.
func (p *peer) stop() {
	p.in.Close()
	p.command.Wait()
}

// takeTurns runs peers in rounds.
func takeTurns(peers []*peer, turns int) error {
	for round := range turns {
		for i := range peers {
			if err := peers[(round+i)%len(peers)].turn(); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn has the peer run once.
func (p *peer) turn() error {
	var s measure.Sample
	_, err := io.WriteString(p.in, measure.Ask)
	if err == nil {
		err = p.answers.Decode(&s)
	}
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", p, err)
	}
	if s.Error != "" {
		return fmt.Errorf("%s is wrong: %s", p, s.Error)
	}
	p.samples = append(p.samples, s)
	return nil
}
