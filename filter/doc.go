// Package filter compiles tcpdump expressions, and matches packets and flows
// against them.
//
// The language is that of pcap-filter(7) as libpcap 1.10 has it: primitives
// with qualifiers, which following words inherit (tcp dst port 80 or 443), byte
// access and arithmetic (tcp[tcpflags] & tcp-syn != 0), and, or and not. and
// and or bind alike, to the left; not binds tightest. What is not supported is
// an *Error that names the word and its column, never another answer.
//
//	text -> lex -> tokens -> parse -> expr -> emit -> tests, each with where
//	                                   |              to go on yes and no
//	                                   +-> String, FlowOnly
//
// A Program is asked in two ways. Match looks at one packet: what wire.Parser
// found in a frame, and the frame's octets. MatchFlow looks at a flow's key,
// from the client to the server; FlowOnly says whether that is enough.
//
// # Innermost headers
//
// Expressions read the innermost headers, behind tags and tunnels; on Ethernet
// frames without either, Match selects exactly what tcpdump selects
// (TestTcpdump). Elsewhere:
//
//	frame                    expression          here             tcpdump
//	IP in a VLAN             tcp                 the inner packet  no match
//	IP in a VLAN             vlan and tcp        the inner packet  the same
//	IP in a VLAN             vlan 5 or vlan 6    either tag        6 means a tag behind the first one
//	IP in two VLANs          vlan 5 and vlan 6   5 outside, 6 in   the same
//	VLAN tag of type 0x9200  vlan                a tag             no match
//	IP in GRE, IPIP, VXLAN   host A              the inner packet  the outer packet
//	IP in GRE                ip proto 47         no match          match
//	IP in MPLS or PPPoE      tcp                 the inner packet  no match
//	IP in LLC and SNAP       ip                  match             no match
//	any in a tunnel          ether host M        the last Ethernet header in front of the packet, if there is one
//	any in a tunnel          vlan 5              the frame's tags, from the outside in
//	any                      len                 the frame's length, headers included
//
// A tunnel that leads to no IP packet is a packet itself, and what its own
// header says counts. mpls, pppoes and geneve are refused: what they mean in
// tcpdump is a step inwards, which has been taken already. Of frames without
// IP, arp and rarp look behind Ethernet and Linux's cooked headers.
//
// # Traps
//
// These are tcpdump's, kept because expressions are copied from terminals.
// ports and protocols of IPv6 packets are read where the fixed header ends:
// `tcp port 80` does not see a packet with extension headers, `tcp` sees it
// behind a fragment header only. tcp[], udp[] and icmp[] read IPv4 only.
// `host 10` is 0.0.0.10, `net 10` is 10.0.0.0/8. % and ^ take everything to
// their right as their operand. `1 + tcp[0]` reads any packet as if it were
// TCP, since of a sum only the left operand's protocol is checked; `tcp[0] + 1`
// is false for others. A packet that ends before an octet that is
// asked for matches nothing, not even under not.
//
// In the last, tcpdump -O does the same. Without -O libpcap's optimizer leaves
// out questions whose answer would change nothing, and a packet cut short may
// match after all. It also gets about one long expression in a thousand wrong
// (libpcap 1.10.3); where tcpdump and tcpdump -O differ, -O is right.
//
// A flow's key does not know extension headers, so MatchFlow does see TCP
// behind them. Neither does it know ARP: `host A` is about IP there.
//
// Names of ports come from a table of well-known ones, which is the same on
// every machine; host names are never resolved. `1 + tcp[0]` is refused:
// libpcap does not check there that the packet is TCP.
package filter
