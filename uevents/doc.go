// Package uevents is the vocabulary of events and what compiles subscriptions
// into calls.
//
// Users name events (Event), register handlers on them through sockets (Socket),
// and make events of their own: Define narrows an event by a filter, NewEvent
// makes one that handlers raise. An engine raises occurrences. In between stands
// the Plan: for a flow, all sockets' wishes as flat lists of steps, one for each
// event, hook and side.
//
//	sockets ──Snapshot──▶ Plans ──▶ Plan ──▶ Dispatcher ──▶ handlers
//	                        ▲                    ▲
//	          changes by handlers          occurrences of the engine
//
// Plans are interned: ten million flows that nobody treated specially share
// one. What a handler changes for its flow leads to another plan, found by the
// change, so that the second flow to make it pays a map look-up.
//
// The order of calls is part of the contract (docs/EVENTS.md): an event goes to
// all sockets in the order they were opened, in each to its handlers in order of
// registration; then come the user-defined events that stand on it, in order of
// definition, each filter asked once, parents before children; then the events
// that handlers raised; then the next event.
//
// The package has no locks and no goroutines. A Set belongs to whoever opened
// it; snapshots are shared and never change; Plans and a Dispatcher belong to
// one shard.
package uevents
