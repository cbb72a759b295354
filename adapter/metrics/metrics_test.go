package metrics_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/adapter/metrics"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
)

// Example shows the ledgers of a run as Prometheus reads them.
func Example() {
	stack, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	stack.Monitor(mbox.Stream)
	src := demo()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.New(stack, src))
	if err := stack.Run(context.Background(), src); err != nil {
		fmt.Println(err)
	}
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range families {
		if f.GetName() == "mbox_ledgers_balanced" {
			fmt.Println(f.GetName(), f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output:
	// mbox_ledgers_balanced 1
}

// demo returns the demo's frames as a source.
func demo() rx.Source {
	var frames []rx.Frame
	for ns, data := range traffic.All(traffic.NewDemo()) {
		frames = append(frames, rx.Frame{Data: data, Timestamp: ns, WireLen: uint32(len(data)), Link: 1})
	}
	return rx.NewMemory(frames...)
}

// named is a source with a name.
type named struct {
	rx.Source
	name string
}

// String implements fmt.Stringer.
func (n named) String() string { return n.name }

// gathered is a scrape: what each series reads.
type gathered map[string]float64

// gather scrapes everything; series are named "family{value,value}".
func gather(t *testing.T, c prometheus.Collector) gathered {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := gathered{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			all[f.GetName()+"{"+strings.Join(values, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// sum adds up what begins with prefix, except what contains one of but.
func (g gathered) sum(prefix string, but ...string) (sum float64) {
next:
	for name, v := range g {
		for _, b := range but {
			if strings.Contains(name, b) {
				continue next
			}
		}
		if strings.HasPrefix(name, prefix) {
			sum += v
		}
	}
	return sum
}

// TestLedgers: both ledgers add up in what Prometheus reads, before the run,
// amid it and after it, and the census finds the flows that live.
func TestLedgers(t *testing.T) {
	stack, err := mbox.New(mbox.Config{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	src := named{demo(), "a\xffb"}
	c := metrics.New(stack, src, named{demo(), "a\xffb"})
	stack.Monitor(mbox.Stream)
	var amid gathered
	before := gather(t, c)
	if n := before.sum("mbox_received_frames_total"); n != 0 || len(before) == 0 {
		t.Errorf("%v frames before the run, and %d series", n, len(before))
	}
	pause := &paused{Source: src, reached: make(chan struct{}), resume: make(chan struct{})}
	done := make(chan error)
	go func() { done <- stack.Run(t.Context(), pause) }()
	<-pause.reached
	for amid.sum("mbox_tcp_endpoints{") == 0 { // until the shards have what was sent to them
		amid = gather(t, c)
	}
	close(pause.resume)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	after := gather(t, c)

	if amid.sum("mbox_flows{") == 0 || amid.sum("mbox_mailbox_capacity{") == 0 {
		t.Errorf("no flows amid the run: %v", amid)
	}
	for when, g := range map[string]gathered{"amid": amid, "after": after} {
		if in, out := g["mbox_received_frames_total{a?b}"], g.sum("mbox_frames_total{")+g.sum("mbox_frames_in_flight{"); in != out {
			t.Errorf("%s: %v frames received, %v disposed of", when, in, out)
		}
	}
	in, out := after["mbox_handed_packets_total{}"], after.sum("mbox_packets_total{", "raw-only")+after["mbox_packets_in_flight{}"]
	if in != out || in == 0 || after["mbox_ledgers_balanced{}"] != 1 {
		t.Errorf("%v packets handed over, %v have a fate", in, out)
	}
	if begun, ended := after.sum("mbox_flows_begun_total{"), after.sum("mbox_flows_ended_total{"); begun != ended || begun == 0 {
		t.Errorf("%v flows begun, %v ended", begun, ended)
	}
}

// paused is a source that stops between its frames and its end.
type paused struct {
	rx.Source
	reached, resume chan struct{}
	calls           int
}

// Next implements rx.Source.
func (p *paused) Next(c *rx.Chunk) error {
	if p.calls++; p.calls == 2 {
		close(p.reached)
		<-p.resume
	}
	return p.Source.Next(c)
}

// TestNames: names and labels are as Prometheus wants them.
func TestNames(t *testing.T) {
	stack, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	src := demo()
	if err := stack.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.CollectAndLint(metrics.New(stack, src))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestShardThatHangs: a scrape does not wait for a shard that does not answer,
// and has what is known without it.
func TestShardThatHangs(t *testing.T) {
	stack, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	hangs, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	err = stack.Monitor(mbox.Stream).Handle(mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) {
		once.Do(func() { close(hangs) })
		<-free
	})
	if err != nil {
		t.Fatal(err)
	}
	src := demo()
	c := metrics.New(stack, src)
	done := make(chan error)
	go func() { done <- stack.Run(t.Context(), src) }()
	<-hangs
	for range 2 { // the second one does not ask again
		g := gather(t, c)
		if _, there := g["mbox_flows{embryonic}"]; there || g["mbox_mailbox_capacity{traffic,0}"] == 0 {
			t.Errorf("%v", g)
		}
	}
	close(free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if g := gather(t, c); g["mbox_ledgers_balanced{}"] != 1 {
		t.Errorf("%v", g)
	}
}

// ringSource is a source that counts as a ring does.
type ringSource struct{ rx.Source }

// Counters is a ring's.
func (ringSource) Counters() rx.RingCounters {
	return rx.RingCounters{
		Packets: 1, Drops: 2, Freezes: 3, Losing: 4, Loopbacks: 5, Unread: 6, Truncated: 7, Reopened: 8, LinkDowns: 9, BlocksLent: 10, BlocksMoved: 11,
	}
}

// TestRingCounters: whatever a ring counts can be read, each in one series.
func TestRingCounters(t *testing.T) {
	stack, err := mbox.New(mbox.Config{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	src := ringSource{demo()}
	if err := stack.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	g := gather(t, metrics.New(stack, src))
	counts := reflect.ValueOf(src.Counters())
	for i := range counts.NumField() {
		n, found := float64(counts.Field(i).Uint()), 0
		for name, v := range g {
			if (strings.HasPrefix(name, "mbox_ring_") || strings.HasPrefix(name, "mbox_link_")) && v == n {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s is in %d series", counts.Type().Field(i).Name, found)
		}
	}
	for _, name := range []string{"mbox_forwarded_fragments_total{0}", "mbox_mailbox_held_back_batches_total{0,0}", "mbox_dropped_total{between-rings}"} {
		if _, there := g[name]; !there {
			t.Errorf("no %s", name)
		}
	}
}
