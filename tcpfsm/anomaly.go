package tcpfsm

import "math/bits"

// Anomaly is one thing in a segment that RFC 9293 and its companions do not
// expect. It is the peer's doing, never ours, and never an error: it is raised,
// and the connection goes on.
//
// Names are Suricata's (its stream events, without "stream.") where it has the
// thing, so that rules and tests written for it can be read; where it has one
// name per state for the same thing, the one here stands for all of them and
// Aliases lists them. The others are Snort's (gid 129) or Zeek's things in the
// same spelling.
type Anomaly uint8

// The anomalies.
const (
	// SynResendDiffSeq: the opener's SYN again with another ISN, before it was
	// answered. A TCP keeps its ISS over retransmissions (RFC 9293 §3.4.1), so
	// this is another attempt; the answer decides which one lives.
	SynResendDiffSeq Anomaly = iota
	// ESTSynResend: the SYN of a synchronized connection again (RFC 5961 §4).
	ESTSynResend
	// ESTSynResendDiffSeq: a SYN with another ISN on a connection that may be
	// alive: challenged with an ACK (RFC 5961 §4, RFC 9293 §3.10.7.4 fourth).
	ESTSynResendDiffSeq
	// ESTSynToClient: the server sends a SYN where no handshake is open for it.
	ESTSynToClient
	// ShutdownSynResend: a SYN after the sender's own FIN (RFC 9293 §3.10.7.4).
	ShutdownSynResend
	// FINSyn: SYN and FIN in one segment; the FIN is ignored (RFC 9293 §3.5).
	FINSyn
	// DataOnSyn: text in a SYN without the Fast Open option (RFC 7413 §2; legal
	// by RFC 9293 §3.4, sent by nobody).
	DataOnSyn
	// FourWayHandshake: whoever was sent a SYN answers with a SYN of its own:
	// simultaneous open (RFC 9293 §3.5, Figure 7), or made to look like it.
	FourWayHandshake
	// SynackWithWrongAck: a SYN,ACK that does not acknowledge the SYN it should
	// answer (RFC 9293 §3.10.7.3 first); the receiver answers with a RST.
	SynackWithWrongAck
	// SynackInWrongDirection: a SYN,ACK from an endpoint that was sent no SYN.
	SynackInWrongDirection
	// SynackResendDiffSeq: the SYN,ACK again, with another ISN (RFC 9293 §3.4.1).
	SynackResendDiffSeq
	// SynackResendDiffAck: the SYN,ACK again, with another, wrong SEG.ACK.
	SynackResendDiffAck
	// SynackToServer: the client sends a SYN,ACK on an established connection.
	SynackToServer
	// SynackTFODataIgnored: a SYN,ACK that leaves the SYN's text unacknowledged
	// (RFC 7413 §4.2.2); the client sends it again.
	SynackTFODataIgnored
	// RightSeqWrongAck: an answer to a SYN,ACK with the right SEG.SEQ that does
	// not acknowledge its SYN (RFC 9293 §3.10.7.4 fifth): answered with a RST,
	// and a way to make a monitor see a connection that is none.
	RightSeqWrongAck
	// WrongSeqWrongAck: the same with a wrong SEG.SEQ too.
	WrongSeqWrongAck
	// AsyncWrongSeq: a segment from an endpoint whose SYN we saw unanswered,
	// with a SEG.SEQ that does not follow that SYN (RFC 9293 §3.10.7.4 first).
	AsyncWrongSeq
	// AckInWrongDirection: an ACK without SYN where a SYN,ACK was due (RFC 9293
	// §3.10.7.3 fifth); the split handshake in five segments has it.
	AckInWrongDirection
	// OutOfWindow: a segment that ends beyond the receiver's window (RFC 9293
	// §3.10.7.4 first), or lies more than the largest window away.
	OutOfWindow
	// InvalidAck: an ACK of what was not sent, beyond all that a missed segment
	// could explain, or older than the largest window (RFC 5961 §5).
	InvalidAck
	// BeforeLastAck: text acknowledged more than the largest window ago.
	BeforeLastAck
	// SegmentBeforeBase: text before the stream's first octet.
	SegmentBeforeBase
	// InvalidTimestamp: SEG.TSval before TS.Recent (RFC 7323 §5.2, PAWS).
	InvalidTimestamp
	// MissingTimestamp: no timestamp though both SYNs had one (RFC 7323 §3.2).
	MissingTimestamp
	// BadWindowUpdate: the right edge of the window moves to the left (RFC 9293
	// §3.8.6, "shrinking the window").
	BadWindowUpdate
	// WScaleTooLarge: a window scale above 14 (RFC 7323 §2.3), taken as 14.
	WScaleTooLarge
	// NoACK: a segment without ACK after the handshake (RFC 9293 §3.10.7.4
	// fifth: dropped).
	NoACK
	// FINOutOfWindow: a FIN where octets have been received already, or beyond
	// the window (RFC 9293 §3.10.7.4 first): not believed.
	FINOutOfWindow
	// FINDiffSeq: a second FIN at another sequence number: not believed.
	FINDiffSeq
	// AckBeyondFIN: an ACK of more than the peer's FIN.
	AckBeyondFIN
	// DataAfterFIN: text at or beyond the sender's own FIN (RFC 9293 §3.6).
	DataAfterFIN
	// DataAfterReset: text from an endpoint that a RST has closed, as when the
	// RST was lost behind us or was forged.
	DataAfterReset
	// DataOnClosed: text to or from an endpoint without a connection.
	DataOnClosed
	// RSTOutOfWindow: a RST outside the window (RFC 9293 §3.10.7.4 second):
	// dropped silently.
	RSTOutOfWindow
	// SuspectedRSTInject: a RST in the window but not at RCV.NXT (RFC 5961 §3.2):
	// answered with a challenge ACK.
	SuspectedRSTInject
	// RSTInvalidAck: a RST to an endpoint in SYN-SENT that does not acknowledge
	// its SYN (RFC 9293 §3.10.7.3 second): dropped.
	RSTInvalidAck
	// RSTWithData: a RST with text (RFC 9293 §3.5.3): not part of the stream.
	RSTWithData
	// FINButNoSession: a FIN from or to an endpoint without a connection.
	FINButNoSession
	// RSTButNoSession: a RST where there is nothing to reset.
	RSTButNoSession
	// ChecksumInvalid: the TCP checksum is wrong (RFC 9293 §3.1). Raised by who
	// has the octets, never by Step.
	ChecksumInvalid
	// OverlapDifferentData: octets differ from those that were sent in their place
	// before. Raised by who reassembles, never by Step.
	OverlapDifferentData
	anomalyCount
)

// anomalies describes each Anomaly: its name, where the RFCs speak of it, and
// what else it is called. A name is Suricata's unless peer says otherwise.
var anomalies = [anomalyCount]struct{ name, ref, aliases string }{
	SynResendDiffSeq:       {"3whs_syn_resend_diff_seq_on_syn_recv", "RFC 9293 §3.4.1", "Zeek SYN_seq_jump"},
	ESTSynResend:           {"est_syn_resend", "RFC 5961 §4", "Snort 129:1, Zeek SYN_inside_connection"},
	ESTSynResendDiffSeq:    {"est_syn_resend_diff_seq", "RFC 5961 §4", "Snort 129:1, Zeek active_connection_reuse"},
	ESTSynToClient:         {"est_syn_toclient", "RFC 9293 §3.10.7.4/4", "3whs_syn_toclient_on_syn_recv"},
	ShutdownSynResend:      {"shutdown_syn_resend", "RFC 9293 §3.10.7.4/4", "Zeek SYN_after_close"},
	FINSyn:                 {"fin_syn", "RFC 9293 §3.5", "Zeek TCP_christmas, baroque_SYN"},
	DataOnSyn:              {"data_on_syn", "RFC 7413 §2", "Snort 129:2, Zeek SYN_with_data"},
	FourWayHandshake:       {"4way_handshake", "RFC 9293 §3.5", "Snort 129:13, Zeek simultaneous_open"},
	SynackWithWrongAck:     {"3whs_synack_with_wrong_ack", "RFC 9293 §3.10.7.3/1", "4whs_synack_with_wrong_ack, Zeek bad_SYN_ack"},
	SynackInWrongDirection: {"3whs_synack_in_wrong_direction", "RFC 9293 §3.10.7.3/4", "3whs_synack_toserver_on_syn_recv, Zeek connection_originator_SYN_ack"},
	SynackResendDiffSeq:    {"3whs_synack_resend_with_diff_seq", "RFC 9293 §3.4.1", "est_synack_resend_with_diff_seq, 4whs_synack_with_wrong_syn"},
	SynackResendDiffAck:    {"3whs_synack_resend_with_different_ack", "RFC 9293 §3.10.7.3/1", "3whs_synack_resend_with_diff_ack, est_synack_resend_with_different_ack"},
	SynackToServer:         {"est_synack_toserver", "RFC 9293 §3.10.7.4/4", ""},
	SynackTFODataIgnored:   {"3whs_synack_tfo_data_ignored", "RFC 7413 §4.2.2", ""},
	RightSeqWrongAck:       {"3whs_right_seq_wrong_ack_evasion", "RFC 9293 §3.10.7.4/5", "4whs_invalid_ack"},
	WrongSeqWrongAck:       {"3whs_wrong_seq_wrong_ack", "RFC 9293 §3.10.7.4/1", "4whs_wrong_seq"},
	AsyncWrongSeq:          {"3whs_async_wrong_seq", "RFC 9293 §3.10.7.4/1", ""},
	AckInWrongDirection:    {"3whs_ack_in_wrong_dir", "RFC 9293 §3.10.7.3/5", ""},
	OutOfWindow:            {"est_packet_out_of_window", "RFC 9293 §3.10.7.4/1", "closewait_ack_out_of_window, fin1_ack_wrong_seq, fin2_ack_wrong_seq, closing_ack_wrong_seq, lastack_ack_wrong_seq, timewait_ack_wrong_seq, Zeek TCP_seq_underflow_or_misorder"},
	InvalidAck:             {"pkt_invalid_ack", "RFC 5961 §5", "est_invalid_ack, fin_invalid_ack, fin1_invalid_ack, fin2_invalid_ack, closewait_invalid_ack, closing_invalid_ack, lastack_invalid_ack, timewait_invalid_ack, Zeek TCP_ack_underflow_or_misorder"},
	BeforeLastAck:          {"est_pkt_before_last_ack", "RFC 9293 §3.10.7.4/1", "closewait_pkt_before_last_ack, pkt_spurious_retransmission"},
	SegmentBeforeBase:      {"reassembly_segment_before_base_seq", "RFC 9293 §3.4", ""},
	InvalidTimestamp:       {"pkt_invalid_timestamp", "RFC 7323 §5.2", "Snort 129:4"},
	MissingTimestamp:       {"missing_timestamp", "RFC 7323 §3.2", "Snort 129:14"},
	BadWindowUpdate:        {"pkt_bad_window_update", "RFC 9293 §3.8.6", "Zeek window_recision, Snort 129:19"},
	WScaleTooLarge:         {"wscale_too_large", "RFC 7323 §2.3", "Zeek TCP_scale_range, Snort 129:6"},
	NoACK:                  {"pkt_without_ack", "RFC 9293 §3.10.7.4/5", "Snort 129:11, pkt_broken_ack"},
	FINOutOfWindow:         {"fin_out_of_window", "RFC 9293 §3.10.7.4/1", "closewait_fin_out_of_window, fin1_fin_wrong_seq, fin2_fin_wrong_seq, Zeek FIN_advanced_last_seq"},
	FINDiffSeq:             {"fin_diff_seq", "RFC 9293 §3.6", "Snort 129:16"},
	AckBeyondFIN:           {"ack_beyond_fin", "RFC 9293 §3.10.7.4/5", "Snort 129:17"},
	DataAfterFIN:           {"data_after_fin", "RFC 9293 §3.6", "Zeek inappropriate_FIN"},
	DataAfterReset:         {"data_after_reset", "RFC 9293 §3.10.7.1", "Snort 129:8, Snort 129:18, Zeek data_after_reset"},
	DataOnClosed:           {"data_on_closed", "RFC 9293 §3.10.7.1", "Snort 129:3"},
	RSTOutOfWindow:         {"rst_out_of_window", "RFC 9293 §3.10.7.4/2", "Snort 129:15"},
	SuspectedRSTInject:     {"suspected_rst_inject", "RFC 5961 §3.2", ""},
	RSTInvalidAck:          {"rst_invalid_ack", "RFC 9293 §3.10.7.3/2", ""},
	RSTWithData:            {"rst_with_data", "RFC 9293 §3.5.3", "Zeek RST_with_data"},
	FINButNoSession:        {"fin_but_no_session", "RFC 9293 §3.10.7.1", "Zeek spontaneous_FIN, FIN_after_reset"},
	RSTButNoSession:        {"rst_but_no_session", "RFC 9293 §3.10.7.1", "Zeek spontaneous_RST"},
	ChecksumInvalid:        {"tcp_checksum_invalid", "RFC 9293 §3.1", "Zeek bad_TCP_checksum"},
	OverlapDifferentData:   {"reassembly_overlap_different_data", "RFC 9293 §3.8.1", "Zeek rexmit_inconsistency"},
}

// String returns the anomaly's name.
func (a Anomaly) String() string {
	if a >= anomalyCount {
		return "?"
	}
	return anomalies[a].name
}

// Ref returns the section of the RFC that says what was expected instead.
func (a Anomaly) Ref() string {
	if a >= anomalyCount {
		return ""
	}
	return anomalies[a].ref
}

// Aliases returns what else the anomaly is called, separated by ", ": names
// that Suricata gives it in other states, and those of Snort and Zeek.
func (a Anomaly) Aliases() string {
	if a >= anomalyCount {
		return ""
	}
	return anomalies[a].aliases
}

// Anomalies is a set of Anomaly. The zero value is empty.
type Anomalies uint64

// Has reports whether a is in the set.
func (s Anomalies) Has(a Anomaly) bool { return s>>a&1 != 0 }

// Next removes the first anomaly, in the order of the constants, and returns
// it; ok is false if the set was empty.
func (s *Anomalies) Next() (a Anomaly, ok bool) {
	if *s == 0 {
		return 0, false
	}
	a = Anomaly(bits.TrailingZeros64(uint64(*s)))
	*s &= *s - 1
	return a, true
}

// String returns the names in the set, separated by spaces.
func (s Anomalies) String() string {
	var b []byte
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, a.String()...)
	}
	return string(b)
}

func (s *Anomalies) add(a Anomaly) { *s |= 1 << a }
