package measure

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/mbox-stack/mbox/internal/sys"
)

// Growth is the variant in which a peer is run once, from nothing, and its memory
// is what counts. It answers with a Memory at once and ends.
const Growth = "growth"

// Memory is what a peer took of the machine's while its tables grew. The rest of
// the program, the workload included, is in all of it.
type Memory struct {
	Flows         uint64
	StartOctets   uint64  // resident before the first frame
	FullOctets    uint64  // with all flows in the table, garbage collected or not
	ClearedOctets uint64  // when all flows have ended and a minute of packet time has passed
	LaterOctets   uint64  // a minute of real time later
	Collections   uint64  // of garbage, in the run
	PauseNs       int64   // the longest stop of the world in the run, and in three collections of the full table
	CollectNs     int64   // the shortest of the three, from start to end
	CPUShare      float64 // of the collector in the run
	CPUNs         int64
}

// laterAfter is how long the runtime is given to return memory.
const laterAfter = time.Minute

// growth runs a peer once and says what it took.
func (t *turns) growth(out io.Writer) error {
	var m Memory
	var err error
	resident := func(octets *uint64) {
		n, e := sys.Resident()
		*octets, err = n, errors.Join(err, e)
	}
	runtime.GC()
	resident(&m.StartOctets)
	if e := t.src.Rewind(); e != nil {
		return e
	}
	before := collector()
	cpu := cpuTime()
	if e := t.peer.Run(t.src); e != nil {
		return e
	}
	m.CPUNs = cpuTime() - cpu
	after := collector()
	m.Collections, m.CPUShare = after.cycles-before.cycles, (after.cpu-before.cpu)*1e9/float64(m.CPUNs)
	resident(&m.FullOctets)
	m.CollectNs = math.MaxInt64
	for range 3 {
		start := time.Now()
		runtime.GC()
		m.CollectNs = min(m.CollectNs, time.Since(start).Nanoseconds())
	}
	m.PauseNs = collector().longestSince(before)
	got, e := t.peer.End(t.src.After())
	if e != nil {
		return e
	}
	m.Flows = t.load.Flows
	resident(&m.ClearedOctets)
	time.Sleep(t.later)
	resident(&m.LaterOctets)
	if err = errors.Join(err, t.check(got)); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(m)
}

// collected is what the collector had done at some time.
type collected struct {
	cycles uint64
	cpu    float64 // seconds
	pauses *metrics.Float64Histogram
}

func collector() collected {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	return collected{s[0].Value.Uint64(), s[1].Value.Float64(), s[2].Value.Float64Histogram()}
}

// longestSince returns the longest pause since before, in ns: the upper end of
// the part of the histogram that it is counted in.
func (c collected) longestSince(before collected) int64 {
	for i := len(c.pauses.Counts) - 1; i >= 0; i-- {
		if c.pauses.Counts[i] > before.pauses.Counts[i] {
			return int64(c.pauses.Buckets[i+1] * 1e9)
		}
	}
	return 0
}
