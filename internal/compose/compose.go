package compose

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

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

// Build builds composedMain from the sources of the examples as they stand, in
// dir, and returns the program. root is the directory of the module. A program
// cannot be imported, so the compiler is shown packages in their place that lie
// nowhere: the same text, but for the name of the package.
func Build(root, dir string, names []string) (program string, err error) {
	replace := map[string]string{}
	put := func(name, text string) error {
		file := filepath.Join(dir, fmt.Sprint(len(replace)))
		replace[filepath.Join(root, "examples", "composed", name)] = file
		return os.WriteFile(file, []byte(text), 0o644)
	}
	var imports, registers string
	for _, name := range names {
		source, err := os.ReadFile(filepath.Join(root, "examples", name, "main.go"))
		if err != nil {
			return "", err
		}
		if err := put(name+"/main.go", strings.Replace(string(source), "\npackage main\n", "\npackage "+name+"\n", 1)); err != nil {
			return "", err
		}
		if err := put(name+"/export.go", "package "+name+"\n\n// Register is register.\nvar Register = register\n"); err != nil {
			return "", err
		}
		imports += fmt.Sprintf("\t%q\n", "github.com/mbox-stack/mbox/examples/composed/"+name)
		registers += fmt.Sprintf("\t\t%q: func(s *mbox.Stack, b *bytes.Buffer) (func(), error) { return %s.Register(s, b) },\n", name, name)
	}
	if err := put("main.go", fmt.Sprintf(composedMain, imports, registers)); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return "", err
	}
	program = filepath.Join(dir, "composed.exe")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-overlay", list, "-o", program, "./examples/composed")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the examples into one program: %w\n%s", err, out)
	}
	return program, nil
}
