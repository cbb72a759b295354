package mbox

import (
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// The words of events and sockets. They live in package uevents, whose
// documentation has their methods.
type (
	// Context is what a handler knows of the event it is called with.
	Context = uevents.Context
	// Handler is called with an event, on the shard that owns the flow.
	Handler = uevents.Handler
	// Filter says whether an event is also a user-defined one.
	Filter = uevents.Filter
	// Event is a built-in or user-defined event.
	Event = uevents.Event
	// Hook says whether a handler runs before or after the TCP state changes.
	Hook = uevents.Hook
	// Socket is a monitoring socket.
	Socket = uevents.Socket
	// SocketKind is what a socket sees: flows or frames.
	SocketKind = uevents.SocketKind
	// Registration is one handler on one event.
	Registration = uevents.Registration
	// Flow is a value that names a flow.
	Flow = uevents.Flow
	// FlowID is the part of a Flow that is never used twice in a run.
	FlowID = uevents.FlowID
	// Place says where a flow is found without a search.
	Place = uevents.Place
	// Timer names a timer that a handler armed.
	Timer = uevents.Timer
	// Evidence qualifies what the record of a flow says.
	Evidence = uevents.Evidence
	// Counters are what one endpoint has sent.
	Counters = uevents.Counters
	// Rexmit says what a segment repeats.
	Rexmit = uevents.Rexmit
	// Gap is a range of octets that were given up.
	Gap = uevents.Gap
	// Order is the place of an event among all events of a run.
	Order = uevents.Order
	// Key names a value that handlers keep with flows.
	Key[T any] = uevents.Key[T]

	// Dir is a direction of travel, and by it the endpoint that sends in it.
	Dir = wire.Dir
	// State is a TCP state of RFC 9293 §3.3.2.
	State = tcpfsm.State
	// Anomaly is input that RFC 9293 does not expect, by name.
	Anomaly = tcpfsm.Anomaly
	// Range is a range of a stream.
	Range = buffers.Range
	// Policy says which copy of overlapping octets counts.
	Policy = buffers.Policy
	// Buffered is what is held of one side's stream.
	Buffered = uevents.Buffered
	// RTT is the round-trip time of a handshake as seen in the middle.
	RTT = uevents.RTT
	// Start says what a flow began with.
	Start = uevents.Start
	// EndReason says why a flow ended.
	EndReason = uevents.EndReason
	// GapReason says why octets were given up.
	GapReason = uevents.GapReason
	// Match says how repeated octets compare with those that came first.
	Match = uevents.Match
	// GoneError says where octets that can be read go on.
	GoneError = buffers.GoneError
	// PolicyRule gives a policy to a part of the network.
	PolicyRule = shard.PolicyRule
	// Timeouts are how long flows may be silent.
	Timeouts = shard.Timeouts
	// Checksums says what is done about transport checksums.
	Checksums = shard.Checksums
)

// The hooks.
const (
	PreTCP  = uevents.PreTCP
	PostTCP = uevents.PostTCP
)

// The kinds of socket.
const (
	Stream = uevents.Stream
	Raw    = uevents.Raw
)

// The sides: what the client sends, and what the server sends.
const (
	Client = wire.ToServer
	Server = wire.ToClient
)

// The states of RFC 9293 §3.3.2, and Untracked: an endpoint that every socket
// has stopped.
const (
	Closed      = tcpfsm.Closed
	Listen      = tcpfsm.Listen
	SynSent     = tcpfsm.SynSent
	SynReceived = tcpfsm.SynReceived
	Established = tcpfsm.Established
	FinWait1    = tcpfsm.FinWait1
	FinWait2    = tcpfsm.FinWait2
	CloseWait   = tcpfsm.CloseWait
	Closing     = tcpfsm.Closing
	LastAck     = tcpfsm.LastAck
	TimeWait    = tcpfsm.TimeWait
	Untracked   = tcpfsm.Untracked
)

// What is done about transport checksums.
const (
	ChecksumsLabel  = shard.ChecksumsLabel
	ChecksumsVerify = shard.ChecksumsVerify
	ChecksumsOff    = shard.ChecksumsOff
)

// Never is a timeout that ends nothing.
const Never = shard.Never

// The built-in events. docs/EVENTS.md says when each is raised, on which hooks,
// with what.
var (
	OnPacket          = uevents.OnPacket
	OnRexmit          = uevents.OnRexmit
	OnConnStart       = uevents.OnConnStart
	OnStateChange     = uevents.OnStateChange
	OnConnEstablished = uevents.OnConnEstablished
	OnAnomaly         = uevents.OnAnomaly
	OnGap             = uevents.OnGap
	OnNewData         = uevents.OnNewData
	OnConnEnd         = uevents.OnConnEnd
	OnOrphan          = uevents.OnOrphan
	OnICMPError       = uevents.OnICMPError
	OnTimer           = uevents.OnTimer
)

// Events returns the built-in events.
func Events() []Event { return uevents.Builtins() }

// Why a flow ended.
const (
	EndFIN      = uevents.EndFIN
	EndRST      = uevents.EndRST
	EndIdle     = uevents.EndIdle
	EndEvicted  = uevents.EndEvicted
	EndReleased = uevents.EndReleased
	EndReused   = uevents.EndReused
	EndShutdown = uevents.EndShutdown
)

// What the first packet of a flow was.
const (
	StartSYN       = uevents.StartSYN
	StartSYNACK    = uevents.StartSYNACK
	StartMidstream = uevents.StartMidstream
	StartDatagram  = uevents.StartDatagram
)

// Why octets were given up.
const (
	GapAcknowledged = uevents.GapAcknowledged
	GapBudget       = uevents.GapBudget
	GapEnd          = uevents.GapEnd
)

// Whether repeated octets are the ones that came first.
const (
	MatchSame    = uevents.MatchSame
	MatchDiffers = uevents.MatchDiffers
	MatchUnknown = uevents.MatchUnknown
)

// The overlap policies: which copy of overlapping octets counts. Those named
// after systems do what their receivers do.
const (
	PolicyFirst    = buffers.First
	PolicyLast     = buffers.Last
	PolicyLinux    = buffers.Linux
	PolicyOldLinux = buffers.OldLinux
	PolicyBSD      = buffers.BSD
	PolicySolaris  = buffers.Solaris
)

// ParsePolicy returns the overlap policy of a name, as configuration files spell
// it.
func ParsePolicy(name string) (Policy, error) { return buffers.ParsePolicy(name) }

// The errors that calls and handlers meet, to be tested with errors.Is.
var (
	ErrConfig    = shard.ErrConfig
	ErrHook      = uevents.ErrHook
	ErrEvent     = uevents.ErrEvent
	ErrHandler   = uevents.ErrHandler
	ErrClosed    = uevents.ErrClosed
	ErrSockets   = uevents.ErrSockets
	ErrKind      = uevents.ErrSocketKind
	ErrForeign   = uevents.ErrForeign
	ErrNoFlow    = uevents.ErrNoFlow
	ErrDepth     = uevents.ErrRaiseDepth
	ErrBusy      = uevents.ErrBusy
	ErrInHandler = uevents.ErrInHandler
	ErrFlowGone  = uevents.ErrFlowGone
	ErrPolicySet = uevents.ErrPolicySet
	ErrGone      = buffers.ErrGone
	ErrHole      = buffers.ErrHole
)

// Define makes a user-defined event: base where filter says so. See
// uevents.Define.
func Define(name string, base Event, filter Filter) Event { return uevents.Define(name, base, filter) }

// NewEvent makes an event that handlers raise with Context.Raise.
func NewEvent(name string) Event { return uevents.NewEvent(name) }

// NewKey returns a key for values of type T that handlers keep with flows.
func NewKey[T any]() Key[T] { return uevents.NewKey[T]() }
