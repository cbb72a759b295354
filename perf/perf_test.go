package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

// played returns a peer whose turns took so many ns a packet, of ten.
func played(p program, ns ...int64) *peer {
	q := &peer{program: p, ready: measure.Ready{Frames: 10, Octets: 1000}}
	for _, n := range ns {
		q.samples = append(q.samples, measure.Sample{CPUNs: 10 * n, WallNs: 20 * n, EndNs: 10, Allocs: 5, AllocOctets: 30, PeakOctets: 7e6})
	}
	return q
}

// reported returns a report of one figure of two programs.
func reported() *report {
	f := figure{section: sectionPeers, setup: measure.Setup{Mode: measure.Read}, programs: []program{own, rivals[0]}}
	f.setup.Name, f.setup.Payload = "w1", 512
	r := &report{Go: "go", CPU: 1, Turns: 3}
	r.Rows = f.rows([]*peer{played(own, 30, 10, 20), played(rivals[0], 90, 100, 80, 110)})
	return r
}

// The table of a comparison: medians with their spread.
func TestTable(t *testing.T) {
	r := reported()
	var b bytes.Buffer
	if err := r.write(&b, "table"); err != nil {
		t.Fatal(err)
	}
	const want = `CPU time of a packet in ns; 3 turns on CPU 1, go

  section  workload  mode  checksums     program  median  best  worst   wall  end  times    of  Gbit/s  allocs  peak MB  instructions  note
    peers    w1/512  read        off        mbox    20.0  10.0   30.0   40.0  1.0   1.00  mbox    40.0  0.5000        7             -  
    peers    w1/512  read        off  reassembly    95.0  80.0  110.0  190.0  1.0   4.57  mbox     8.4  0.5000        7             -  
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	if err := r.check(4.5); err != nil {
		t.Error(err)
	}
	if err := r.check(4.6); !errors.Is(err, errSlow) {
		t.Errorf("4.57 times is said to be 4.6: %v", err)
	}
}

// The form that benchstat reads has a line for each turn.
func TestBench(t *testing.T) {
	var b bytes.Buffer
	if err := reported().write(&b, "bench"); err != nil {
		t.Fatal(err)
	}
	const want = "BenchmarkPacket/peers/workload=w1/512/mode=read/checksums=off/program=mbox 10 30.00 ns/op\n"
	if lines := strings.SplitAfter(b.String(), "\n"); lines[0] != want || len(lines) != 3+4+1 {
		t.Errorf("got\n%swant %d lines, the first\n%s", &b, 3+4, want)
	}
}

// The drawing is well-formed and has a bar for each program.
func TestSVG(t *testing.T) {
	r := reported()
	r.Rows[1].Program = "a<b"
	name := filepath.Join(t.TempDir(), "perf.svg")
	if err := r.draw(name); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	bars := 0
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			bars++
		}
	}
	if bars != 2 {
		t.Errorf("%d bars, want 2", bars)
	}
}

// What the command line must not ask for.
func TestUsage(t *testing.T) {
	for _, args := range []string{"-turns 0", "-format xml", "-workload novel", "-mode all", "-verify maybe", "-payload x",
		"-write a.pcap", "-write a.pcap -workload w1,w2"} {
		o, fs := newOptions()
		fs.Parse(strings.Fields(args))
		if err := o.run(t.Context(), &bytes.Buffer{}); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// Flags choose figures: each payload, mode and use of checksums is one.
func TestFigures(t *testing.T) {
	for args, want := range map[string]int{
		"-workload w1 -mode track":                        3, // payloads
		"-workload w1 -payload 512 -mode read":            2, // checksums off, verified
		"-workload w1,w4 -payload 0,9 -mode track,events": (2 + 1) * (1 + 2),
		"-peers -workload w1 -payload 512":                1,
		"-peers -stack -workload w4 -mode history":        2,
		"-file -scale -control -apps -memory":             1 + 2 + 2 + 1 + 2,
		"-memory -workload w3":                            1,
		"-workload w3":                                    1, // track
	} {
		o, fs := newOptions()
		fs.Parse(strings.Fields(args))
		err := o.check()
		figures, err2 := o.figures()
		if err != nil || err2 != nil || len(figures) != want {
			t.Errorf("%s: %d figures, want %d: %v, %v", args, len(figures), want, err, err2)
		}
	}
}

// The real thing, small: programs are built, take turns and agree.
func TestProgramsAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	o, fs := newOptions()
	fs.Parse(strings.Fields("-stack -peers -workload w3,w6 -mode history,read -verify off -connections 5 -turns 1 -cpu -1 -format json"))
	var b bytes.Buffer
	if err := o.run(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `"program"`); n != 2*3+2*4+2*3 {
		t.Errorf("%d rows in\n%s", n, &b)
	}
}

// Whole processes and other ways to run mbox, small.
func TestFixedFigures(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	o, fs := newOptions()
	fs.Parse(strings.Fields("-file -control -apps -connections 5 -turns 1 -cpu -1"))
	var b bytes.Buffer
	if err := o.run(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"four-processes", "one-stopped", fmt.Sprint(5*(400+8192), " octets read"), "tcpassembly"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

// Where frames are written as they are taken, what that costs is subtracted.
func TestGenerator(t *testing.T) {
	f := figure{section: sectionStack, programs: []program{own, floors[0], generator}, base: 1}
	rows := f.rows([]*peer{played(own, 50), played(floors[0], 30), played(generator, 10)})
	if rows[0].CPU.Median != 40 || rows[0].Times != 2 || rows[0].Subtracted != 10 || rows[2].CPU.Median != 10 {
		t.Errorf("%+v", rows)
	}
}

// A workload becomes a capture of as many frames.
func TestWrite(t *testing.T) {
	o, fs := newOptions()
	name := filepath.Join(t.TempDir(), "w1.pcap")
	fs.Parse([]string{"-workload", "w1", "-payload", "9", "-connections", "3", "-write", name})
	if err := o.run(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	m, err := rx.Load(rx.File(name))
	if err != nil || m.Len() != 3*16 {
		t.Errorf("%d frames: %v", m.Len(), err)
	}
}
