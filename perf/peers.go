package main

import (
	"context"
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
type bin struct {
	dir     string
	skipped map[string]string // reasons, by the names of programs that could not be built
}

// build builds the programs of figures.
func build(figures []figure) (*bin, error) {
	dir, err := os.MkdirTemp("", "mbox-perf-")
	if err != nil {
		return nil, err
	}
	b := &bin{dir, map[string]string{}}
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	names := map[string]bool{}
	for i := range figures {
		for _, p := range figures[i].programs {
			if names[p.name] {
				continue
			}
			names[p.name] = true
			if make := foreign[p.name]; make == nil {
				args = append(args, peersPath+p.name)
			} else if err := make(b); err != nil {
				b.skipped[p.name] = err.Error()
			}
		}
	}
	if len(args) == 3 {
		return b, nil
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

// path returns where a program is.
func (b *bin) path(name string) string { return filepath.Join(b.dir, name) }

// scaleTurns is how many turns figures of two CPUs have at least.
const scaleTurns = 7

// measure starts the programs of a figure, has them take turns, and ends them.
func (b *bin) measure(ctx context.Context, f *figure, o *options) ([]row, error) {
	runtime.LockOSThread() // until the program ends: what it starts runs where it may
	switch f.section {
	case sectionFile, sectionApps:
		return b.whole(ctx, f, o)
	case sectionMemory:
		return b.memory(ctx, f, o)
	}
	peers, err := b.launch(ctx, f, o.cpu)
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	turns := o.turns
	if f.section == sectionScale {
		turns = max(turns, scaleTurns)
	}
	if err == nil {
		err = takeTurns(peers, turns)
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
// before it says that it is ready.
func (b *bin) launch(ctx context.Context, f *figure, cpu int) (peers []*peer, err error) {
	for _, program := range f.programs {
		p := &peer{program: program}
		if p.command, err = b.command(ctx, program, f.setup, cpu); err != nil {
			return peers, err
		}
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

// command returns a program ready to start on its CPUs: those up to cpu. It ends
// with ctx.
func (b *bin) command(ctx context.Context, p program, s measure.Setup, cpu int) (*exec.Cmd, error) {
	s.Variant, s.Shards = p.variant, max(1, p.shards)
	many := max(1, p.cpus)
	if err := pin(cpu, many); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.path(p.name), s.Args()...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", many))
	return cmd, nil
}

// pin has what is started from now on run on so many CPUs, the last of which is
// cpu; with -1 nothing changes.
func pin(cpu, many int) error {
	if cpu < 0 {
		return nil
	}
	var cpus []int
	for c := max(0, cpu-many+1); len(cpus) < many && c < runtime.NumCPU(); c++ {
		cpus = append(cpus, c)
	}
	if len(cpus) < many {
		return fmt.Errorf("there are not %d CPUs up to CPU %d", many, cpu)
	}
	if err := sys.Pin(cpus...); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
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
