package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	composer "github.com/mbox-stack/mbox/internal/compose"
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

// compose builds the program.
func compose(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is needed to build the examples into one program: ", err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	program, err := composer.Build(root, t.TempDir(), names)
	if err != nil {
		t.Fatal(err)
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
