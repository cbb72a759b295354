package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox/cmd/mbox/internal/nic"
	"github.com/mbox-stack/mbox/internal/privilege"
	"github.com/mbox-stack/mbox/rx"
)

// interfaces returns the command that lists what can be captured on.
func (p *program) interfaces() *cobra.Command {
	format := choice{kind: "FORM", value: "table", of: []string{"table", "jsonl"}}
	cmd := &cobra.Command{
		Use:   "interfaces [flags]",
		Short: "What can be captured on, and what is missing",
		Long: `List the interfaces: state, addresses, MTU, driver, and what matters to a capture.

QUEUES   receive queues, and the CPU that handles each. With --fanout qm and as
         many --rings, ring k takes queue k, on that CPU.
OFFLOADS what makes frames longer than they were on the wire (gro, lro; gso and
         tso of what this machine sends) or leaves checksums to the card. They
         are taken as they are; ethtool -K IFACE gro off switches one off.
RSS      whether the card's hash puts both directions of a flow into one queue:
         yes, no, ? if it is not told. Results do not depend on it.
MISSING  what stands in the way of capturing.`,
		Example: "  mbox interfaces\n  mbox interfaces --format jsonl | jq .name",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("interfaces: takes no arguments, and got %q", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			all, err := devices()
			if err == nil {
				err = p.printDevices(all, format.value)
			}
			if err != nil {
				return failure{err}
			}
			return nil
		},
	}
	cmd.Flags().Var(&format, "format", "table or jsonl, one object a line")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(format.of, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// device is what is told about an interface.
type device struct {
	Name      string       `json:"name"`
	Index     int          `json:"index"`
	Up        bool         `json:"up"`
	State     string       `json:"state"`
	Hardware  string       `json:"hardware,omitempty"`
	MTU       int          `json:"mtu"`
	Addresses []string     `json:"addresses"`
	Driver    string       `json:"driver,omitempty"`
	Mbits     int          `json:"mbit_per_second,omitempty"`
	Queues    []queue      `json:"receive_queues"`
	Senders   int          `json:"send_queues"`
	Merges    []string     `json:"offloads"`
	Symmetric *bool        `json:"rss_symmetric"` // null: not known
	Missing   []string     `json:"missing"`
	balance   nic.Symmetry // what Symmetric was made of
}

// queue is a receive queue.
type queue struct {
	Number int  `json:"queue"`
	CPU    *int `json:"cpu"` // that handles its interrupts; null: not known
}

// devices returns what is known about all interfaces.
func devices() ([]device, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	capability, _ := privilege.Lacking()
	var all []device
	for _, l := range links {
		card := nic.Look(l.Name)
		d := device{
			Name: l.Name, Index: l.Index, Up: l.Flags&net.FlagUp != 0, State: card.State, Hardware: l.HardwareAddr.String(), MTU: l.MTU,
			Driver: card.Driver, Mbits: card.Mbits, Senders: card.Queues.Send, Merges: append([]string{}, card.Merges...), balance: card.Balance,
			Addresses: []string{}, Queues: []queue{}, Missing: []string{},
		}
		addrs, err := l.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		for _, a := range addrs {
			d.Addresses = append(d.Addresses, a.String())
		}
		for k := range card.Queues.Receive {
			q := queue{Number: k}
			if cpu, ok := rx.QueueCPU(l.Name, k); ok {
				q.CPU = &cpu
			}
			d.Queues = append(d.Queues, q)
		}
		if d.balance != nic.Unknown {
			same := d.balance == nic.Symmetric
			d.Symmetric = &same
		}
		if capability != "" {
			d.Missing = append(d.Missing, capability)
		}
		if !d.Up {
			d.Missing = append(d.Missing, "ip link set "+l.Name+" up")
		}
		all = append(all, d)
	}
	return all, nil
}

// printDevices prints the list, and how to grant what is missing.
func (p *program) printDevices(all []device, format string) error {
	if format == "jsonl" {
		to := json.NewEncoder(p.stdout)
		for i := range all {
			if err := to.Encode(&all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(p.stdout, "NAME\tSTATE\t>MTU\tADDRESSES\tDRIVER\tQUEUES\tOFFLOADS\tRSS\tMISSING")
	for i := range all {
		if _, err := io.WriteString(t, all[i].row()+"\n"); err != nil {
			return err
		}
	}
	if err := t.close(nil); err != nil {
		return err
	}
	if capability, remedy := privilege.Lacking(); remedy != "" {
		_, err := fmt.Fprintf(p.stdout, "\nCapturing needs %s: run as root, or once: %s\n", capability, remedy)
		return err
	}
	return nil
}

// row returns the interface as a row of the table.
func (d *device) row() string {
	state := d.State
	switch {
	case !d.Up:
		state = "down"
	case state == "" || state == "unknown": // loopback and tunnels have no link to tell of
		state = "up"
	case state == "down":
		state = "no link"
	}
	if d.Mbits > 0 && d.Up {
		state += " " + strconv.Itoa(d.Mbits) + "Mb/s"
	}
	cells := []string{d.Name, state, strconv.Itoa(d.MTU), strings.Join(d.Addresses, " "), d.Driver, d.queues(), strings.Join(d.Merges, ","), d.balance.String(), strings.Join(d.Missing, ", ")}
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	return strings.Join(cells, "\t")
}

// queues says how many receive queues there are, and which CPUs handle them.
func (d *device) queues() string {
	text, known := strconv.Itoa(len(d.Queues)), false
	cpus := make([]string, len(d.Queues))
	for i, q := range d.Queues {
		cpus[i] = "?"
		if q.CPU != nil {
			cpus[i], known = strconv.Itoa(*q.CPU), true
		}
	}
	if known {
		text += " on CPU " + strings.Join(cpus, ",")
	}
	return text
}
