package rx

import (
	"encoding/binary"
	"math/bits"

	"github.com/mbox-stack/mbox/wire"
)

// The pcapng blocks that are read; all others are passed over.
const (
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
)

const (
	blockHeadOctets  = 8  // type and length
	blockLeast       = 12 // and the length again, at the end
	interfaceOctets  = 8  // link type, reserved, snap length; options follow
	simpleOctets     = 4  // original length; the frame follows
	packetOctets     = 20 // interface, time, captured and original length; the frame follows
	sectionByteOrder = 0x1a2b3c4d
)

const (
	// interfacesMax bounds the interfaces of a section: 65536 is what the
	// obsolete Packet Block can name. Packets of interfaces beyond are damage.
	interfacesMax = 1 << 16

	// optionsMax is how much of an interface's options is looked at. Writers
	// put names, descriptions and a filter there, seldom 200 octets.
	optionsMax = 64 << 10
)

// The interface options that are read, and the end of a list.
const (
	optionEnd        = 0
	optionResolution = 9  // if_tsresol
	optionOffset     = 14 // if_tsoffset
)

// capturePort is what an Interface Description Block says.
type capturePort struct {
	link       wire.LinkType
	resolution uint8 // if_tsresol: 10^-n s, or 2^-n s with the top bit set
	snap       uint32
	offset     int64 // if_tsoffset: seconds added to each timestamp
}

// pcapng reads the blocks of a pcapng capture (draft-ietf-opsawg-pcapng). The
// order of octets and the interfaces are a section's own.
type pcapng struct {
	order order
	ports []capturePort
}

// cut implements format. A block's length covers its head and its trailing
// copy; the copy is not looked at, as damage there harms nothing.
func (f *pcapng) cut(w *window, out []Frame) ([]Frame, int, *place) {
	for len(out) < cap(out) {
		b := w.unread()
		if len(b) < blockLeast {
			return out, blockLeast, nil
		}
		section := binary.LittleEndian.Uint32(b) == magicSection
		if section {
			if !f.begin(b) {
				return out, 0, damaged(w.pos, "a section whose byte-order magic is %x", b[blockHeadOctets:blockLeast])
			}
		}
		kind, total := f.order.uint32(b), f.order.uint32(b[4:])
		if total < blockLeast || total&3 != 0 {
			return out, 0, damaged(w.pos, "a block of type %#x with a length of %d", kind, total)
		}
		need, bad := wanted(kind, total, w.pos)
		if bad != nil || len(b) < need {
			return out, need, bad
		}
		if !section {
			// What is there of the body: all of it, unless nobody looks at it.
			if out, bad = f.block(kind, b[blockHeadOctets:need-4], out, w.pos); bad != nil {
				return out, 0, bad
			}
		}
		w.discard(int64(total))
	}
	return out, 0, nil
}

// begin starts a section; it reports whether its byte order could be told.
func (f *pcapng) begin(b []byte) bool {
	f.ports = f.ports[:0]
	for _, f.order = range [...]order{littleEndian, bigEndian} {
		if f.order.uint32(b[8:]) == sectionByteOrder {
			return true
		}
	}
	return false
}

// wanted returns how many octets of a block must be there to read it.
func wanted(kind, total uint32, at int) (int, *place) {
	switch kind {
	case blockInterface:
		return int(min(total, blockLeast+interfaceOctets+optionsMax)), nil
	case blockPacket, blockSimple, blockEnhanced:
		if total > recordMax {
			return 0, damaged(at, "a packet block of %d octets, the most is %d", total, recordMax)
		}
		return int(total), nil
	}
	return blockLeast, nil
}

// block reads one block's body and appends its frame, if it holds one, to out.
// at is where the block begins. Blocks too short for their fields are passed
// over, as are packets without an interface in the blocks that imply one.
func (f *pcapng) block(kind uint32, body []byte, out []Frame, at int) ([]Frame, *place) {
	switch {
	case kind == blockEnhanced && len(body) >= packetOctets:
		id := f.order.uint32(body)
		if uint64(id) >= uint64(len(f.ports)) {
			return out, damaged(at, "a packet of interface %d, the section has %d", id, len(f.ports))
		}
		captured := f.order.uint32(body[12:])
		if uint64(captured) > uint64(len(body)-packetOctets) || captured > frameMax {
			return out, damaged(at, "the packet claims %d octets, its block has %d", captured, len(body)-packetOctets)
		}
		return append(out, f.frame(&f.ports[id], body, captured)), nil
	case kind == blockPacket && len(body) >= packetOctets:
		id := int(f.order.uint16(body))
		captured := min(f.order.uint32(body[12:]), uint32(len(body)-packetOctets))
		if id < len(f.ports) && captured <= frameMax {
			out = append(out, f.frame(&f.ports[id], body, captured))
		}
	case kind == blockSimple && len(body) >= simpleOctets && len(f.ports) > 0:
		onWire := f.order.uint32(body)
		n := min(onWire, uint32(len(body)-simpleOctets), frameMax)
		if snap := f.ports[0].snap; snap > 0 {
			n = min(n, snap)
		}
		end := simpleOctets + int(n)
		out = append(out, Frame{Data: body[simpleOctets:end:end], WireLen: onWire, Link: f.ports[0].link})
	case kind == blockInterface && len(body) >= interfaceOctets && len(f.ports) < interfacesMax:
		f.ports = append(f.ports, f.port(body))
	}
	return out, nil
}

// frame reads the body that Enhanced and obsolete Packet Blocks have in common.
func (f *pcapng) frame(port *capturePort, body []byte, captured uint32) Frame {
	units := uint64(f.order.uint32(body[4:]))<<32 | uint64(f.order.uint32(body[8:]))
	end := packetOctets + int(captured)
	return Frame{
		Data:      body[packetOctets:end:end],
		Timestamp: port.nanoseconds(units),
		WireLen:   max(captured, f.order.uint32(body[16:])),
		Link:      port.link,
	}
}

// port reads an Interface Description Block. Options that do not fit end the
// list: what was read before them holds.
func (f *pcapng) port(body []byte) capturePort {
	p := capturePort{
		link:       wire.LinkType(f.order.uint16(body)),
		snap:       f.order.uint32(body[4:]),
		resolution: resolutionDefault,
	}
	for rest := body[interfaceOctets:]; len(rest) >= 4; {
		code, length := f.order.uint16(rest), int(f.order.uint16(rest[2:]))
		value := rest[4:]
		if code == optionEnd || length > len(value) {
			break
		}
		switch {
		case code == optionResolution && length >= 1:
			p.resolution = value[0]
		case code == optionOffset && length >= 8:
			p.offset = int64(f.order.uint64(value))
		}
		rest = value[min((length+3)&^3, len(value)):]
	}
	return p
}

// resolutionDefault is microseconds, where an interface has no if_tsresol.
const resolutionDefault = 6

// nanoseconds turns a timestamp in the interface's units into ns since 1970.
func (p *capturePort) nanoseconds(units uint64) int64 {
	if p.resolution == resolutionDefault && p.offset == 0 && units < timestampMax/1000 {
		return int64(units) * 1000
	}
	n := scale(units, p.resolution)
	if p.offset == 0 {
		return n
	}
	// In seconds first, so that nothing overflows.
	const secondsMax = timestampMax / second
	seconds := n/second + max(min(p.offset, secondsMax+1), -secondsMax-1)
	switch {
	case seconds < 0:
		return 0
	case seconds > secondsMax:
		return timestampMax
	}
	return min(seconds*second+n%second, timestampMax)
}

// scale returns units of 10^-r s, or of 2^-r s where r has its top bit set, in
// ns, and timestampMax where that is more.
func scale(units uint64, r uint8) int64 {
	var hi, lo uint64
	switch n := uint(r & 0x7f); {
	case r&0x80 != 0:
		hi, lo = bits.Mul64(units, uint64(second))
		if n >= 64 {
			hi, lo = 0, hi>>(n-64)
		} else {
			hi, lo = hi>>n, lo>>n|hi<<(64-n)
		}
	case n <= 9:
		hi, lo = bits.Mul64(units, powersOf10[9-n])
	case n-9 < uint(len(powersOf10)):
		lo = units / powersOf10[n-9]
	}
	if hi != 0 || lo > timestampMax {
		return timestampMax
	}
	return int64(lo)
}

// powersOf10 are those that fit 64 bits.
var powersOf10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()
