// Package tcpfsm follows both endpoints of a TCP connection from the middle of
// the path: one step per segment, as a function of the segments alone.
//
// A segment is two facts. Its sender has sent it: Step moves that endpoint
// first. Its receiver has received it: Step moves that endpoint next, unless
// the segment was dropped between the two.
//
//	           sent                       received
//	+--------+      +--------------+              +--------+
//	| client | ---> |    middle    | ---> ? ----> | server |
//	+--------+      | Conn: both   |   loss       +--------+
//	  TCB           | TCBs, as far |                TCB
//	                | as one knows |
//	                +--------------+
//
// What a segment tells an endpoint is a signal, and only news is one: a
// retransmission is none. How a signal moves an endpoint is a table (rules.go,
// printed in docs/tcpfsm.md) in which each row names its section of RFC 9293;
// a pair of state and signal that is not listed is an anomaly. The rest of the
// package is what decides which signals a segment carries.
//
// Look says what a segment would be before anything is changed. It is Step on
// a copy, so that what it promises is what Step does.
//
// Traps for who reads or changes this:
//
//   - What passed the middle may be lost behind it, so our view of a receiver
//     runs ahead of it, and endpoints repeat what that view has left behind.
//   - What the receiver acknowledges is the truth, and may be more than we saw.
//   - Sequence numbers are compared only while they are less than 2^31 apart;
//     whatever does not move along with the stream is pulled along or marked
//     as too far behind to compare (keepUp).
//   - A Conn holds no time. What is over after 2 MSL is said by Expire.
//
// A Conn holds no pointers, allocates nothing and belongs to one goroutine.
package tcpfsm
