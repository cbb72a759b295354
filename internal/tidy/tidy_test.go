package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// check is one rule.
type check struct {
	name string
	run  func(*module) []string // what breaks the rule, "path:line: why"
	// bad is a module that breaks it, want what run says about that.
	bad  map[string]string
	want []string
}

// checks are all rules.
var checks = slices.Concat(floorChecks, callChecks, sizeChecks, docChecks, textChecks)

func TestModule(t *testing.T) {
	m, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.files) < 10 {
		t.Fatalf("found %d Go files: this is not the module", len(m.files))
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			for _, problem := range c.run(m) {
				t.Error(problem)
			}
		})
	}
}

func TestChecksCanFail(t *testing.T) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			m, err := parse(c.bad)
			if err != nil {
				t.Fatal(err)
			}
			got := c.run(m)
			slices.Sort(got)
			slices.Sort(c.want)
			if len(got) == 0 || !slices.Equal(got, c.want) {
				t.Errorf("found:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

// modulePath is what go.mod says.
const modulePath = "github.com/mbox-stack/mbox"

// module is the source of a module: its Go files, and the text of all files.
type module struct {
	fset  *token.FileSet
	files []*file           // sorted by path
	text  map[string]string // by path; files that are not text are ""
	dirs  map[string]bool
}

// file is a Go file.
type file struct {
	*ast.File
	path    string // from the module's root, with slashes
	pkg     string // directory of path, "" is the root package
	src     string
	test    bool              // its name ends in _test.go
	imports map[string]string // path by the name that the file uses
}

// textMax bounds the files that are looked at as text: what people write is
// shorter, what is longer is data.
const textMax = 1 << 20

// load reads the module in dir: what the go command would look at, and the
// text beside it.
func load(dir string) (*module, error) {
	text := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			if e.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		rel = filepath.ToSlash(rel)
		text[rel] = ""
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > textMax {
			return err
		}
		b, err := os.ReadFile(name)
		if err == nil && utf8.Valid(b) && !strings.ContainsRune(string(b), 0) {
			text[rel] = string(b)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// parse makes a module of its files' text, by path.
func parse(text map[string]string) (*module, error) {
	m := &module{fset: token.NewFileSet(), text: text, dirs: map[string]bool{".": true}}
	for name, src := range text {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			m.dirs[dir] = true
		}
		if !strings.HasSuffix(name, ".go") || ignored(name) {
			continue
		}
		tree, err := parser.ParseFile(m.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		f := &file{File: tree, path: name, src: src, test: strings.HasSuffix(name, "_test.go"), imports: map[string]string{}}
		if f.pkg = path.Dir(name); f.pkg == "." {
			f.pkg = ""
		}
		for _, spec := range tree.Imports {
			p := strings.Trim(spec.Path.Value, "\"`")
			local := path.Base(p)
			if spec.Name != nil {
				local = spec.Name.Name
			}
			f.imports[local] = p
		}
		m.files = append(m.files, f)
	}
	slices.SortFunc(m.files, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	return m, nil
}

// ignored reports whether the go command passes over the file.
func ignored(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "testdata" || part[0] == '_' || part[0] == '.' {
			return true
		}
	}
	return false
}

// library reports whether f is part of a package that programs import.
func (f *file) library() bool { return f.Name.Name != "main" && !f.test }

// internal reports whether only this module can import f's package.
func (f *file) internal() bool {
	return slices.Contains(strings.Split(f.pkg, "/"), "internal")
}

// within reports whether the package is one of these, or lies below one of
// them. The root package is "".
func within(pkg string, of ...string) bool {
	for _, p := range of {
		if pkg == p || (p != "" && strings.HasPrefix(pkg, p+"/")) {
			return true
		}
	}
	return false
}

// at formats a problem at a place in the source.
func (m *module) at(pos token.Pos, format string, args ...any) string {
	p := m.fset.Position(pos)
	return fmt.Sprintf("%s:%d: ", p.Filename, p.Line) + fmt.Sprintf(format, args...)
}
