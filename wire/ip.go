package wire

import (
	"encoding/binary"
	"math/bits"
)

// ipv4FragMask covers the fragment offset and MF, by which a fragment is known
// (RFC 791 §3.1).
const ipv4FragMask = 0x3fff

// ipv4Max is the longest IPv4 packet (RFC 791 §3.1). A card that leaves the
// total length 0 does not make longer ones: the pseudo-header of the transport
// checksum has no room for their length.
const ipv4Max = 1<<16 - 1

// ipv4 parses an IPv4 header (RFC 791 §3.1). Its total length bounds what
// follows, except that 0 stands for whatever was captured: cards that split
// segments for their host leave it so.
func (w *walk) ipv4() Layer {
	b := w.rest()
	if len(b) < ipv4Len {
		return w.stop(ShortNetwork)
	}
	h := (*[ipv4Len]byte)(b)
	hl, n := int(h[0]&15)*4, int(binary.BigEndian.Uint16(h[2:]))
	if hl < ipv4Len || n != 0 && n < hl {
		return w.stop(BadNetwork)
	}
	if hl > len(b) {
		return w.stop(ShortNetwork)
	}
	marks := Marks(0)
	switch {
	case n == 0 && len(b) > ipv4Max:
		return w.stop(BadNetwork)
	case n == 0:
		n, marks = len(b), MarkLengthZero
	case n > len(b):
		marks = MarkTruncated
	}
	if !IPChecksumOK(b[:hl]) {
		marks |= MarkIPChecksum
	}
	w.datagram(4, hl, n-hl, marks)
	w.ip.ttl, w.ip.proto = h[8], Proto(h[9])
	if fo := binary.BigEndian.Uint16(h[6:]); fo&ipv4FragMask != 0 {
		w.commit(Fragment, endpoints{})
		return LayerNone
	}
	return protoLayers[w.ip.proto]
}

// datagram notes the IP header at off, of hl octets, and steps over it to its n
// octets of payload.
func (w *walk) datagram(version uint8, hl, n int, marks Marks) {
	if !w.ipSeen {
		w.ipSeen, w.outer = true, w.off
	}
	w.ip.off, w.ip.version, w.ip.marks = w.off, version, marks
	w.off += hl
	w.ip.body, w.ip.n = w.off, n
	w.end = min(w.end, w.off+n)
}

// ipv6 parses an IPv6 header (RFC 8200 §3) and its extension headers. A payload
// length of 0 is a jumbogram's (RFC 2675 §2) or, as in IPv4, left to a card.
func (w *walk) ipv6() Layer {
	b := w.rest()
	if len(b) < ipv6Len {
		return w.stop(ShortNetwork)
	}
	h := (*[ipv6Len]byte)(b)
	b = b[ipv6Len:]
	n, next := int(binary.BigEndian.Uint16(h[4:])), Proto(h[6])
	marks := Marks(0)
	if n == 0 && len(b) > 0 {
		switch jumbo := jumboLen(b); {
		case next != ProtoHopByHop:
			n, marks = len(b), MarkLengthZero
		case jumbo > jumboMax:
			return w.stop(BadNetwork)
		default:
			n = int(jumbo)
		}
	}
	if n > len(b) {
		marks |= MarkTruncated
	}
	w.datagram(6, ipv6Len, n, marks)
	w.ip.ttl = h[7]
	c := followExtensions(w.rest(), next)
	if c.outcome != Whole && c.outcome != Fragment {
		return w.stop(c.outcome)
	}
	if c.route > 0 {
		w.ip.marks |= MarkRouting
		w.ip.route = w.off + c.route
	}
	if c.ah && !w.push(LayerAH) {
		return w.stop(TooDeep)
	}
	w.off += c.off
	if w.off > headMax {
		return w.stop(TooDeep)
	}
	w.ip.body, w.ip.n, w.ip.proto = w.off, n-c.off, c.proto
	if c.outcome == Fragment {
		w.commit(Fragment, endpoints{})
		return LayerNone
	}
	return protoLayers[w.ip.proto]
}

// jumboMax is the longest jumbogram believed: no link has a larger MTU, and
// lengths stay within an int everywhere.
const jumboMax = 1<<31 - 1 - ipv6Len

// jumboLen returns the length that the jumbo payload option gives, which has to
// be the first of the hop-by-hop options in b; 0 if there is none.
func jumboLen(b []byte) uint32 {
	if len(b) < 8 || b[2] != 0xc2 {
		return 0
	}
	return binary.BigEndian.Uint32(b[4:])
}

// extensionsMax is how many extension headers one packet may have. RFC 8200
// §4.1 knows seven at most.
const extensionsMax = 40

// extensions is what the extension headers of an IPv6 packet lead to.
type extensions struct {
	off     int // what follows them, from the first octet behind the IPv6 header
	route   int // final destination, likewise; 0 if no routing header is under way
	frag    FragmentInfo
	proto   Proto
	outcome Outcome // Whole, Fragment, or why they lead nowhere
	ah      bool    // one was an authentication header
}

// followExtensions walks over the extension headers in b, of which next is the
// first's type. A fragment header that fragments nothing is stepped over (RFC
// 6946).
func followExtensions(b []byte, next Proto) (c extensions) {
	for range extensionsMax {
		n := 0
		h := b[min(c.off, len(b)):]
		switch next {
		case ProtoHopByHop, ProtoRouting, ProtoDestOpts, ProtoMobility, ProtoHIP, ProtoShim6:
			if len(h) >= 8 {
				n = (int(h[1]) + 1) * 8
			}
		case ProtoAH:
			if len(h) >= 8 {
				n, c.ah = (int(h[1])+2)*4, true
			}
		case ProtoFragment:
			if len(h) >= fragmentLen {
				n = fragmentLen
			}
		default:
			c.proto = next
			return c
		}
		if n == 0 || n > len(h) {
			c.outcome = ShortNetwork
			return c
		}
		switch next {
		case ProtoRouting:
			if at := routedTo(h[:n]); at > 0 {
				c.route = c.off + at
			}
		case ProtoFragment:
			c.frag = fragment6(h)
			if c.frag.More || c.frag.Off > 0 {
				c.outcome = Fragment
			}
		}
		next = Proto(h[0])
		c.off += n
		if c.outcome == Fragment {
			c.proto = next
			return c
		}
	}
	c.outcome = TooDeep
	return c
}

// routedTo returns where in a routing header the final destination stands, or 0
// if the packet has arrived there: the last address of types 0 and 2 (RFC 2460
// §4.4, RFC 6275 §6.4), the first segment of a segment routing header (RFC 8754
// §2). The transport checksum covers it in place of the header's destination
// (RFC 8200 §8.1).
func routedTo(h []byte) int {
	left, kind := h[3], h[2]
	switch {
	case left == 0 || len(h) < 24:
		return 0
	case kind == 0 || kind == 2:
		return len(h) - 16
	case kind == 4:
		return 8
	}
	return 0
}

// fragmentLen is the length of IPv6's fragment header.
const fragmentLen = 8

// fragment4 reads what an IPv4 header says of a fragment (RFC 791 §3.1).
func fragment4(h []byte) FragmentInfo {
	fo := binary.BigEndian.Uint16(h[6:])
	return FragmentInfo{
		ID:   uint32(binary.BigEndian.Uint16(h[4:])),
		Off:  fo & 0x1fff * 8,
		More: fo&0x2000 != 0,
	}
}

// fragment6 reads a fragment header (RFC 8200 §4.5).
func fragment6(h []byte) FragmentInfo {
	fo := binary.BigEndian.Uint16(h[2:])
	return FragmentInfo{ID: binary.BigEndian.Uint32(h[4:]), Off: fo &^ 7, More: fo&1 != 0}
}

// ah steps over an authentication header (RFC 4302 §2) in IPv4. What it
// authenticates is in the clear.
func (w *walk) ah() Layer {
	b := w.rest()
	if len(b) < 8 {
		return w.stop(ShortTransport)
	}
	n := (int(b[1]) + 2) * 4
	if n > len(b) {
		return w.stop(ShortTransport)
	}
	w.off += n
	w.ip.body, w.ip.n, w.ip.proto = w.off, w.ip.n-n, Proto(b[0])
	return protoLayers[w.ip.proto]
}

// IPChecksumOK reports whether the header checksum of an IPv4 header holds (RFC
// 1071). h is the header with its options.
func IPChecksumOK(h []byte) bool {
	if len(h) == ipv4Len {
		return ipv4HeaderOK((*[ipv4Len]byte)(h))
	}
	return holds(addOctets(0, h))
}

// ipv4HeaderOK does so for a header without options.
func ipv4HeaderOK(h *[ipv4Len]byte) bool {
	le := binary.LittleEndian
	return headerHolds(le.Uint64(h[0:]), le.Uint64(h[8:]), uint64(le.Uint32(h[16:])))
}

// headerHolds does so for its octets as words, of the third of which the lower
// half is part of the header.
func headerHolds(u, w, v uint64) bool {
	sum, c := bits.Add64(u, w, 0)
	sum, c = bits.Add64(sum, v&0xffffffff, c)
	return holds(sum + c)
}
