package frag

import "encoding/binary"

// IPv6 extension headers whose length is not (Hdr Ext Len + 1) * 8.
const (
	ip6Fragment = 44 // 8 octets, RFC 8200 §4.5
	ip6Auth     = 51 // (Payload Len + 2) * 4, RFC 4302 §2.2
)

// nextHeaderAt returns where, in an IPv6 packet's headers up to its fragment
// header, the Next Header field lies that announces the fragment header. It is
// not ok if the headers do not end where h ends. An earlier fragment header, of
// an atomic fragment (RFC 6946), is a header as any other.
func nextHeaderAt(h []byte) (at int, ok bool) {
	at, next := 6, ip6HeaderOctets
	for next < len(h) && len(h)-next >= 8 {
		n := (int(h[next+1]) + 1) * 8
		switch h[at] {
		case ip6Fragment:
			n = fragmentHeaderOctets
		case ip6Auth:
			n = (int(h[next+1]) + 2) * 4
		}
		at, next = next, next+n
	}
	return at, next == len(h) && h[at] == ip6Fragment
}

// unfragment4 turns the header of a first fragment into that of a datagram with
// payload octets behind it (RFC 791 §3.2).
func unfragment4(h []byte, payload uint32) {
	const keep = 0xc0 // the reserved bit and DF, of the octet that holds MF and the offset
	binary.BigEndian.PutUint16(h[2:], uint16(uint32(len(h))+payload))
	h[6], h[7] = h[6]&keep, 0
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], checksum(h))
}

// unfragment6 turns the headers before the fragment header of a first fragment
// into those of a datagram whose next header is proto and that has payload
// octets behind them (RFC 8200 §4.5).
func unfragment6(h []byte, proto uint8, payload uint32) {
	at, _ := nextHeaderAt(h)
	h[at] = proto
	binary.BigEndian.PutUint16(h[4:], uint16(uint32(len(h))-ip6HeaderOctets+payload))
}

// checksum returns the Internet checksum (RFC 1071) of b, whose length is even.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum>>16 + sum)
}
