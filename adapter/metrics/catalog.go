package metrics

import "github.com/prometheus/client_golang/prometheus"

// metric is one family of time series.
type metric uint8

const (
	receivedFrames metric = iota
	receivedBytes
	clockSteps
	forwarded
	boxDropped
	boxHeldBack
	boxWaits
	boxWaited
	fragmentBytes
	packets
	flowsBegun
	flowsEnded
	flowsEvicted
	flowsLive
	memory
	pressed
	refused
	gaps
	gapBytes
	anomalies
	orphans
	timers
	panics
	offloadBusy
	offloadLost
	slotsCame
	slotsWent
	held
	hurried
	late
	boxDepth
	boxCapacity
	lag
	frames
	framesPassing
	handed
	inFlight
	dropped
	balanced
	flows
	endpoints
	ringFrames
	ringDropped
	ringFreezes
	ringLosing
	ringLoopbacks
	ringTruncated
	ringReopened
	ringDowns
	ringLent
	ringMoved
	ringUnread
	metricCount
)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// catalog is all families there are. Names get "mbox_" in front.
var catalog = [metricCount]struct {
	kind   prometheus.ValueType
	name   string
	help   string
	labels []string
}{
	receivedFrames: {counter, "received_frames_total", "Frames that a source has brought.", []string{"source"}},
	receivedBytes:  {counter, "received_bytes_total", "Captured octets of them.", []string{"source"}},
	clockSteps:     {counter, "clock_steps_total", "Times that a source's clock went back and was re-based.", []string{"source"}},
	forwarded:      {counter, "forwarded_fragments_total", "IP fragments that a ring gave to the one that puts their datagram together.", []string{"source"}},
	boxDropped:     {counter, "mailbox_dropped_packets_total", "Packets that a full mailbox did not take.", []string{"source", "shard"}},
	boxHeldBack:    {counter, "mailbox_held_back_batches_total", "Batches of those dropped that were not offered to it: the shard held its share of the source's blocks.", []string{"source", "shard"}},
	boxWaits:       {counter, "mailbox_waits_total", "Batches that waited for room in a mailbox; live sources never wait.", []string{"source", "shard"}},
	boxWaited:      {counter, "mailbox_wait_seconds_total", "How long they waited in all.", []string{"source", "shard"}},
	fragmentBytes:  {gauge, "fragment_memory_bytes", "Memory in use for IP fragments.", []string{"source"}},
	packets:        {counter, "packets_total", "Packets that a shard has handled, by what became of them.", []string{"shard", "fate"}},
	flowsBegun:     {counter, "flows_begun_total", "Flows that began.", []string{"shard"}},
	flowsEnded:     {counter, "flows_ended_total", "Flows that ended, by reason.", []string{"shard", "reason"}},
	flowsEvicted:   {counter, "flows_evicted_total", "Flow records that made room for another flow, by what they were.", []string{"shard", "was"}},
	flowsLive:      {gauge, "shard_flows", "Flows now.", []string{"shard"}},
	memory:         {gauge, "shard_memory_bytes", "Memory of a shard's flows and streams.", []string{"shard", "of"}},
	pressed:        {counter, "memory_pressure_steps_total", "Steps of the traffic at which stream memory was short.", []string{"shard"}},
	refused:        {counter, "stream_refused_bytes_total", "Octets of streams that no budget had room for.", []string{"shard"}},
	gaps:           {counter, "gaps_total", "Holes in streams that were given up.", []string{"shard"}},
	gapBytes:       {counter, "gap_bytes_total", "Octets in them.", []string{"shard"}},
	anomalies:      {counter, "anomalies_total", "Segments that did what RFC 9293 does not expect, by their anomalies.", []string{"shard"}},
	orphans:        {counter, "orphans_total", "TCP segments of no connection.", []string{"shard"}},
	timers:         {counter, "timers_total", "Timers that fired.", []string{"shard"}},
	panics:         {counter, "handler_panics_total", "Panics of handlers and filters.", []string{"shard"}},
	offloadBusy:    {counter, "offload_busy_total", "Calls of Offload that found the pool full.", []string{"shard"}},
	offloadLost:    {counter, "offload_lost_total", "Results of Offload whose flow was gone.", []string{"shard"}},
	slotsCame:      {counter, "slots_received_total", "Slots that came from other shards.", []string{"shard"}},
	slotsWent:      {counter, "slots_given_total", "Slots that went to other shards.", []string{"shard"}},
	held:           {counter, "held_frames_total", "Frames held back while their slot was on its way to the shard.", []string{"shard"}},
	hurried:        {counter, "ring_order_hurried_total", "Frames that did not wait any longer for rings that were behind.", []string{"shard"}},
	late:           {counter, "ring_order_late_total", "Frames that came after younger ones of other rings had been taken.", []string{"shard"}},
	boxDepth:       {gauge, "mailbox_depth", "Messages that wait in a shard's mailbox.", []string{"shard", "mailbox"}},
	boxCapacity:    {gauge, "mailbox_capacity", "Messages that may wait there.", []string{"shard", "mailbox"}},
	lag:            {gauge, "shard_lag_seconds", "By how much source time a shard trails the source that is furthest ahead, as of its latest publication.", []string{"shard"}},
	frames:         {counter, "frames_total", "Frames received, by what became of them; with frames_in_flight, they add up to received_frames_total.", []string{"disposition"}},
	framesPassing:  {gauge, "frames_in_flight", "Frames received that have yet to become something else: IP fragments.", []string{"disposition"}},
	handed:         {counter, "handed_packets_total", "Packets handed to shards: whole frames, and datagrams put together from fragments.", nil},
	inFlight:       {gauge, "packets_in_flight", "Of them, those on their way to a shard.", nil},
	dropped:        {counter, "dropped_total", "Packets lost, by the place where.", []string{"place"}},
	balanced:       {gauge, "ledgers_balanced", "1 if every frame has one disposition and every packet one fate.", nil},
	flows:          {gauge, "flows", "Flows now, by where they stand.", []string{"phase"}},
	endpoints:      {gauge, "tcp_endpoints", "Endpoints of TCP flows now, by their state.", []string{"side", "state"}},
	ringFrames:     {counter, "ring_frames_total", "Frames that the kernel put into a ring.", []string{"source"}},
	ringDropped:    {counter, "ring_dropped_frames_total", "Frames for which it had no room.", []string{"source"}},
	ringFreezes:    {counter, "ring_freezes_total", "Times that it had no free block.", []string{"source"}},
	ringLosing:     {counter, "ring_losing_blocks_total", "Blocks that were handed over while frames were dropped.", []string{"source"}},
	ringLoopbacks:  {counter, "ring_loopback_copies_total", "Second copies of frames on a loopback interface, discarded.", []string{"source"}},
	ringTruncated:  {counter, "ring_truncated_frames_total", "Frames longer than a block, received cut short.", []string{"source"}},
	ringReopened:   {counter, "ring_reopened_total", "Times that the ring was opened anew on an interface that came back.", []string{"source"}},
	ringDowns:      {counter, "link_downs_total", "Times that the interface went down or away.", []string{"source"}},
	ringLent:       {gauge, "ring_blocks_lent", "Blocks of the ring that shards hold.", []string{"source"}},
	ringMoved:      {counter, "ring_moved_blocks_total", "Blocks copied aside, because a shard held them in the kernel's way.", []string{"source"}},
	ringUnread:     {gauge, "ring_unread_frames", "Frames that lie in a ring, or did when it was closed.", []string{"source"}},
}

// descs are the families as Prometheus names them.
var descs = func() (all [metricCount]*prometheus.Desc) {
	for i, m := range catalog {
		all[i] = prometheus.NewDesc("mbox_"+m.name, m.help, m.labels, nil)
	}
	return all
}()
