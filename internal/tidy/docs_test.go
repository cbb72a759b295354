package tidy

import (
	"go/ast"
	"go/doc"
	"go/token"
	"path"
)

var docChecks = []check{
	{
		name: "exported names are documented",
		run:  undocumented,
		bad: map[string]string{
			"wire/a.go": `package wire
func Bare() {}
// Told is documented.
func Told() {}
type Naked struct{}
func (n *Naked) Method() {}
func (n hidden[T]) Method() {}
type hidden[T any] struct{}
const One = 1
// Several have one comment.
const ( Two = 2; Three = 3 )
var (
	// Four has its own.
	Four = 4
	Five = 5
	Six = 6 // Six has it behind.
)
// Open speaks for its methods.
type Open interface { Close() }
`,
			"cmd/mbox/a.go":        "package main\nfunc Bare() {}",
			"internal/craft/a.go":  "package craft\nfunc Bare() {}",
			"wire/a_test.go":       "package wire\nfunc Bare() {}",
			"examples/web/main.go": "package main\nfunc Bare() {}",
		},
		want: []string{
			"wire/a.go:2: Bare has no comment",
			"wire/a.go:5: Naked has no comment",
			"wire/a.go:6: Method has no comment",
			"wire/a.go:9: One has no comment",
			"wire/a.go:15: Five has no comment",
		},
	},
	{
		name: "each package says what it is for",
		run:  packagesWithoutDoc,
		bad: map[string]string{
			"wire/a.go":     "package wire",
			"frag/doc.go":   "package frag",
			"frag/a.go":     "// Package frag is told about in the wrong file.\npackage frag",
			"actors/doc.go": "// Package actors has it.\npackage actors",
			"cmd/mbox/a.go": "package main",
		},
		want: []string{
			"frag/doc.go:1: package frag has no package comment in its doc.go",
			"wire/doc.go:1: package wire has no package comment in its doc.go",
		},
	},
	{
		name: "each package has an Example",
		run:  packagesWithoutExample,
		bad: map[string]string{
			"wire/a.go":           "package wire",
			"wire/a_test.go":      "package wire_test\nfunc Example() {\n\tprintln()\n}\n",
			"frag/a.go":           "package frag",
			"frag/a_test.go":      "package frag_test\nfunc Example() {\n\tprintln()\n\t// Output:\n\t// 1\n}\n",
			"actors/a.go":         "package actors",
			"internal/craft/a.go": "package craft",
			"cmd/mbox/a.go":       "package main",
		},
		want: []string{
			"actors:1: no Example whose Output is checked",
			"wire:1: no Example whose Output is checked",
		},
	},
}

// undocumented finds exported names without a comment in packages that others
// can import.
func undocumented(m *module) (problems []string) {
	for _, f := range m.files {
		if !f.library() || f.internal() {
			continue
		}
		report := func(name *ast.Ident, comments ...*ast.CommentGroup) {
			for _, c := range comments {
				if c.Text() != "" {
					return
				}
			}
			if name.IsExported() {
				problems = append(problems, m.at(name.Pos(), "%s has no comment", name.Name))
			}
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || receiver(d.Recv.List[0].Type).IsExported() {
					report(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					reportSpec(d, spec, report)
				}
			}
		}
	}
	return problems
}

// reportSpec reports the names that spec, a part of d, declares. The comment of
// a group of constants or variables speaks for all of them, that of a type for
// its fields and methods without a body.
func reportSpec(d *ast.GenDecl, spec ast.Spec, report func(*ast.Ident, ...*ast.CommentGroup)) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			report(name, d.Doc, spec.Doc, spec.Comment)
		}
	case *ast.TypeSpec:
		comment := spec.Doc
		if d.Lparen == token.NoPos {
			comment = d.Doc
		}
		report(spec.Name, comment, spec.Comment)
	}
}

// receiver returns the name of a receiver's type.
func receiver(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x
		default:
			return ast.NewIdent("_")
		}
	}
}

// packagesWithoutDoc finds library packages without a comment in doc.go.
func packagesWithoutDoc(m *module) (problems []string) {
	documented := map[string]bool{}
	for _, f := range m.files {
		if path.Base(f.path) == "doc.go" && f.Doc.Text() != "" {
			documented[f.pkg] = true
		}
	}
	for _, f := range m.files {
		if f.library() && !documented[f.pkg] {
			documented[f.pkg] = true // once is enough
			problems = append(problems, path.Join(f.pkg, "doc.go")+":1: package "+f.Name.Name+" has no package comment in its doc.go")
		}
	}
	return problems
}

// packagesWithoutExample finds packages that others can import and that have no
// Example whose output a test compares.
func packagesWithoutExample(m *module) (problems []string) {
	shown := map[string]bool{}
	for _, f := range m.files {
		if f.test {
			for _, e := range doc.Examples(f.File) {
				shown[f.pkg] = shown[f.pkg] || e.Output != "" || e.EmptyOutput
			}
		}
	}
	for _, f := range m.files {
		if f.library() && !f.internal() && !shown[f.pkg] {
			shown[f.pkg] = true // once is enough
			problems = append(problems, path.Join(".", f.pkg)+":1: no Example whose Output is checked")
		}
	}
	return problems
}
