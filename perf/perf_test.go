package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mbox-stack/mbox/perf/internal/measure"
)

// played returns a peer whose turns took so many ns a packet, of ten.
func played(name string, ns ...int64) *peer {
	p := &peer{name: name, ready: measure.Ready{Frames: 10, Octets: 1000}}
	for _, n := range ns {
		p.samples = append(p.samples, measure.Sample{CPUNs: 10 * n, WallNs: 20 * n, Allocs: 5, AllocOctets: 30})
	}
	return p
}

// The table of a comparison: medians with their spread.
func TestReport(t *testing.T) {
	o := options{workload: measure.Workload{Name: "staggered", Connections: 1, Seed: 1}, turns: 3, cpu: 1}
	r := o.report([]*peer{played(own, 30, 10, 20), played("other", 90, 100, 80, 110)})
	r.Go = "go"
	var b bytes.Buffer
	if err := r.table(&b); err != nil {
		t.Fatal(err)
	}
	const want = "staggered: 1 connections, 10 packets, 100 octets each on average; 3 turns on CPU 1, go\n" + `
         CPU ns/packet  least   most  wall ns/packet  Gbit/s  allocs/packet  octets/packet  times mbox
   mbox           20.0   10.0   30.0            40.0   40.00        0.50000            3.0        1.00
  other           95.0   80.0  110.0           190.0    8.42        0.50000            3.0        4.75
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	if err := r.check(4.7); err != nil {
		t.Error(err)
	}
	if err := r.check(4.8); !errors.Is(err, errSlow) {
		t.Errorf("4.75 times is said to be 4.8: %v", err)
	}
}

// What the command line must not ask for.
func TestUsage(t *testing.T) {
	for _, o := range []options{{turns: 0, format: "table"}, {turns: 1, format: "xml"}, {turns: 1, format: "json", only: "novel"}} {
		if _, err := o.peers(); !errors.Is(err, errUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	names, err := (&options{turns: 1, format: "json", only: "tcpassembly"}).peers()
	if err != nil || len(names) != 2 || names[0] != own {
		t.Errorf("peers are %v, %v", names, err)
	}
}

// The real thing, small: peers are built, take turns and agree.
func TestPeersAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	o := options{workload: measure.Workload{Name: "lossy", Connections: 5, Seed: 3}, turns: 1, cpu: -1, format: "table"}
	names, err := o.peers()
	if err != nil {
		t.Fatal(err)
	}
	peers, stop, err := start(names, o.workload, o.cpu)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := takeTurns(peers, o.turns); err != nil {
		t.Fatal(err)
	}
	if r := o.report(peers); len(r.Peers) != 1+len(rivals()) {
		t.Errorf("the report has %d peers", len(r.Peers))
	}
}
