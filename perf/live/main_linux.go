package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/perf/internal/monitor"
)

// bench is what the command line says.
type bench struct {
	seconds  float64
	octets   int // of a segment's payload
	requests int // of a connection
	soak     time.Duration
	rate     int // of the soak, packets a second
	mode     string
	profile  string
	mbox     string
}

// parts are what there is to measure.
var parts = []struct {
	name string
	run  func(*bench) error
}{{"cpu", (*bench).cpu}, {"latency", (*bench).latency}, {"soak", (*bench).memory}}

func main() {
	b := &bench{}
	only := flag.String("only", "cpu,latency,soak", "what to measure")
	flag.Float64Var(&b.seconds, "seconds", 5, "of load, for cpu and for each of latency's three")
	flag.IntVar(&b.octets, "octets", 64, "of a segment's payload")
	flag.IntVar(&b.requests, "requests", 2, "of a connection, five segments each, for cpu and soak")
	flag.DurationVar(&b.soak, "soak", 40*time.Second, "how long to soak")
	flag.IntVar(&b.rate, "rate", 50_000, "packets a second of the soak")
	flag.StringVar(&b.mode, "mode", "flow", "of mbox web: packet, flow or stream")
	flag.StringVar(&b.profile, "profile", "", "of cpu's mbox: a kind that mbox --profile knows")
	flag.Parse()
	if err := b.run(strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

func (b *bench) run(only []string) error {
	if b.seconds <= 0 || b.octets < 1 || b.soak < 10*time.Second || b.rate <= 0 || flag.NArg() > 0 {
		return errors.New("-seconds, -octets and -rate are above 0, -soak at least 10s, and nothing follows the flags")
	}
	if b.requests < 1 || b.requests > requestsMax {
		return fmt.Errorf("-requests is within 1 and %d", requestsMax)
	}
	for _, name := range only {
		if !slices.ContainsFunc(parts, func(p struct {
			name string
			run  func(*bench) error
		}) bool {
			return p.name == name
		}) {
			return fmt.Errorf("-only %s: there are cpu, latency and soak", name)
		}
	}
	if err := netns.Available(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "live-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if b.mbox, err = monitor.Build(dir); err != nil {
		return err
	}
	for _, p := range parts {
		if slices.Contains(only, p.name) {
			if err := p.run(b); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

// pair returns two namespaces joined by a veth pair, and what closes them.
func pair() (sender, watched *netns.Namespace, stop func(), err error) {
	if sender, err = netns.New("sender"); err != nil {
		return nil, nil, nil, err
	}
	if watched, err = netns.New("watched"); err != nil {
		return nil, nil, nil, errors.Join(err, sender.Close())
	}
	stop = func() { _ = errors.Join(sender.Close(), watched.Close()) } // they are closed; there is nothing to say
	if err := netns.Connect(netns.Cable{A: netns.End{In: sender, Name: "c0"}, B: netns.End{In: watched, Name: "s0"}}); err != nil {
		stop()
		return nil, nil, nil, err
	}
	return sender, watched, stop, nil
}
