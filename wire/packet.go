package wire

// Outcome is what Parse made of a frame.
type Outcome uint8

// Whole and Fragment carry an IP packet; all others say why there is none to
// track. Each is a disposition that is counted by its name.
const (
	Whole    Outcome = iota // an IP packet with its transport header
	Fragment                // a piece of one: Packet.Frag is valid, ports are not
	NotIP                   // a frame without IP inside: ARP, LLC, management frames
	UnknownLink
	ShortLink      // cut within the link layer or an encapsulation
	ShortNetwork   // cut within the IP header
	BadNetwork     // IP version, header length or total length contradict themselves
	ShortTransport // cut within the transport header
	BadTransport   // the TCP data offset or a UDP length contradicts the packet
	TooDeep        // more nested headers than depthMax
	outcomeCount
)

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
)

// stackMax is how many layers a Packet remembers by name.
const stackMax = 15

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
type Packet struct {
	Key     FlowKey
	Segment Segment // valid iff Outcome is Whole, Key.Proto is ProtoTCP and not MarkICMPError

	NetworkOff   uint32 // innermost IP header
	TransportOff uint32 // header behind it, valid iff Outcome is Whole; of a Fragment: its data
	PayloadOff   uint32 // first octet of payload
	PayloadLen   uint32 // octets of payload by the IP header
	Captured     uint32 // octets of payload in the frame, at most PayloadLen
	OuterOff     uint32 // outermost IP header; equals NetworkOff without a tunnel
	RouteOff     uint32 // last address of a routing header; valid iff MarkRouting

	Frag     FragmentInfo // valid iff Outcome is Fragment
	Outcome  Outcome
	Sender   uint8  // index in Key of the packet's source
	TTL      uint8  // innermost TTL or hop limit
	ICMPType uint8  // valid iff an ICMP or ICMPv6 packet
	ICMPCode uint8  // valid iff an ICMP or ICMPv6 packet
	Depth    uint8  // valid entries of Stack
	Marks    Marks  //
	VLAN     uint16 // innermost VLAN identifier; 0 if there is none
	Stack    [stackMax]Layer
}
