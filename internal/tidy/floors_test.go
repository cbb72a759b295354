package tidy

import (
	"strings"
)

// floors says on which floor each package stands; it may import packages of
// lower floors only, so packages of one floor do not know each other. docs/
// ARCHITECTURE.md says what each is for.
var floors = map[string]int{
	"internal/assert": 0,

	"wire": 1,

	"internal/clock": 2,
	"internal/sys":   0,
	"internal/netns": 2,
	"internal/craft": 2,
	"actors":         2,
	"buffers":        2,
	"filter":         2,
	"frag":           2,
	"tcpfsm":         2,

	"internal/privilege": 2,

	"uevents": 3,

	"rx":               4,
	"shard":            4,
	"internal/merge":   4,
	"internal/traffic": 4,

	"": 5, // the root package, mbox

	"mboxtest":              6,
	"adapter/assembler":     6,
	"adapter/metrics":       6,
	"cmd/mbox/internal/nic": 6,
	"internal/compose":      6,
	"internal/witness":      6,
	"internal/live":         6,
	"perf/internal/measure": 6,
	"perf/internal/monitor": 6,

	"cmd/mbox/internal/hostname": 6,
	"cmd/mbox/internal/outfile":  6,
	"cmd/mbox/internal/view":     6,

	"internal/tidy": 9,
}

// programs is the floor of everything that nothing imports.
const programs = 7

var programDirs = []string{"cmd", "examples", "perf", "fuzz"}

// floorOf returns the floor of a package, and whether it has one.
func floorOf(pkg string) (int, bool) {
	if n, ok := floors[pkg]; ok {
		return n, true
	}
	return programs, within(pkg, programDirs...)
}

var floorChecks = []check{
	{
		name: "each package has a floor",
		run: func(m *module) (problems []string) {
			seen := map[string]bool{}
			for _, f := range m.files {
				if _, ok := floorOf(f.pkg); !ok && !seen[f.pkg] {
					problems = append(problems, f.path+":1: package "+f.pkg+" has no floor: enter it in internal/tidy")
				}
				seen[f.pkg] = true
			}
			return problems
		},
		bad:  map[string]string{"wire/a.go": "package wire", "novel/a.go": "package novel", "novel/b.go": "package novel", "cmd/x/a.go": "package main"},
		want: []string{"novel/a.go:1: package novel has no floor: enter it in internal/tidy"},
	},
	{
		name: "imports go to lower floors",
		run:  upwardImports,
		bad: map[string]string{
			"wire/a.go":       `package wire; import _ "github.com/mbox-stack/mbox/internal/assert"`,
			"rx/a.go":         `package rx; import _ "github.com/mbox-stack/mbox/shard"`,
			"frag/a.go":       `package frag; import _ "github.com/mbox-stack/mbox"`,
			"tcpfsm/a.go":     `package tcpfsm; import _ "github.com/mbox-stack/mbox/buffers"`,
			"frag/a_test.go":  `package frag; import _ "github.com/mbox-stack/mbox/internal/craft"`,
			"perf/a.go":       `package main; import _ "github.com/mbox-stack/mbox/examples/web"`,
			"cmd/mbox/a.go":   `package main; import _ "github.com/mbox-stack/mbox"`,
			"actors/other.go": `package actors; import _ "github.com/mbox-stack/mboxer"`,
		},
		want: []string{
			"rx/a.go:1: rx (floor 4) must not import shard (floor 4)",
			"frag/a.go:1: frag (floor 2) must not import the root package (floor 5)",
			"tcpfsm/a.go:1: tcpfsm (floor 2) must not import buffers (floor 2)",
			"perf/a.go:1: perf (floor 7) must not import examples/web (floor 7)",
		},
	},
	{
		name: "strangers do not meet in tests either",
		run:  strangersMet,
		bad: map[string]string{
			"tcpfsm/a_test.go":  `package tcpfsm; import _ "github.com/mbox-stack/mbox/buffers"`,
			"buffers/a_test.go": `package buffers; import _ "github.com/mbox-stack/mbox/tcpfsm"`,
			"rx/a_test.go":      `package rx_test; import _ "github.com/mbox-stack/mbox/shard"`,
			"shard/a_test.go":   `package shard; import _ "github.com/mbox-stack/mbox/tcpfsm"`,
		},
		want: []string{
			"tcpfsm/a_test.go:1: tcpfsm and buffers do not know each other",
			"buffers/a_test.go:1: buffers and tcpfsm do not know each other",
			"rx/a_test.go:1: rx and shard do not know each other",
		},
	},
	{
		name: "some imports have their place",
		run:  misplacedImports,
		bad: map[string]string{
			"wire/a.go":         `package wire; import _ "unsafe"`,
			"buffers/a.go":      `package buffers; import _ "unsafe"`,
			"wire/a_test.go":    `package wire; import _ "unsafe"; import _ "golang.org/x/sys/unix"`,
			"shard/a.go":        `package shard; import _ "golang.org/x/sys/unix"`,
			"cmd/mbox/a.go":     `package main; import _ "golang.org/x/sys/unix"`,
			"rx/a.go":           `package rx; import "C"`,
			"rx/a_test.go":      `package rx; import "C"`,
			"tcpfsm/a.go":       `package tcpfsm; import (_ "time"; _ "sync/atomic"; _ "log/slog"; _ "fmt"; _ "math/bits")`,
			"tcpfsm/a_test.go":  `package tcpfsm; import _ "time"`,
			"internal/sys/a.go": `package sys; import (_ "unsafe"; _ "golang.org/x/sys/unix")`,
		},
		want: []string{
			"wire/a.go:1: wire must not import unsafe",
			"shard/a.go:1: shard must not import golang.org/x/sys/unix",
			"rx/a.go:1: rx must not import C",
			"rx/a_test.go:1: rx must not import C",
			"tcpfsm/a.go:1: tcpfsm must not import time",
			"tcpfsm/a.go:1: tcpfsm must not import sync/atomic",
			"tcpfsm/a.go:1: tcpfsm must not import log/slog",
			"tcpfsm/a.go:1: tcpfsm must not import fmt",
		},
	},
	{
		name: "packages are named for what they hold",
		run: func(m *module) (problems []string) {
			for _, f := range m.files {
				switch name := strings.TrimSuffix(f.Name.Name, "_test"); name {
				case "util", "utils", "common", "helper", "helpers", "misc", "shared":
					problems = append(problems, m.at(f.Name.Pos(), "package %s says nothing of what it holds", name))
				}
			}
			return problems
		},
		bad: map[string]string{"a/a.go": "package utils", "b/a_test.go": "package common_test", "c/a.go": "package craft"},
		want: []string{
			"a/a.go:1: package utils says nothing of what it holds",
			"b/a_test.go:1: package common says nothing of what it holds",
		},
	},
}

// own returns the package of this module that an import path names.
func own(importPath string) (pkg string, ok bool) {
	if importPath == modulePath {
		return "", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// upwardImports finds imports of packages that are not on a lower floor. Tests
// may import what they like, as far as Go itself lets them.
func upwardImports(m *module) (problems []string) {
	for _, f := range m.files {
		from, ok := floorOf(f.pkg)
		if !ok || f.test {
			continue
		}
		for _, spec := range f.Imports {
			pkg, ok := own(strings.Trim(spec.Path.Value, `"`))
			to, listed := floorOf(pkg)
			if ok && listed && to >= from {
				if pkg == "" {
					pkg = "the root package"
				}
				problems = append(problems, m.at(spec.Pos(), "%s (floor %d) must not import %s (floor %d)", f.pkg, from, pkg, to))
			}
		}
	}
	return problems
}

// strangers are packages that meet only in the one that joins them: shard joins
// a connection's state and its octets; a batch and a mailbox join rx and shard.
var strangers = [][2]string{{"tcpfsm", "buffers"}, {"rx", "shard"}}

func strangersMet(m *module) (problems []string) {
	for _, f := range m.files {
		for _, spec := range f.Imports {
			pkg, ok := own(strings.Trim(spec.Path.Value, `"`))
			for _, s := range strangers {
				if ok && (f.pkg == s[0] && pkg == s[1] || f.pkg == s[1] && pkg == s[0]) {
					problems = append(problems, m.at(spec.Pos(), "%s and %s do not know each other", f.pkg, pkg))
				}
			}
		}
	}
	return problems
}

// placed are imports that only some packages may have. A path stands for those
// below it.
var placed = []struct {
	path    string
	allowed func(f *file) bool
}{
	{"C", func(*file) bool { return false }},
	{"unsafe", func(f *file) bool { return f.test || within(f.pkg, "rx", "buffers", "internal/sys") }},
	{"golang.org/x/sys", func(f *file) bool {
		return f.test || within(f.pkg, "rx", "internal/sys", "internal/netns", "cmd", "perf")
	}},
	// A step of the state machine is a function of its arguments.
	{"time", notTCPFSM},
	{"sync", notTCPFSM},
	{"log", notTCPFSM},
	{"fmt", notTCPFSM},
}

func notTCPFSM(f *file) bool { return f.test || f.pkg != "tcpfsm" }

func misplacedImports(m *module) (problems []string) {
	for _, f := range m.files {
		for _, spec := range f.Imports {
			p := strings.Trim(spec.Path.Value, `"`)
			for _, rule := range placed {
				if within(p, rule.path) && !rule.allowed(f) {
					problems = append(problems, m.at(spec.Pos(), "%s must not import %s", f.pkg, p))
				}
			}
		}
	}
	return problems
}
