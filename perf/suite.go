package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// The sections of what can be measured.
const (
	sectionStack = iota
	sectionPeers
	sectionFile
	sectionScale
	sectionControl
	sectionApps
	sectionMemory
	sectionsMany
)

var sections = [sectionsMany]struct{ name, says string }{
	sectionStack:   {"stack", "what a packet costs, beside the floor: workloads, modes, checksums"},
	sectionPeers:   {"peers", "mbox and other programs that put streams in order, from memory"},
	sectionFile:    {"file", "the same as whole processes, from a capture file in the page cache"},
	sectionScale:   {"scale", "shards on two CPUs and on one, also beside an elephant"},
	sectionControl: {"control", "what giving up a part of a connection saves"},
	sectionApps:    {"apps", "four example programs in one stack, and in four processes"},
	sectionMemory:  {"memory", "octets of a connection, the collector, what is given back"},
}

// program is what a figure compares: a directory in perf/peers, one of the
// variants that it knows, and what it runs on.
type program struct {
	name, variant string
	shards, cpus  int // 0: 1
}

// String returns the program as tables name it.
func (p program) String() string {
	name := p.name
	if p.variant != "" {
		name += "/" + p.variant
	}
	if p.shards > 0 {
		name += fmt.Sprintf("/shards=%d/cpus=%d", p.shards, p.cpus)
	}
	return name
}

// figure is a comparison of programs that do the same.
type figure struct {
	section  int
	setup    measure.Setup
	programs []program
	base     int // the program that the others are multiples of
}

// String returns a line that says which figure it is.
func (f *figure) String() string {
	return fmt.Sprintf("%s %s", sections[f.section].name, label(&f.setup))
}

// label names a setup.
func label(s *measure.Setup) string {
	name := s.Name
	if s.Payload >= 0 {
		name += "/" + strconv.Itoa(s.Payload)
	}
	return fmt.Sprintf("%s %s, checksums %s", name, s.Mode, checksums(s))
}

func checksums(s *measure.Setup) string {
	if s.Verify {
		return "verified"
	}
	return "off"
}

// The programs, mbox first.
var (
	own       = program{name: "mbox"}
	generator = program{name: "generator"}
	receiver  = program{name: "receiver"}
	floors    = []program{{name: "floor"}, {name: "floor", variant: "ahead"}}
	rivals    = []program{{name: "reassembly"}, {name: "tcpassembly"}}
	readers   = append(slices.Clone(rivals), program{name: "libnids"}, program{name: "tcpflow"})
	against   = []string{"w1", "w2", "w6"} // workloads to compare with rivals on
)

// figures returns what the command line asks for.
func (o *options) figures() (all []figure, err error) {
	if o.sections[sectionStack] {
		err = o.each(o.workloads.or(measure.Names()), o.modes.or(measure.Modes()[:4]), func(s measure.Setup) {
			if measure.Live(s.Name) && s.Mode != measure.Track && len(o.modes) == 0 {
				return // there is nothing to read, and it takes long
			}
			f := figure{sectionStack, s, append([]program{own}, floors...), 1}
			if measure.Live(s.Name) {
				f.programs = append(f.programs, generator)
			}
			all = append(all, f)
		})
		if err != nil {
			return nil, err
		}
	}
	if o.sections[sectionPeers] {
		o.verify = "off" // none of them verifies
		err = o.each(o.workloads.or(against), list{measure.Count}, func(s measure.Setup) {
			all = append(all, figure{sectionPeers, s, append([]program{own}, rivals...), 0})
		})
	}
	for _, f := range o.fixed() {
		if o.sections[f.section] && (len(o.workloads) == 0 || slices.Contains(o.workloads, f.setup.Name)) {
			all = append(all, f)
		}
	}
	return all, err
}

// fixed returns the figures of workloads that are chosen for them.
func (o *options) fixed() (all []figure) {
	add := func(section int, workload, mode string, connections int, programs ...program) {
		s := o.setup
		s.Name, s.Payload, s.Mode = workload, -1, mode
		if s.Connections == 0 {
			s.Connections = connections
		}
		all = append(all, figure{section: section, setup: s, programs: programs})
	}
	add(sectionFile, "w4", measure.Count, fileConnections, append([]program{own}, readers...)...)
	add(sectionScale, "w4", measure.Read, 0, program{"mbox", "", 1, 1}, program{"mbox", "", 1, 2}, program{"mbox", "", 2, 2},
		receiver)
	add(sectionScale, "w5-w4", measure.Read, 0, program{"mbox", "", 1, 1}, program{"mbox", "", 2, 2}, program{"mbox", "large-released", 1, 1},
		program{"mbox", "large-released", 2, 2})
	for _, mode := range []string{measure.Read, measure.History} {
		add(sectionControl, "w4", mode, 0, own, program{name: "mbox", variant: "one-reassembled"},
			program{name: "mbox", variant: "one-stopped"}, program{name: "mbox", variant: "released"})
	}
	add(sectionApps, "w4", measure.Read, 0, program{name: together}, program{name: apart})
	growing := program{name: "mbox", variant: measure.Growth}
	add(sectionMemory, "w3", measure.Track, 0, growing)
	add(sectionMemory, "w3-10m", measure.Track, 0, growing)
	return all
}

// fileConnections make a capture of about 500 MB.
const fileConnections = 50_000

// or returns l, or what it stands for where it is empty.
func (l list) or(words []string) list {
	if len(l) == 0 {
		return words
	}
	return l
}

// each calls f with every setup of workloads and modes.
func (o *options) each(workloads, modes list, f func(measure.Setup)) error {
	for _, name := range workloads {
		payloads := measure.Payloads(name)
		if len(o.payloads) > 0 && payloads[0] >= 0 {
			payloads = nil
			for _, word := range o.payloads {
				n, err := octets(word)
				if err != nil {
					return err
				}
				payloads = append(payloads, n)
			}
		}
		for _, payload := range payloads {
			for _, mode := range modes {
				for _, verify := range o.checksums(mode) {
					s := o.setup
					s.Name, s.Payload, s.Mode, s.Verify = name, payload, mode, verify
					f(s)
				}
			}
		}
	}
	return nil
}

func octets(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: -payload %s: a number of octets", errUsage, word)
	}
	return n, nil
}

// checksums returns whether checksums are verified in the figures of a mode.
func (o *options) checksums(mode string) []bool {
	switch {
	case o.verify == "on":
		return []bool{true}
	case o.verify == "both", o.verify == "default" && (mode == measure.Events || mode == measure.Read):
		return []bool{false, true}
	}
	return []bool{false}
}
