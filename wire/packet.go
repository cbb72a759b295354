package wire

import "net/netip"

// Outcome is what Parse made of a frame.
type Outcome uint8

// Whole and Fragment carry an IP packet; all others say why there is none to
// track. Each is a disposition that is counted by its name. Of ShortTransport
// and BadTransport the addresses and the protocol in Key are still good.
const (
	Whole          Outcome = iota // an IP packet with its transport header
	Fragment                      // a piece of one, of which Packet.Fragment tells more; ports are not valid
	NotIP                         // a frame without IP inside: ARP, LLC, management frames
	UnknownLink                   // a link type that the parser does not know
	ShortLink                     // cut within the link layer or an encapsulation
	ShortNetwork                  // cut within the IP header or its extensions
	BadNetwork                    // IP version, header length or total length contradict themselves
	ShortTransport                // cut within the transport header
	BadTransport                  // the TCP data offset contradicts the packet
	TooDeep                       // more nested headers than depthMax, or one beyond headMax
	outcomeCount
)

// OutcomeCount is the number of outcomes, for arrays of counters.
const OutcomeCount = int(outcomeCount)

// outcomes are the names of the counters, which stay as they are.
var outcomes = [outcomeCount]string{
	Whole:          "whole",
	Fragment:       "fragment",
	NotIP:          "not-ip",
	UnknownLink:    "unknown-link",
	ShortLink:      "short-link",
	ShortNetwork:   "short-network",
	BadNetwork:     "bad-network",
	ShortTransport: "short-transport",
	BadTransport:   "bad-transport",
	TooDeep:        "too-deep",
}

// String returns the outcome's name, which is also its counter's.
func (o Outcome) String() string {
	if o < outcomeCount {
		return outcomes[o]
	}
	return "outcome-" + decimal(uint16(o))
}

// Marks are things Parse notes about a packet that is processed all the same.
type Marks uint16

// The marks.
const (
	MarkIPChecksum   Marks = 1 << iota // the innermost IPv4 header checksum is wrong
	MarkTruncated                      // fewer octets were captured than the IP header announces
	MarkLengthZero                     // IP total length 0 (segmentation offload): the captured length counts
	MarkICMPError                      // an ICMP error: Key is the quoted packet's, Sender its sender
	MarkRouting                        // IPv6 routing header: the checksum is over RouteOff's address
	MarkOuterPartial                   // an outer checksum or length did not hold
	MarkOpaque                         // a tunnel whose payload led to no IP packet: the tunnel is the flow
	MarkUDPLength                      // the UDP length contradicts the IP header's, which counts
)

// stackMax is how many layers a Packet remembers by name, the outermost ones:
// three tunnels with their Ethernet headers. The parser goes deeper (depthMax).
const stackMax = 12

// vlanMax is how many VLAN identifiers a Packet remembers, the outermost ones.
// Three are the most that any capture we know has in a row.
const vlanMax = 3

// FragmentInfo describes one IP fragment (RFC 791 §3.2, RFC 8200 §4.5).
type FragmentInfo struct {
	ID   uint32
	Off  uint16 // octets from the start of the datagram's payload
	More bool   // more fragments follow
}

// Packet is what Parse found in a frame: offsets into it, and the values of the
// innermost packet that the rest of mbox looks at. It is a value without
// pointers and means nothing without its frame; offsets count octets from the
// frame's first. No offset exceeds what was captured.
//
// It has 128 octets, two cache lines, and what is looked at for each packet is
// in front (TestSizes).
type Packet struct {
	Key     FlowKey
	Segment Segment // valid iff Outcome is Whole, Key.Proto is ProtoTCP and not MarkICMPError

	PayloadLen   uint32 // octets of payload by the IP header
	Captured     uint32 // octets of payload in the frame, at most PayloadLen
	PayloadOff   uint16 // first octet of payload
	TransportOff uint16 // header in front of it, valid iff Outcome is Whole; of a Fragment: its data
	NetworkOff   uint16 // innermost IP header
	OuterOff     uint16 // outermost IP header; equals NetworkOff without a tunnel

	Marks  Marks
	Sender uint8 // index in Key of the packet's source
	TTL    uint8 // innermost TTL or hop limit

	Outcome  Outcome
	Depth    uint8  // valid entries of Stack
	VLAN     uint16 // innermost VLAN identifier; 0 if there is none
	RouteOff uint16 // last address of a routing header; valid iff MarkRouting
	ICMPType uint8  // valid iff an ICMP or ICMPv6 packet
	ICMPCode uint8  // valid iff an ICMP or ICMPv6 packet
	Stack    [stackMax]Layer
	VLANs    [vlanMax]uint16 // the outermost VLAN identifiers, one for each LayerVLAN of Stack
}

// Src returns the packet's source: of an ICMP error, the quoted packet's.
func (p *Packet) Src() netip.AddrPort { return p.Key.Endpoint(p.Sender) }

// Dst returns the packet's destination: of an ICMP error, the quoted packet's.
func (p *Packet) Dst() netip.AddrPort { return p.Key.Endpoint(p.Sender ^ 1) }

// Payload returns the captured octets of payload in the packet's frame: of a
// Fragment, of its piece of the datagram.
func (p *Packet) Payload(data []byte) []byte {
	return data[p.PayloadOff : uint32(p.PayloadOff)+p.Captured]
}

// Fragment describes the fragment in the packet's frame. It is the zero value
// of anything else.
func (p *Packet) Fragment(data []byte) FragmentInfo {
	switch {
	case p.Outcome != Fragment:
		return FragmentInfo{}
	case p.Key.Version == 4:
		return fragment4(data[p.NetworkOff:])
	}
	return fragment6(data[p.TransportOff-fragmentLen:])
}

// Network returns the octets from the innermost IP header on, to the end of the
// frame: a view of IPv4 or IPv6, by Key.Version. It is nil if there is none.
func (p *Packet) Network(data []byte) []byte {
	if p.Key.Version == 0 {
		return nil
	}
	return data[p.NetworkOff:]
}

// Transport returns the octets from the header behind the IP header on, to the
// end of what was captured of the packet. It is nil if there is none.
func (p *Packet) Transport(data []byte) []byte {
	if p.Outcome != Whole {
		return nil
	}
	return data[p.TransportOff : uint32(p.PayloadOff)+p.Captured]
}
