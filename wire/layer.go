package wire

// LinkType is a link-layer header type as captures number it
// (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// Layer names one header of a packet's stack, outermost first.
type Layer uint8
