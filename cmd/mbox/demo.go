package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
)

// demoOptions are what the flags of demo say.
type demoOptions struct {
	generated bool
	lasts     interval
}

// The live demo's time: enough to see connections come and go, and on a terminal,
// where it can be left at any time, enough to look around.
const (
	demoLasts         = 12 * time.Second
	demoLastsTerminal = time.Minute
)

// demo returns the command that shows what mbox does, with nothing to set up.
func (p *program) demo() *cobra.Command {
	o, d := newOptions(), &demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: one command, nothing to set up",
		Long: `As root on Linux: make two network namespaces joined by a veth pair, run a small
web in them, servers here and users there, and watch it live as mbox web does.
Everything is gone when it ends, however it ends.

Without root, or with --generated: make up a working day of a small network, in
which most of what can happen to a connection happens once, watch its web servers
in the same way, follow all its flows, and say what there was to see.`,
		Example: "  mbox demo\n  mbox demo --generated\n  mbox demo --generated -w demo.pcapng",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("demo: takes no arguments, and got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runDemo(cmd, o, d) },
	}
	cmd.Flags().BoolVar(&d.generated, "generated", false, "show frames that mbox makes up, as without root")
	cmd.Flags().Var(&d.lasts, "duration", "how long the live demo takes (default 12s, on a terminal 1m)")
	cmd.Flags().StringVarP(&o.write, "write", "w", "", "write the frames to `FILE`, as pcapng, to try other commands on")
	return cmd
}

func (p *program) runDemo(cmd *cobra.Command, o *options, d *demoOptions) error {
	if !d.generated {
		missing := demoLiveMissing()
		if missing == nil {
			return p.runDemoLive(cmd.Context(), o, newWebOptions(), d.length(p))
		}
		fmt.Fprintf(p.stderr, "mbox: demo: not live: %v\n", missing)
	}
	if err := p.runDemoWeb(cmd.Context()); err != nil {
		return err
	}
	return p.runDemoDay(cmd.Context(), o)
}

// length returns how long the live demo takes.
func (d *demoOptions) length(p *program) time.Duration {
	switch {
	case d.lasts > 0:
		return time.Duration(d.lasts)
	case isTerminal(p.stdout):
		return demoLastsTerminal
	}
	return demoLasts
}

// runDemoWeb shows mbox web on the generated frames.
func (p *program) runDemoWeb(ctx context.Context) error {
	s, err := p.sessionOver(generated(traffic.NewDemo()), newOptions(), nil, func(c *mbox.Config) { c.Shards = 1 })
	if err != nil {
		return err
	}
	w := newWebOptions()
	w.format.value = "lines"
	fmt.Fprint(s.out, "A working day of a small network, of frames that mbox made up. mbox web, on its web servers, says:\n\n")
	_, err = s.playWeb(ctx, w, nil, false)
	return err
}

// demoHistory is how many octets stay comparable: as many as a receiver without
// window scaling could still have asked for again.
const demoHistory = 64 << 10

// showcase collects what the demo shows. One shard runs all its handlers.
type showcase struct {
	*recorder
	records []record
	stories []string
	story   mbox.Key[story]
}

// runDemoDay shows all flows of the generated frames, and what there was to see.
func (p *program) runDemoDay(ctx context.Context, o *options) error {
	frames := generated(traffic.NewDemo())
	n := frames.Len()
	s, err := p.sessionOver(frames, o, nil, func(c *mbox.Config) { c.Shards, c.History = 1, demoHistory })
	if err != nil {
		return err
	}
	show := &showcase{story: mbox.NewKey[story]()}
	sock := s.stack.Monitor(mbox.Stream)
	if show.recorder, err = newRecorder(s.stack, sock, recording{}); err != nil {
		return err
	}
	if err := show.register(sock); err != nil {
		return err
	}
	s.atEnd(func(failed error) error {
		if failed != nil {
			return nil
		}
		return show.print(s, n)
	})
	return s.play(ctx)
}

// print prints everything.
func (w *showcase) print(s *session, frames int) error {
	slices.SortFunc(w.records, func(a, b record) int { return cmp.Compare(a.first, b.first) })
	fmt.Fprintf(s.out, "\nThe same day, %d frames. Every flow of it:\n\n", frames)
	t := newTable(s.out, demoHead)
	for _, g := range groups(w.records) {
		fmt.Fprintf(t, "%s\n", g.row())
	}
	if err := t.close(nil); err != nil {
		return err
	}
	fmt.Fprint(s.out, "\nWhat there was to see:\n\n")
	slices.Sort(w.stories)
	for _, line := range w.stories {
		fmt.Fprintln(s.out, line)
	}
	st := s.stack.Stats()
	for _, d := range st.Frames() {
		if d.Name == "fragment-merged" && d.Count > 0 {
			fmt.Fprintf(s.out, "  and %d IP fragments, the last one first, that made one datagram of the flow at 14:45\n", d.Count+1)
		}
	}
	capture := "demo.pcapng"
	if s.opt.write != "" {
		capture = s.opt.write
	}
	_, err := fmt.Fprintf(s.out, demoNext, capture)
	return err
}

const demoNext = `
To go on:

  mbox demo --generated -w %[1]s         keep these frames
  mbox events -r %[1]s --on rexmit,anomaly,gap --history 64KiB
  mbox dump -r %[1]s port 631            one connection, segment by segment
  mbox streams -r %[1]s -d out           what was said, a file for each side
  mbox flows -r yours.pcap                     your own; mbox alone lists the rest
`

// group is flows of the demo that are alike, and one row of its table.
type group struct {
	groupKey
	first   *record
	flows   int
	packets uint64
	octets  uint64
	ports   [2]uint16 // lowest and highest, of the server
}

// groupKey is what flows of one row have in common.
type groupKey struct {
	proto, outcome, notes string
	client, server        netip.Addr
	port                  uint16 // of the server; 0 for those that were only knocked at
}

// groups puts flows that are alike together, in the order of their beginnings.
func groups(records []record) (all []*group) {
	by := map[groupKey]*group{}
	for i := range records {
		r := &records[i]
		server := r.flow.Server()
		k := groupKey{r.flow.Proto().String(), r.outcome(), strings.Join(r.notes(), " "), r.flow.Client().Addr(), server.Addr(), server.Port()}
		if r.tcp() && r.sent[0].PayloadBytes+r.sent[1].PayloadBytes == 0 {
			k.port = 0
		}
		g := by[k]
		if g == nil {
			g = &group{groupKey: k, first: r, ports: [2]uint16{server.Port(), server.Port()}}
			by[k] = g
			all = append(all, g)
		}
		g.flows++
		g.packets += r.sent[0].Packets + r.sent[1].Packets
		g.octets += r.sent[0].PayloadBytes + r.sent[1].PayloadBytes
		g.ports = [2]uint16{min(g.ports[0], server.Port()), max(g.ports[1], server.Port())}
	}
	return all
}

const demoHead = "BEGAN\tPROTO\tCLIENT\tSERVER\t>FLOWS\t>PACKETS\t>BYTES\tEND\tNOTES"

// row returns the group as a row of the table.
func (g *group) row() string {
	server := g.first.flow.Server().String()
	if g.ports[0] != g.ports[1] {
		server = fmt.Sprintf("%s:%d-%d", g.server, g.ports[0], g.ports[1])
	}
	return strings.Join([]string{
		g.first.began.UTC().Format("15:04:05"), g.proto, g.client.String(), server, strconv.Itoa(g.flows),
		strconv.FormatUint(g.packets, 10), octetsText(g.octets), g.outcome, g.notes,
	}, "\t")
}
