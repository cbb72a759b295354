package tcpfsm

// wscaleMax is the largest window scale; a larger one counts as this (RFC 7323
// §2.3).
const wscaleMax = 14

// windowMax is the largest window there can be, in octets. Nothing that belongs
// to a connection is further from SND.NXT, and as twice this is below 2^31 all
// that is near enough can be compared.
const windowMax = 0xffff << wscaleMax

// holesMax is how many holes an endpoint's stream may have at a time, exactly
// known. More costs every connection 8 octets each; fewer, and two losses in
// one window are too many. When a fourth opens, the lowest is forgotten, which
// Exact reports: its octets, when they come late, count as sent before (so that
// no retransmission is missed), and RCV.NXT goes on with the receiver's ACKs.
const holesMax = 3

// lateOctets is how far behind RCV.NXT a hole may be until its octets are not
// waited for any more. What is acknowledged and still not seen either missed us
// or was captured late, and then not by more than a ring of the capture holds.
const lateOctets = 1 << 20
