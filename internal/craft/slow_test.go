package craft

// slowChecksum is RFC 1071 §1 word for word: one's complement addition of
// 16-bit words, each carry brought round at once, an odd octet padded.
func slowChecksum(b []byte) uint16 {
	var acc uint16
	for i := 0; i < len(b); i += 2 {
		w := uint16(b[i]) << 8
		if i+1 < len(b) {
			w |= uint16(b[i+1])
		}
		if acc += w; acc < w {
			acc++
		}
	}
	return ^acc
}
