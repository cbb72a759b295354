package wire

// depthMax is how many headers the parser follows into a frame. Real networks
// stay below 16; a frame made of nothing but tags or tunnels may otherwise cost
// as much as ten thousand packets. Beyond it the outcome is TooDeep.
const depthMax = 64

// headMax is how far into a frame the parser looks for headers: offsets have 16
// bits, and there must be room for the longest header behind the last one. Only
// a jumbogram could have more before its payload.
const headMax = 1<<16 - 1<<8

// A walk goes through a frame's headers from the outside in. Each header has a
// method that checks its length, advances off, and names the next header, or
// says by stop why there is none.
//
// The Packet is written whenever an IP packet stands whole, and overwritten by
// one found further inside. So a tunnel that leads nowhere leaves its own
// packet behind, and what was tried in vain leaves no trace.
type walk struct {
	p    *Packet
	data []byte
	off  int // the next header
	end  int // where the octets end that belong to it: off <= end <= len(data)

	ip struct {
		off     int // the header
		body    int // its payload
		n       int // octets of payload, by the header
		proto   Proto
		version uint8
		ttl     uint8
		marks   Marks
		route   int // valid iff marks has MarkRouting
	}

	scope   uint64 // hashes of identifiers, as in FlowKey.Scope
	mask    uint64 // which of them go into a key
	outer   int    // the outermost IP header; valid iff ipSeen
	ipSeen  bool
	found   bool // *p holds an IP packet
	padded  bool // radiotap: 802.11 headers end on four octets
	tags    tags
	depth   uint8 // headers so far; stack holds the first of them
	stack   [stackMax]Layer
	outcome Outcome
}

// run follows the headers from next on, and settles the packet's outcome.
func (w *walk) run(next Layer) {
	for next != LayerNone {
		if next == layerIP {
			if next = w.version(); next == LayerNone {
				break
			}
		}
		if !w.push(next) {
			w.found = false
			w.stop(TooDeep)
			break
		}
		next = w.header(next)
	}
	switch {
	case w.outcome == Whole || w.outcome == Fragment:
	case w.found:
		w.p.Marks |= MarkOpaque
	case w.outcome == ShortTransport || w.outcome == BadTransport:
		w.commit(w.outcome, endpoints{})
	default:
		*w.p = Packet{Outcome: w.outcome}
		w.context()
	}
}

// push notes that header l comes next. It reports false at the limits.
func (w *walk) push(l Layer) bool {
	if w.depth == depthMax || w.off > headMax {
		return false
	}
	if int(w.depth) < len(w.stack) {
		w.stack[w.depth] = l
	}
	w.depth++
	return true
}

// header parses header l and returns the next one.
func (w *walk) header(l Layer) Layer {
	switch {
	case l <= LayerERF:
		return w.linkHeader(l)
	case l <= LayerTEB:
		return w.between(l)
	case l == LayerIPv4:
		return w.ipv4()
	case l == LayerIPv6:
		return w.ipv6()
	case l == LayerAH:
		return w.ah()
	case l <= LayerTZSP:
		return w.tunnel(l)
	}
	return w.upper(l)
}

// version names the IP header that begins here by its first nibble.
func (w *walk) version() Layer {
	if w.off >= w.end {
		return w.stop(ShortNetwork)
	}
	switch w.data[w.off] >> 4 {
	case 4:
		return LayerIPv4
	case 6:
		return LayerIPv6
	}
	return w.stop(BadNetwork)
}

// stop ends the walk with an outcome.
func (w *walk) stop(o Outcome) Layer {
	w.outcome = o
	return LayerNone
}

// rest returns the captured octets from here on.
func (w *walk) rest() []byte { return w.data[w.off:w.end] }

// take returns the next n octets and steps over them, or nil if there are
// fewer.
func (w *walk) take(n int) []byte {
	if n > w.end-w.off {
		return nil
	}
	h := w.data[w.off : w.off+n]
	w.off += n
	return h
}

// skip steps over n octets to next, or stops if there are fewer.
func (w *walk) skip(n int, next Layer) Layer {
	if n > w.end-w.off {
		return w.stop(ShortLink)
	}
	w.off += n
	return next
}

// commit writes the IP packet in hand, whose transport header begins at
// ip.body, to the Packet.
func (w *walk) commit(o Outcome, e endpoints) {
	p, marks := w.p, w.ip.marks
	if w.found && p.Marks&(MarkIPChecksum|MarkTruncated|MarkOuterPartial) != 0 {
		marks |= MarkOuterPartial
	}
	*p = Packet{}
	p.NetworkOff, p.OuterOff = uint16(w.ip.off), uint16(w.outer)
	p.TransportOff, p.RouteOff = uint16(w.ip.body), uint16(w.ip.route)
	p.Outcome, p.Marks, p.TTL = o, marks, w.ip.ttl
	p.after(0, w.ip.n, w.end-w.ip.body)
	mask := w.mask
	if o == Fragment {
		mask = ^uint64(0)
	}
	h := w.data[w.ip.off:]
	if w.ip.version == 4 {
		p.set4((*[8]byte)(h[12:]), e, w.ip.proto)
	} else {
		p.set6((*[32]byte)(h[8:]), e, w.ip.proto)
	}
	p.Key.Scope = w.scope & mask
	w.context()
	w.found, w.outcome = true, o
}

// context writes what surrounds the packet.
func (w *walk) context() {
	w.p.Stack, w.p.Depth = w.stack, min(w.depth, stackMax)
	w.p.VLAN, w.p.VLANs = w.tags.innermost, w.tags.ids
}

// tunnelID notes the identifier of a tunnel.
func (w *walk) tunnelID(id uint32) {
	w.scope = w.scope&^0xffffffff | uint64(mix(uint32(w.scope), id))
}

// tags are the VLAN identifiers on the way to a packet.
type tags struct {
	ids       [vlanMax]uint16 // the outermost ones
	innermost uint16
	count     uint8
}

// add notes the next tag, and returns scope with its identifier. Priority tags,
// whose identifier is 0, are no VLAN (IEEE 802.1Q §9.6) and leave it as it is.
func (t *tags) add(scope uint64, id uint16) uint64 {
	if t.count < vlanMax {
		t.ids[t.count] = id
	}
	t.count++
	if id == 0 {
		return scope
	}
	t.innermost = id
	return uint64(mix(uint32(scope>>32), uint32(id)))<<32 | scope&0xffffffff
}

// mix folds one more identifier into a hash: order counts, and an identifier of
// 0 is not the same as none.
func mix(hash, id uint32) uint32 { return hash*0x9e3779b1 + id + 1 }
