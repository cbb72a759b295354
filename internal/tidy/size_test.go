package tidy

import (
	"fmt"
	"go/ast"
	"strings"
)

const (
	// funcLinesMax is what fits on a screen. In good Go the median function has
	// seven lines, and one to five of a hundred exceed 70.
	funcLinesMax = 70

	// fileLinesMax is how long a file may be before its parts want names.
	fileLinesMax = 600
)

var sizeChecks = []check{
	{
		name: "functions fit on a screen",
		run: func(m *module) (problems []string) {
			for _, f := range m.files {
				for _, d := range f.Decls {
					fn, ok := d.(*ast.FuncDecl)
					if !ok {
						continue
					}
					lines := m.fset.Position(fn.End()).Line - m.fset.Position(fn.Pos()).Line + 1
					if lines > funcLinesMax {
						problems = append(problems, m.at(fn.Pos(), "%s has %d lines, limit %d", fn.Name.Name, lines, funcLinesMax))
					}
				}
			}
			return problems
		},
		bad: map[string]string{
			"wire/a.go":      "package wire\n\n// long is.\nfunc long() {" + strings.Repeat("\n", 70) + "}",
			"wire/b.go":      "package wire\n\nfunc fits() {" + strings.Repeat("\n", 69) + "}",
			"wire/a_test.go": "package wire\n\nfunc long() {" + strings.Repeat("\n", 99) + "}",
		},
		want: []string{
			"wire/a.go:4: long has 71 lines, limit 70",
			"wire/a_test.go:3: long has 100 lines, limit 70",
		},
	},
	{
		name: "files are of one subject",
		run: func(m *module) (problems []string) {
			for _, f := range m.files {
				if lines := strings.Count(f.src, "\n"); lines > fileLinesMax {
					problems = append(problems, fmt.Sprintf("%s:1: the file has %d lines, limit %d", f.path, lines, fileLinesMax))
				}
			}
			return problems
		},
		bad: map[string]string{
			"wire/a.go": "package wire" + strings.Repeat("\n", 601),
			"wire/b.go": "package wire" + strings.Repeat("\n", 600),
		},
		want: []string{"wire/a.go:1: the file has 601 lines, limit 600"},
	},
}
