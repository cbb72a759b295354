package craft

import "github.com/mbox-stack/mbox/wire"

// AppendFragment appends a frame with one fragment of a datagram: data stands
// at frag.Off of the datagram's payload, whose protocol is proto. An IPv4
// header has 16 bits of frag.ID.
func AppendFragment(dst []byte, p *Path, proto wire.Proto, frag wire.FragmentInfo, data []byte) []byte {
	if frag.Off%8 != 0 {
		panic("craft: a fragment begins at a multiple of 8 octets")
	}
	dst, f := p.begin(dst, proto, &frag)
	return p.end(append(dst, data...), f)
}

// Fragments cuts a datagram's payload (of AppendSegment or AppendDatagram) into
// frames that carry up to octets of it each, rounded down to a multiple of 8.
// It returns them in order; unlike the Append functions it allocates.
func Fragments(p *Path, proto wire.Proto, id uint32, body []byte, octets int) [][]byte {
	octets &^= 7
	if octets <= 0 {
		panic("craft: a fragment carries at least 8 octets")
	}
	var frames [][]byte
	for off := 0; off < len(body); off += octets {
		end := min(off+octets, len(body))
		info := wire.FragmentInfo{ID: id, Off: uint16(off), More: end < len(body)}
		frames = append(frames, AppendFragment(nil, p, proto, info, body[off:end]))
	}
	return frames
}
