package tidy

import (
	"go/ast"
	"slices"
)

// banned are names of the standard library that only some packages may use, in
// code that is not a test.
var banned = []struct {
	path  string
	names []string
	in    func(pkg string) bool // packages that must not
	why   string
}{
	{
		path:  "time",
		names: []string{"Now", "Since", "Until"},
		in: func(pkg string) bool {
			return !within(pkg, "rx", "internal/clock", "cmd", "examples", "perf")
		},
		why: "time is handed in",
	},
	{
		path:  "sync",
		names: []string{"Mutex", "RWMutex", "Map"},
		in: func(pkg string) bool {
			return within(pkg, "wire", "tcpfsm", "buffers", "uevents", "shard")
		},
		why: "one goroutine owns what is here",
	},
}

var callChecks = []check{{
	name: "clocks and locks have their place",
	run:  bannedNames,
	bad: map[string]string{
		"wire/a.go":      "package wire\nimport \"sync\"\nvar a sync.Mutex\nvar b sync.Once",
		"shard/a.go":     "package shard\nimport s \"sync\"\ntype t struct { s.RWMutex; m s.Map }",
		"actors/a.go":    "package actors\nimport \"sync\"\nvar a sync.Mutex",
		"stack.go":       "package mbox\nimport \"time\"\nvar a = time.Now()\nvar b time.Duration",
		"frag/a.go":      "package frag\nimport \"time\"\nvar now = time.Now\nvar since = time.Since(time.Time{})",
		"rx/a.go":        "package rx\nimport \"time\"\nvar a = time.Now()",
		"cmd/mbox/a.go":  "package main\nimport \"time\"\nvar a = time.Now()",
		"frag/a_test.go": "package frag\nimport \"time\"\nvar a = time.Now()",
		"shard/now.go":   "package shard\nvar time struct { Now int }\nvar a = time.Now",
	},
	want: []string{
		"wire/a.go:3: wire must not use sync.Mutex: one goroutine owns what is here",
		"shard/a.go:3: shard must not use sync.RWMutex: one goroutine owns what is here",
		"shard/a.go:3: shard must not use sync.Map: one goroutine owns what is here",
		"stack.go:3: the root package must not use time.Now: time is handed in",
		"frag/a.go:3: frag must not use time.Now: time is handed in",
		"frag/a.go:4: frag must not use time.Since: time is handed in",
	},
}}

func bannedNames(m *module) (problems []string) {
	for _, f := range m.files {
		if f.test {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := selector.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, rule := range banned {
				if f.imports[x.Name] == rule.path && slices.Contains(rule.names, selector.Sel.Name) && rule.in(f.pkg) {
					pkg := f.pkg
					if pkg == "" {
						pkg = "the root package"
					}
					problems = append(problems, m.at(n.Pos(), "%s must not use %s.%s: %s", pkg, rule.path, selector.Sel.Name, rule.why))
				}
			}
			return true
		})
	}
	return problems
}
