package main

import (
	"fmt"
	"strconv"

	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// The sections of what can be measured.
const (
	sectionStack = iota
	sectionPeers
	sectionsMany
)

var sections = [sectionsMany]struct{ name, says string }{
	sectionStack: {"stack", "what a packet costs, beside the floor: workloads, modes, checksums"},
	sectionPeers: {"peers", "mbox and other programs that put streams in order, from memory"},
}

// program is what a figure compares: a directory in perf/peers and one of the
// variants that it knows.
type program struct{ name, variant string }

// String returns the program as tables name it.
func (p program) String() string {
	if p.variant == "" {
		return p.name
	}
	return p.name + "/" + p.variant
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
	floors    = []program{{name: "floor"}, {name: "floor", variant: "ahead"}}
	rivals  = []program{{name: "reassembly"}, {name: "tcpassembly"}}
	against = []string{"w1", "w2", "w6"} // workloads to compare with rivals on
)

// figures returns what the command line asks for.
func (o *options) figures() (all []figure, err error) {
	if o.sections[sectionStack] {
		err = o.each(o.workloads.or(measure.Names()), o.modes.or(measure.Modes()), func(s measure.Setup) {
			if measure.Live(s.Name) && (s.Mode == measure.Read || s.Mode == measure.History) && len(o.modes) == 0 {
				return // there is nothing to read
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
		err = o.each(o.workloads.or(against), list{measure.Read}, func(s measure.Setup) {
			all = append(all, figure{sectionPeers, s, append([]program{own}, rivals...), 0})
		})
	}
	return all, err
}

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
