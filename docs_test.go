package mbox_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
)

// receivers are the names that the documentation gives to values.
var receivers = map[string]reflect.Type{
	"c":        reflect.TypeFor[*mbox.Context](),
	"c.Flow()": reflect.TypeFor[mbox.Flow](),
	"sock":     reflect.TypeFor[*mbox.Socket](),
	"stack":    reflect.TypeFor[*mbox.Stack](),
	"k":        reflect.TypeFor[mbox.Key[int]](),
	"l":        reflect.TypeFor[*mbox.Local[int]](),
	"Config":   reflect.TypeFor[mbox.Config](),
	"Timeouts": reflect.TypeFor[mbox.Timeouts](),
	"Socket":   reflect.TypeFor[*mbox.Socket](),
	"Context":  reflect.TypeFor[*mbox.Context](),
	"Stats":    reflect.TypeFor[*mbox.Stats](),
}

var (
	called   = regexp.MustCompile(`\b(c\.Flow\(\)|c|sock|stack|k|l|Config|Timeouts|Socket|Context|Stats)\.([A-Z]\w*)`)
	exported = regexp.MustCompile(`\b(?:mbox\.)?((?:On|End|Err|Start|Gap|Match)[A-Z][A-Za-z]*)\b`)
)

// What the documentation calls, there is.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	names := exportedNames(t)
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	checked := 0
	for _, file := range append(files, "README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range called.FindAllStringSubmatch(string(text), -1) {
			checked++
			if !has(receivers[m[1]], m[2]) {
				t.Errorf("%s: %s has no %s", file, m[1], m[2])
			}
		}
		for _, m := range exported.FindAllStringSubmatch(string(text), -1) {
			checked++
			if !names[m[1]] {
				t.Errorf("%s: there is no %s", file, m[1])
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d names were found", checked)
	}
}

// has reports whether a type has a method or field.
func has(of reflect.Type, name string) bool {
	if _, ok := of.MethodByName(name); ok {
		return true
	}
	if of.Kind() != reflect.Struct {
		return false
	}
	_, ok := of.FieldByName(name)
	return ok
}

// exportedNames returns what the packages that handlers use declare: the root
// package, and those whose errors and types it lends.
func exportedNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, dir := range []string{".", "buffers", "uevents", "rx", "tcpfsm"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					for _, id := range n.Names {
						names[id.Name] = true
					}
				case *ast.TypeSpec:
					names[n.Name.Name] = true
				}
				return true
			})
		}
	}
	return names
}
