package uevents

import "sync/atomic"

// Kind numbers the built-in events, in the order of the contract. It is what
// the engine raises; users name events by Event.
type Kind uint8

// The built-in events, and KindCustom for all that NewEvent made.
const (
	KindPacket Kind = iota
	KindRexmit
	KindConnStart
	KindStateChange
	KindConnEstablished
	KindAnomaly
	KindGap
	KindNewData
	KindConnEnd
	KindOrphan
	KindICMPError
	KindTimer
	KindCustom
	KindCount
)

// Hook says when a handler runs: before either endpoint has changed, or after
// both have.
type Hook uint8

// The hooks. PreTCP is the 2015 paper's "raised before updating the middlebox
// TCP state"; PostTCP runs with endpoints and stream updated.
const (
	PreTCP Hook = iota
	PostTCP
	HookCount
)

// String returns "PreTCP" or "PostTCP".
func (h Hook) String() string {
	if h == PreTCP {
		return "PreTCP"
	}
	return "PostTCP"
}

// hooks is a set of Hook.
type hooks uint8

const (
	pre  hooks = 1 << PreTCP
	post hooks = 1 << PostTCP
)

func (h hooks) has(k Hook) bool { return h&(1<<k) != 0 }

// String names the hooks of the set.
func (h hooks) String() string {
	switch h {
	case pre:
		return "PreTCP"
	case post:
		return "PostTCP"
	}
	return "PreTCP and PostTCP"
}

// Event is something that happens to a flow and that handlers are registered
// on: one of the built-in events, a user-defined event (Define) or one that
// handlers raise themselves (NewEvent). It is a comparable value; the zero value
// is no event.
type Event struct{ def *definition }

// definition is what an Event stands for. It never changes once made.
type definition struct {
	name   string
	kind   Kind        // of the built-in event at the root
	hooks  hooks       // where the root is raised
	base   *definition // nil for built-in events and those of NewEvent
	filter Filter      // nil iff base is nil
	order  uint64      // of creation: siblings are evaluated in this order
	depth  int         // number of bases below
}

// Handler is called with an event. It runs on the shard that owns the flow, so
// it needs no locks for what belongs to the flow or the shard; the Context and
// all octets reached through it are lent until it returns.
type Handler func(c *Context)

// Filter says whether its base event is also the user-defined one. It must not
// block, and must not change anything.
type Filter func(c *Context) bool

func builtin(name string, k Kind, h hooks) Event {
	return Event{&definition{name: name, kind: k, hooks: h}}
}

// The built-in events. docs/EVENTS.md says when each is raised, with what.
var (
	// OnPacket is raised for each segment or datagram of a tracked flow, and on a
	// raw socket for each captured frame (PreTCP only).
	OnPacket = builtin("packet", KindPacket, pre|post)
	// OnRexmit is raised for octets, a SYN, a SYN-ACK or a FIN that their sender
	// has sent before (RFC 9293 §3.8.1). A keep-alive or a window probe is none.
	OnRexmit = builtin("rexmit", KindRexmit, pre|post)
	// OnConnStart is raised once, after the first packet of a flow.
	OnConnStart = builtin("conn-start", KindConnStart, post)
	// OnStateChange is raised for each endpoint whose state changed, the sender first.
	OnStateChange = builtin("state-change", KindStateChange, post)
	// OnConnEstablished is raised once, when both endpoints have reached ESTABLISHED.
	OnConnEstablished = builtin("conn-established", KindConnEstablished, post)
	// OnAnomaly is raised for input that RFC 9293 does not expect, by name.
	OnAnomaly = builtin("anomaly", KindAnomaly, post)
	// OnGap is raised when missing octets of a stream have been given up.
	OnGap = builtin("gap", KindGap, post)
	// OnNewData is raised for octets that have become available in order.
	OnNewData = builtin("new-data", KindNewData, post)
	// OnConnEnd is raised exactly once, last.
	OnConnEnd = builtin("conn-end", KindConnEnd, post)
	// OnOrphan is raised for a TCP segment of no tracked connection.
	OnOrphan = builtin("orphan", KindOrphan, pre)
	// OnICMPError is raised when an ICMP or ICMPv6 error quotes the flow.
	OnICMPError = builtin("icmp-error", KindICMPError, post)
	// OnTimer is raised for a timer that a handler armed.
	OnTimer = builtin("timer", KindTimer, post)
)

// Builtins returns the built-in events in the order of their Kind.
func Builtins() []Event {
	return []Event{OnPacket, OnRexmit, OnConnStart, OnStateChange, OnConnEstablished, OnAnomaly, OnGap,
		OnNewData, OnConnEnd, OnOrphan, OnICMPError, OnTimer}
}

// created counts definitions, so that siblings have an order.
var created atomic.Uint64

// depthMax bounds how many user-defined events stand on one another, and with
// it the time that one occurrence can take: each level costs a filter call.
const depthMax = 32

// Define makes a user-defined event: base where filter says so. The base may be
// user-defined too. A filter is evaluated once per occurrence of its base,
// however many handlers hang on the event, and not at all where none does.
//
// It panics if the base is no event, the filter is nil, or more than 32 events
// would stand on one another: mistakes of the program, not of its input.
func Define(name string, base Event, filter Filter) Event {
	switch {
	case base.def == nil:
		panic("mbox: Define(" + name + "): the base is no event")
	case filter == nil:
		panic("mbox: Define(" + name + "): the filter is nil")
	case base.def.depth+1 > depthMax:
		panic("mbox: Define(" + name + "): too many events on one another")
	}
	b := base.def
	return Event{&definition{name: name, kind: b.kind, hooks: b.hooks, base: b, filter: filter,
		order: created.Add(1), depth: b.depth + 1}}
}

// NewEvent makes an event without a base: a handler raises it with
// Context.Raise, on any hook.
func NewEvent(name string) Event {
	return Event{&definition{name: name, kind: KindCustom, hooks: pre | post, order: created.Add(1)}}
}

// String returns the event's name.
func (e Event) String() string {
	if e.def == nil {
		return "no event"
	}
	return e.def.name
}

// Kind returns the kind of the event at the root of e. The zero Event has none:
// the result is KindCount.
func (e Event) Kind() Kind {
	if e.def == nil {
		return KindCount
	}
	return e.def.kind
}
