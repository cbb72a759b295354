package wire

import "encoding/binary"

// radiotap steps over the header that drivers put before an 802.11 frame.
func (w *walk) radiotap() Layer {
	b := w.rest()
	if len(b) < 8 {
		return w.stop(ShortLink)
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < 8 || n > len(b) {
		return w.stop(ShortLink)
	}
	w.padded = radiotapPads(b[:n])
	w.off += n
	return LayerWiFi
}

// radiotapPads reports whether radiotap's flags say that the 802.11 header is
// padded to four octets. The flags are the second field; the first is the
// timestamp, aligned to eight octets; before both comes a chain of bitmaps.
func radiotapPads(b []byte) bool {
	const (
		hasTSFT  = 1 << 0
		hasFlags = 1 << 1
		more     = 1 << 31
		dataPad  = 0x20
	)
	present := binary.LittleEndian.Uint32(b[4:])
	if present&hasFlags == 0 {
		return false
	}
	off := 8
	for word := present; word&more != 0; off += 4 {
		if off+4 > len(b) {
			return false
		}
		word = binary.LittleEndian.Uint32(b[off:])
	}
	if present&hasTSFT != 0 {
		off = (off+7)&^7 + 8
	}
	return off < len(b) && b[off]&dataPad != 0
}

// prism steps over the Prism header, or the AVS header that drivers write under
// the same link type.
func (w *walk) prism() Layer {
	b := w.rest()
	if len(b) >= 4 && binary.BigEndian.Uint32(b)&^0xfff == 0x80211000 {
		return w.avs()
	}
	return w.skip(144, LayerWiFi)
}

// avs steps over the AVS header, which says its own length.
func (w *walk) avs() Layer {
	b := w.rest()
	if len(b) < 8 {
		return w.stop(ShortLink)
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n < 8 || n > uint32(len(b)) {
		return w.stop(ShortLink)
	}
	return w.skip(int(n), LayerWiFi)
}

// ppi steps over the per-packet information header to the link type it names.
func (w *walk) ppi() Layer {
	b := w.rest()
	if len(b) < 8 {
		return w.stop(ShortLink)
	}
	return w.nested(uint32(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:]))
}

// wifi parses an IEEE 802.11 data frame (§9.3.2.1) that is not encrypted. All
// other frames carry no IP.
func (w *walk) wifi() Layer {
	b := w.rest()
	if len(b) < 2 {
		return w.stop(ShortLink)
	}
	const (
		data      = 2    // type
		null      = 4    // subtype bit: no data
		qos       = 8    // subtype bit: QoS control follows
		fourAddrs = 0x03 // flags: to and from the distribution system
		protected = 0x40
		order     = 0x80 // of a QoS frame: HT control follows
	)
	subtype, flags := b[0]>>4, b[1]
	if b[0]>>2&3 != data || subtype&null != 0 || flags&protected != 0 {
		return w.stop(NotIP)
	}
	n := 24
	if flags&fourAddrs == fourAddrs {
		n += 6
	}
	if subtype&qos != 0 {
		n += 2
		if flags&order != 0 {
			n += 4
		}
	}
	if w.padded {
		n = (n + 3) &^ 3
	}
	return w.skip(n, LayerLLC)
}
