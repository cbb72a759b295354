package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
)

// names are all examples.
var names = []string{"synrexmit", "conflict", "webmonitor", "perhost", "stopside", "pattern", "assets"}

// TestComposability: any number of programs in one stack print, byte for byte,
// what each prints alone. They want different things of the same flows: one
// switches the servers' streams off and stops following servers, others read
// them; one keeps history, others keep nothing.
func TestComposability(t *testing.T) {
	program := compose(t)
	day, err := filepath.Abs("day.pcap.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, capture := range []string{day, lossy(t)} {
		alone := map[string]string{}
		for _, name := range names {
			alone[name] = play(t, program, capture, 1, name)[name]
			if alone[name] == "" {
				t.Errorf("%s prints nothing on %s", name, capture)
			}
		}
		reversed := slices.Clone(names)
		slices.Reverse(reversed)
		four := []string{"conflict", "stopside", "pattern", "assets"}
		for shards, together := range map[int][]string{1: four, 2: names, 3: reversed} {
			for name, got := range play(t, program, capture, shards, together...) {
				if got != alone[name] {
					t.Errorf("%s beside %v, on %d shards:\n%swant, as alone\n%s", name, together, shards, got, alone[name])
				}
			}
		}
	}
}

// composedMain runs the examples that its arguments name in one stack, and
// writes what each prints to a file of its name.
const composedMain = `package main

import (
	"bytes"
	"context"
	"os"
	"strconv"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
%s)

func main() {
	registers := map[string]func(*mbox.Stack, *bytes.Buffer) (func(), error){
%s	}
	capture, dir := os.Args[1], os.Args[3]
	shards, _ := strconv.Atoi(os.Args[2])
	stack, err := mbox.New(mbox.Config{Shards: shards})
	check(err)
	outs, reports := map[string]*bytes.Buffer{}, map[string]func(){}
	for _, name := range os.Args[4:] {
		outs[name] = &bytes.Buffer{}
		reports[name], err = registers[name](stack, outs[name])
		check(err)
	}
	check(stack.Run(context.Background(), rx.File(capture)))
	for name, out := range outs {
		reports[name]()
		check(os.WriteFile(dir+"/"+name, out.Bytes(), 0o644))
	}
}

func check(err error) {
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
`

// compose builds composedMain from the sources of the examples as they stand. A
// program cannot be imported, so the compiler is shown packages in their place
// that lie nowhere: the same text, but for the name of the package.
func compose(t *testing.T) string {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is needed to build the examples into one program: ", err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	put := func(name, text string) {
		file := filepath.Join(dir, fmt.Sprint(len(replace)))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, "examples", "composed", name)] = file
	}
	var imports, registers string
	for _, name := range names {
		source, err := os.ReadFile(filepath.Join(name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		put(name+"/main.go", strings.Replace(string(source), "\npackage main\n", "\npackage "+name+"\n", 1))
		put(name+"/export.go", "package "+name+"\n\n// Register is register.\nvar Register = register\n")
		imports += fmt.Sprintf("\t%q\n", "github.com/mbox-stack/mbox/examples/composed/"+name)
		registers += fmt.Sprintf("\t\t%q: func(s *mbox.Stack, b *bytes.Buffer) (func(), error) { return %s.Register(s, b) },\n", name, name)
	}
	put("main.go", fmt.Sprintf(composedMain, imports, registers))
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "composed.exe")
	build := exec.Command(goTool, "build", "-ldflags", "-s -w", "-overlay", list, "-o", program, "./examples/composed")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// play runs the program and returns what each example has printed.
func play(t *testing.T, program, capture string, shards int, names ...string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(program, append([]string{capture, fmt.Sprint(shards), dir}, names...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", names, err, out)
	}
	printed := map[string]string{}
	for _, name := range names {
		out, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		printed[name] = string(out)
	}
	return printed
}

// lossy writes a capture of pages over a bad path.
func lossy(t *testing.T) string {
	t.Helper()
	pages, err := traffic.NewConnections(traffic.Lossy(1, 20))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := traffic.WriteCapture(&file, pages, 0); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "lossy.pcap")
	if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
