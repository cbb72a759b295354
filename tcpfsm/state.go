package tcpfsm

import "github.com/mbox-stack/mbox/wire"

// State is a connection state of RFC 9293 §3.3.2, Figure 5.
type State uint8

// The states of RFC 9293, and Untracked: an endpoint that nobody wants stepped.
const (
	Closed State = iota
	Listen
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait
	Untracked
	stateCount
)

// ruledStates is how many states have rules: all but Untracked.
const ruledStates = Untracked

var stateNames = [stateCount]string{"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",
	"FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT", "UNTRACKED"}

// String returns the state's name in the spelling of RFC 9293.
func (s State) String() string {
	if s >= stateCount {
		return "?"
	}
	return stateNames[s]
}

// synchronized reports whether the endpoint knows both initial sequence
// numbers and that its own arrived (RFC 9293 §3.5, "synchronized states").
func (s State) synchronized() bool { return s >= Established && s <= TimeWait }

// open reports whether nothing stands in the way of text in either direction, as
// far as is known of the endpoint.
func (s State) open() bool { return s == Established || s == Untracked }

// Start says with what kind of segment a connection was picked up.
type Start uint8

// The ways a connection comes into sight.
const (
	StartSYN       Start = iota // a SYN: its sender is the client
	StartSYNACK                 // a SYN-ACK: its receiver is the client
	StartMidstream              // anything else: its sender is taken for the client
)

var startNames = [...]string{"syn", "synack", "midstream"}

// String returns "syn", "synack" or "midstream".
func (s Start) String() string {
	if int(s) >= len(startNames) {
		return "?"
	}
	return startNames[s]
}

// Orient says in which direction the first segment of a connection travels, and
// how the connection is picked up with it. The roles are for life: whoever sent
// the SYN is the client; failing that, whoever received the SYN-ACK; failing
// that, whoever sent the first segment, which is a guess.
func Orient(seg *wire.Segment) (d wire.Dir, how Start) {
	switch seg.Flags & (wire.SYN | wire.ACK | wire.RST) {
	case wire.SYN:
		return wire.ToServer, StartSYN
	case wire.SYN | wire.ACK:
		return wire.ToClient, StartSYNACK
	}
	return wire.ToServer, StartMidstream
}

// Phase is how far a connection has come: what idle timeouts and eviction look
// at.
type Phase uint8

// The phases, in the order in which memory is taken back from them: what is
// over first, what both ends have agreed on last.
const (
	PhaseClosed      Phase = iota // over: both endpoints are CLOSED or in TIME-WAIT
	PhaseEmbryonic                // the handshake is not complete
	PhaseOneSided                 // only one endpoint has ever been seen to send
	PhaseClosing                  // a FIN has been seen
	PhaseEstablished              // both endpoints are past their handshake
)

var phaseNames = [...]string{"closed", "embryonic", "one-sided", "closing", "established"}

// String returns the phase's name in lower case.
func (p Phase) String() string {
	if int(p) >= len(phaseNames) {
		return "?"
	}
	return phaseNames[p]
}

// signal is one piece of news that a segment, or the end of a timeout, has for
// one endpoint. What an endpoint repeats, or is told again, is no signal.
//
// The order matters: the signals of one segment are delivered in the order of
// this list, which for a receiver is the order of the steps of RFC 9293
// §3.10.7.4. That is why FIN-WAIT-1 needs no rule for "FIN,ACK of our FIN":
// rcvAckOfFIN moves it to FIN-WAIT-2, and rcvFIN then to TIME-WAIT.
type signal uint8

const (
	sndRST      signal = iota // a RST from an endpoint that has no connection (any more)
	sndSYN                    // its first SYN
	sndSYNACK                 // its first SYN,ACK
	sndSynced                 // a segment that only an endpoint past its handshake sends
	sndAckOfFIN               // an ACK of the peer's FIN, which we did not see arrive
	sndFIN                    // its FIN
	sndCrossFIN               // its FIN, sent before the peer's FIN, which has passed us, arrived

	rcvRST      // second step: a RST that is acceptable
	rcvSYN      // fourth: SYN without ACK
	rcvSYNACK   // fourth: SYN with an acceptable ACK
	rcvSynced   // the peer sends what it would not before its SYN was acknowledged
	rcvAckOfSYN // fifth
	rcvAckOfFIN // fifth
	rcvFIN      // eighth: the FIN, everything before it received

	timeout2MSL
	signalCount
)

var signalNames = [signalCount]string{"snd RST", "snd SYN", "snd SYN,ACK", "snd past handshake", "snd ACK of FIN",
	"snd FIN", "snd FIN crossing", "rcv RST", "rcv SYN", "rcv SYN,ACK", "rcv past handshake", "rcv ACK of SYN",
	"rcv ACK of FIN", "rcv FIN", "2 MSL"}

// String returns the signal in the manner of RFC 9293, Figure 5.
func (s signal) String() string { return signalNames[s] }

// signals is a set of signal.
type signals uint16

func (s *signals) add(sig signal) { *s |= 1 << sig }
