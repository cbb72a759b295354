package hostname

import (
	"net/netip"
	"strings"
)

// nameMax is the most octets that a name has: RFC 1035 §2.3.4, without the dot at
// its end.
const nameMax = 253

// normal returns a name in lower case, without port and final dot; "" if it is
// none. Addresses stay, those of IPv6 in their brackets.
func normal(text string) string {
	if strings.HasPrefix(text, "[") {
		literal, port, ok := strings.Cut(text[1:], "]")
		addr, err := netip.ParseAddr(literal)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" || port != "" && !isPort(port) {
			return ""
		}
		return "[" + addr.String() + "]"
	}
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		if !isPort(text[i:]) {
			return ""
		}
		text = text[:i]
	}
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > nameMax {
		return ""
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		case c == '.' && i > 0 && text[i-1] != '.':
		default:
			return ""
		}
	}
	return strings.ToLower(text)
}

// isPort reports whether text is a colon and a port number, which may be missing
// (RFC 3986 §3.2.3).
func isPort(text string) bool {
	if text[0] != ':' || len(text) > len(":65535") {
		return false
	}
	for _, c := range text[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
