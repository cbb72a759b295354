package tidy

import (
	"fmt"
	"go/ast"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// unbounded are functions that nearly every packet goes through and that index
// nothing that the compiler does not know to be there: it leaves no check of bounds
// in them. Others have checks that are the point of them (a header's length is
// looked at before it is read), or that cannot be had without (a handle's chunk).
var unbounded = []string{
	"wire.FlowKey.Hash", "wire.hash16", "wire.hash56", "wire.addOctets", "wire.fewOctets", "wire.order4", "wire.words4",
	"tcpfsm.Conn.Step", "tcpfsm.Conn.Plain", "tcpfsm.Conn.plain", "tcpfsm.Conn.AdvancePlain", "tcpfsm.Conn.stepPlain", "tcpfsm.Conn.Usual",
	"tcpfsm.Conn.usual", "tcpfsm.Conn.usualSYN", "tcpfsm.Conn.usualSYNACK", "tcpfsm.Conn.usualACK", "tcpfsm.Conn.usualFIN",
	"tcpfsm.tcb.inStep", "tcpfsm.tcb.acks", "tcpfsm.tcb.echo",
	"shard.Shard.indexOf", "shard.index.find", "shard.index.guess", "shard.index.touch", "shard.flow.dirOf", "shard.tally.add", "shard.Shard.arrived",
	"uevents.Dispatcher.steps", "rx.Receiver.step", "rx.clock.stamp",
}

// TestBounds asks the compiler where it has left checks.
func TestBounds(t *testing.T) {
	m, err := load("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-gcflags=-d=ssa/check_bce", "./wire", "./tcpfsm", "./shard", "./uevents", "./rx")
	cmd.Dir = "../.."
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	checks := map[string][]string{} // places, by function
	for line := range strings.Lines(string(said)) {
		if at, _, ok := strings.Cut(line, ": Found Is"); ok {
			fn := m.functionAt(at)
			checks[fn] = append(checks[fn], at)
		}
	}
	if len(checks) < 100 {
		t.Fatalf("checks are left in %d functions: the compiler has said something else\n%s", len(checks), said)
	}
	for _, fn := range unbounded {
		if !m.has(fn) {
			t.Errorf("there is no %s", fn)
		}
		if at := checks[fn]; len(at) > 0 {
			t.Errorf("%s checks bounds: %s", fn, strings.Join(at, ", "))
		}
	}
}

// has reports whether there is a function with a name as functionAt returns it.
func (m *module) has(name string) bool {
	for _, f := range m.files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && nameIn(f, fn) == name {
				return true
			}
		}
	}
	return false
}

// functionAt returns the name of the function at a "path:line:column", with its
// package and, of a method, its type's; "" if there is none.
func (m *module) functionAt(at string) string {
	parts := strings.Split(strings.TrimPrefix(at, "./"), ":")
	line, _ := strconv.Atoi(parts[1])
	for _, f := range m.files {
		if f.path != parts[0] {
			continue
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && m.fset.Position(fn.Pos()).Line <= line && line <= m.fset.Position(fn.End()).Line {
				return nameIn(f, fn)
			}
		}
	}
	return ""
}

func nameIn(f *file, fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return f.pkg + "." + fn.Name.Name
	}
	return fmt.Sprintf("%s.%s.%s", f.pkg, receiver(fn.Recv.List[0].Type), fn.Name.Name)
}
