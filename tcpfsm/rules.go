package tcpfsm

// rule says that an endpoint in state From enters state To on signal On.
type rule struct {
	From State
	On   signal
	To   State
	Ref  string // section of RFC 9293; "/5" is the fifth step of that section
	Note string // why the rule is there, where Figure 5 does not have it
}

// rules is Figure 5 of RFC 9293 as the middle of the path can see it: user
// calls show up as the segments they cause, so "CLOSE, snd FIN" reads sndFIN.
//
// A pair of state and signal that is not listed leaves the state alone and is
// an anomaly. Pairs that are normal and change nothing are therefore listed.
var rules = [...]rule{
	// Opening.
	{Closed, sndSYN, SynSent, "3.10.1", "active OPEN"},
	{Listen, rcvSYN, SynReceived, "3.10.7.2/3", ""},
	{SynReceived, sndSYNACK, SynReceived, "3.10.7.2/3", ""},
	{SynSent, rcvSYNACK, Established, "3.10.7.3/4", ""},
	{SynReceived, rcvAckOfSYN, Established, "3.10.7.4/5", ""},
	{Closed, rcvSYN, SynReceived, "3.10.7.2/3", "a listener, back in LISTEN after a RST, is tried again"},

	// Simultaneous open. Whom we took for a listener sends a SYN of its own.
	{SynReceived, sndSYN, SynReceived, "3.5 fig 7", "it was no listener"},
	{SynSent, rcvSYN, SynReceived, "3.10.7.3/4", ""},
	{SynReceived, rcvSYNACK, Established, "3.5 fig 7", ""},
	{Established, sndSYNACK, Established, "3.5 fig 7", "sent before the peer's SYN,ACK, which has passed us, arrived"},

	// Inferred: what arrived did not pass us, but what is sent proves it.
	{SynSent, sndSYNACK, SynReceived, "3.10.7.3/4", "it has received a SYN"},
	{SynSent, sndSynced, Established, "3.10.7.3/4", "it has received a SYN,ACK"},
	{SynReceived, sndSynced, Established, "3.10.7.4/5", "it has received an ACK of its SYN"},
	{SynSent, rcvSynced, Established, "3.10.7.3/4", "its ACK of the peer's SYN has arrived there"},
	{Established, sndAckOfFIN, CloseWait, "3.10.7.4/8", "it has received the FIN"},
	{FinWait1, sndAckOfFIN, Closing, "3.10.7.4/8", "it has received the FIN"},
	{FinWait2, sndAckOfFIN, TimeWait, "3.10.7.4/8", "it has received the FIN"},

	// Closing.
	{SynReceived, sndFIN, FinWait1, "3.10.4", "CLOSE"},
	{Established, sndFIN, FinWait1, "3.10.4", "CLOSE"},
	{CloseWait, sndFIN, LastAck, "3.10.4", "CLOSE"},
	{CloseWait, sndCrossFIN, Closing, "3.6 fig 13", "simultaneous close"},
	{Established, rcvFIN, CloseWait, "3.10.7.4/8", ""},
	{FinWait1, rcvFIN, Closing, "3.10.7.4/8", "simultaneous close"},
	{FinWait1, rcvAckOfFIN, FinWait2, "3.10.7.4/5", ""},
	{FinWait2, rcvFIN, TimeWait, "3.10.7.4/8", ""},
	{Closing, rcvAckOfFIN, TimeWait, "3.10.7.4/5", ""},
	{LastAck, rcvAckOfFIN, Closed, "3.10.7.4/5", ""},
	{TimeWait, timeout2MSL, Closed, "3.10.8", ""},

	// Aborting. An endpoint in SYN-SENT answers a bad ACK with a RST and keeps
	// trying, so that there its RST is no sndRST.
	{SynReceived, sndRST, Closed, "3.10.5", "ABORT, or it refuses the SYN (3.10.7.1)"},
	{Established, sndRST, Closed, "3.10.5", "ABORT"},
	{FinWait1, sndRST, Closed, "3.10.5", "ABORT"},
	{FinWait2, sndRST, Closed, "3.10.5", "ABORT"},
	{CloseWait, sndRST, Closed, "3.10.5", "ABORT"},
	{Closing, sndRST, Closed, "3.10.7.1", "it is gone, and answers"},
	{LastAck, sndRST, Closed, "3.10.7.1", "it is gone, and answers"},
	{TimeWait, sndRST, Closed, "3.10.7.1", "it is gone, and answers"},
	{Closed, sndRST, Closed, "3.10.7.1", "it is gone, and answers"},
	{Listen, rcvRST, Listen, "3.10.7.2/1", ""},
	{SynSent, rcvRST, Closed, "3.10.7.3/2", "refused"},
	{SynReceived, rcvRST, Closed, "3.10.7.4/2", "a listener is back in LISTEN, but not with this connection"},
	{Established, rcvRST, Closed, "3.10.7.4/2", ""},
	{FinWait1, rcvRST, Closed, "3.10.7.4/2", ""},
	{FinWait2, rcvRST, Closed, "3.10.7.4/2", ""},
	{CloseWait, rcvRST, Closed, "3.10.7.4/2", ""},
	{Closing, rcvRST, Closed, "3.10.7.4/2", ""},
	{LastAck, rcvRST, Closed, "3.10.7.4/2", ""},
	{TimeWait, rcvRST, Closed, "3.10.7.4/2", ""},
	{Closed, rcvRST, Closed, "3.10.7.1", ""},

	// Late: a reset connection's segments that were on their way.
	{Closed, rcvAckOfFIN, Closed, "3.10.7.1", ""},
	{Closed, rcvFIN, Closed, "3.10.7.1", ""},
}

// unlisted marks a pair of state and signal that has no rule.
const unlisted = stateCount

// nextSize is more than there are states or signals: a mask keeps an index within
// next, and strays.
const (
	nextSize = 16
	nextMask = nextSize - 1

	_, _ = nextSize - ruledStates, nextSize - signalCount // neither compiles below 0
)

// next is rules, indexed: 11 states by 15 signals, in 256 octets.
var next = func() (t [nextSize][nextSize]State) {
	for s := range t {
		for sig := range t[s] {
			t[s][sig] = unlisted
		}
	}
	for i := range rules {
		t[rules[i].From][rules[i].On] = rules[i].To
	}
	return t
}()

// strays is what it is called when a signal finds a state that has no rule for
// it.
var strays = [nextSize]Anomaly{
	sndRST:      RSTButNoSession,
	sndSYN:      ESTSynToClient,
	sndSYNACK:   SynackInWrongDirection,
	sndSynced:   DataOnClosed,
	sndAckOfFIN: InvalidAck,
	sndFIN:      FINButNoSession,
	sndCrossFIN: FINButNoSession,
	rcvRST:      RSTButNoSession,
	rcvSYN:      ESTSynResendDiffSeq,
	rcvSYNACK:   SynackInWrongDirection,
	rcvSynced:   DataOnClosed,
	rcvAckOfSYN: InvalidAck,
	rcvAckOfFIN: InvalidAck,
	rcvFIN:      FINButNoSession,
	timeout2MSL: FINButNoSession,
}
