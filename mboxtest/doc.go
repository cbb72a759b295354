// Package mboxtest plays transcripts of TCP connections through a Stack, so
// that handlers can be tested in a few lines, and compares what happened with
// what a transcript says should have.
//
// A transcript is text that a protocol engineer can read. A line is a segment:
// who sends it, its flags, SEG.SEQ, SEG.ACK and octets of text; behind a bar
// the states of client and server after it; behind another what was raised:
//
//	# RFC 9293 §3.5, Figure 6.
//	> S  100   0  0 | SYN-SENT    SYN-RECEIVED | start syn
//	< SA 300 101  0 | ESTABLISHED SYN-RECEIVED |
//	> A  101 301  0 | ESTABLISHED ESTABLISHED  | established
//	> PA 101 301  5 | ESTABLISHED ESTABLISHED  | data client 0+5
//
// An empty line starts another connection, "#" a comment, and ":" a setting for
// the whole transcript. The columns behind the bars may be left out where only
// the segments matter (Run); Check wants them.
//
//	Talk ──String──▶ transcript ──Parse──▶ Script ──Source──▶ Stack ──▶ handlers
//
// To test handlers takes a stack with the handlers on it and one call:
//
//	talk := new(mboxtest.Talk).Open().Send(mbox.Client, "GET /").Close(mbox.Client)
//	mboxtest.Run(t, stack, talk.String())
//
// A directory of transcripts is checked by CheckAll; go test -rewrite writes what
// happened into them, to be read before it is committed.
//
// # Segments
//
// The flags are letters of FSRPAUEWe, or 0. Behind the five fields may stand:
//
//	data="GET /"   the text; its length is then "-"
//	text=9         another text than the usual one, which depends on SEG.SEQ only
//	win=8192 mss=1460 ws=7 sackok tfo ts=100/0 urg=3   header and options
//	t=+5s          so much later than a millisecond after the line before
//	cut=20         only so many octets of the text were captured
//	badsum offload the checksum is wrong, or not filled in yet
//	drop           a PreTCP handler drops it
//	frag=24        it comes in fragments of so many octets of IP payload;
//	               frag=24/reversed the last one first, frag=24/lost without it,
//	               frag=24/twice each one twice, frag=24/overlap each beginning
//	               with the last 8 octets of the one before it, and
//	               frag=24/conflict with others in their place
//
// # Other lines
//
//	wait 60s            time goes by without a packet
//	> U 100             a datagram of so many octets
//	icmp > 3 1          an ICMP error (type, code) quotes what the client sent last
//	end                 the source ends: what happens to all that is left. Without
//	                    this line it is not compared.
//
// # Settings
//
//	: checksums verify      label, verify or off
//	: strict                only what an RFC 9293 receiver accepts
//	: no-pickup             connections from their SYN or SYN-ACK only
//	: policy linux          overlap policy
//	: history 100           octets kept after they were acknowledged
//	: buffer 1000           octets of a stream held beyond a hole
//	: no-rexmit             no handler on OnRexmit, so nothing is kept to compare
//	: timeout closing 9s    or never; embryonic, established, closing, closed, datagram
//	: fragments last        who wins where fragments overlap: first, last, bsd, linux, discard
//	: ipv6                  over IPv6
//	: show-text             OnNewData shows its octets
//
// # What happened
//
// States are those after the line; "- -" says that there is no connection (any
// more). Events stand in the order in which they were raised:
//
//	start syn                     or synack, midstream, datagram
//	client SYN-SENT               an endpoint has changed to this state
//	established
//	data server 10+100            octets at stream offset 10 became available, 100 of them
//	gap client 10+5 acknowledged  5 octets were given up; or budget, end
//	rexmit client 0+10 same       octets, SYN, SYN-ACK or FIN again; differs, unknown
//	! est_syn_resend              an anomaly
//	icmp client 3/1               an ICMP error that quotes what the client sent
//	orphan                        a segment of no connection
//	end fin                       or rst, idle-timeout, reused, shutdown, evicted
package mboxtest
