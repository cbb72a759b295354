// Package metrics shows what a Stack does to Prometheus.
//
//	registry.MustRegister(metrics.New(stack, sources...))
//
// A Collector reads snapshots when it is scraped (Stack.Stats, Stack.Census) and
// does nothing in between: no packet pays for it. The census walks over all
// flows, a few slots at a time, which costs some 80 ns a flow and scrape
// (BenchmarkCensus of the root package); with millions of flows, scrape every
// fifteen seconds and not every second.
//
// # What adds up
//
// Both ledgers of Stats are there. The sum of mbox_frames_total over
// dispositions, and of mbox_frames_in_flight, is that of
// mbox_received_frames_total over sources (while rings hand fragments to one
// another, to within what is under way); the sum of mbox_packets_total over shards and
// fates but "raw-only", and of mbox_packets_in_flight, is
// mbox_handed_packets_total. mbox_dropped_total has what was lost, by place:
// each place is one thing to do something about, and what is not there was not
// lost.
//
// # Traps
//
// A receiver's counters are as of its latest chunk, a shard's as of the scrape.
// The two are not of one moment: what a receiver has handed over since is in
// flight. If a shard hangs in a handler, its counters are as of before that, and
// mbox_flows and mbox_tcp_endpoints are missing. A run's counters stay readable
// after it.
package metrics
