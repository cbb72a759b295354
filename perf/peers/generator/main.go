// Generator is what a workload costs that is written as it is taken, and no peer:
// it takes the frames and does nothing with them.
package main

import (
	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

func main() {
	measure.Serve(func(measure.Setup) (measure.Peer, error) { return nothing{}, nil })
}

// nothing takes frames.
type nothing struct{}

// Run implements measure.Peer.
func (nothing) Run(src measure.Source) error {
	return measure.Chunks(src, func([]rx.Frame) error { return nil })
}

// End implements measure.Peer.
func (nothing) End(int64) (measure.Result, error) { return measure.Result{Unordered: true}, nil }
