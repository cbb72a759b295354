package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/traffic"
)

// demo returns the command that shows what mbox does, on frames of its own.
func (p *program) demo() *cobra.Command {
	o := newOptions()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: one command, nothing to set up",
		Long: `Make up a working day of a small network, in which most of what can happen to
a connection happens once, follow its flows, and say what there was to see.`,
		Example: "  mbox demo\n  mbox demo -w demo.pcapng",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("demo: takes no arguments, and got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runDemo(cmd, o) },
	}
	cmd.Flags().StringVarP(&o.write, "write", "w", "", "write the frames to `FILE`, as pcapng, to try other commands on")
	return cmd
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

func (p *program) runDemo(cmd *cobra.Command, o *options) error {
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
	return s.play(cmd.Context())
}

// print prints everything.
func (w *showcase) print(s *session, frames int) error {
	slices.SortFunc(w.records, func(a, b record) int { return cmp.Compare(a.first, b.first) })
	fmt.Fprintf(s.out, "A working day of a small network, %d frames that mbox made up. Every flow of it:\n\n", frames)
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

  mbox demo -w %[1]s                     keep these frames
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
