package filter

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind tells tokens apart.
type kind uint8

const (
	tokEnd     kind = iota
	tokWord         // a keyword or a name
	tokEscaped      // a name behind a backslash, which keeps it from being a keyword
	tokNumber       // decimal, octal, hexadecimal, or a name such as tcp-syn
	tokDotted       // two to four decimal numbers with dots: an IPv4 address or net
	tokIPv6
	tokMAC // with colons; other forms of it are words until the parser knows better
	tokOp  // an operator or a bracket
)

// token is one word of an expression.
type token struct {
	kind kind
	text string     // as written
	off  int        // octets from the start of the expression
	num  uint32     // valid iff kind is tokNumber
	addr netip.Addr // valid iff kind is tokIPv6
}

// is reports whether t is the keyword or operator s. An escaped word is none.
func (t token) is(s string) bool {
	return (t.kind == tokWord || t.kind == tokOp) && t.text == s
}

// operators are tried longest first.
var operators = []string{
	"&&", "||", "<<", ">>", "==", "!=", "<=", ">=",
	"(", ")", "[", "]", ":", "/", "=", "<", ">", "+", "-", "*", "%", "&", "|", "^", "!",
}

// lex splits src into tokens; the last one is tokEnd.
func lex(src string) ([]token, *Error) {
	var toks []token
	for i := 0; ; {
		for i < len(src) && isSpace(src[i]) {
			i++
		}
		if i == len(src) {
			return append(toks, token{kind: tokEnd, off: i}), nil
		}
		t, err := lexOne(src, i)
		if err != nil {
			return nil, err
		}
		toks = append(toks, t)
		i += len(t.text)
	}
}

// lexOne returns the token at octet i of src, which is not a space.
func lexOne(src string, i int) (token, *Error) {
	if t, ok, err := lexColons(src, i); ok || err != nil {
		return t, err
	}
	if w := wordAt(src[i:]); w != "" {
		return classify(src, i, w)
	}
	if src[i] == '\\' {
		n := 1
		for i+n < len(src) && !isSpace(src[i+n]) && !strings.ContainsRune("!()", rune(src[i+n])) {
			n++
		}
		if n == 1 {
			return token{}, errorAt(src, i, `\`, "nothing follows the backslash")
		}
		return token{kind: tokEscaped, text: src[i : i+n], off: i}, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(src[i:], op) {
			return token{kind: tokOp, text: op, off: i}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(src[i:])
	return token{}, errorAt(src, i, string(r), "no character of the language")
}

// lexColons recognises IPv6 and Ethernet addresses: runs of hexadecimal digits,
// colons and dots with at least two colons. Offsets such as [0:2] have one.
func lexColons(src string, i int) (t token, ok bool, err *Error) {
	n, colons := 0, 0
	for i+n < len(src) && (isHex(src[i+n]) || src[i+n] == ':' || src[i+n] == '.') {
		if src[i+n] == ':' {
			colons++
		}
		n++
	}
	if colons < 2 {
		return token{}, false, nil
	}
	text := src[i : i+n]
	t = token{text: text, off: i}
	if _, isMAC := parseMAC(text); isMAC {
		t.kind = tokMAC
		return t, true, nil
	}
	addr, perr := netip.ParseAddr(text)
	if perr != nil {
		return t, false, errorAt(src, i, text, "neither an IPv6 nor an Ethernet address")
	}
	t.kind, t.addr = tokIPv6, addr
	return t, true, nil
}

// wordAt returns the longest word that s begins with: letters, digits, dots,
// and, except at its end, hyphens and underscores.
func wordAt(s string) string {
	if s == "" || !isAlnum(s[0]) {
		return ""
	}
	end := 1
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case isAlnum(c) || c == '.':
			end = i + 1
		case c != '-' && c != '_':
			return s[:end]
		}
	}
	return s[:end]
}

// classify makes a token of the word w at octet off of src.
func classify(src string, off int, w string) (token, *Error) {
	t := token{kind: tokWord, text: w, off: off}
	if n, ok := constants[w]; ok {
		t.kind, t.num = tokNumber, n
		return t, nil
	}
	if isDotted(w) {
		t.kind = tokDotted
		return t, nil
	}
	if !isNumeral(w) {
		return t, nil
	}
	digits, base := w, 10
	switch {
	case len(w) > 2 && (w[1] == 'x' || w[1] == 'X'):
		digits, base = w[2:], 16
	case len(w) > 1 && w[0] == '0':
		digits, base = w[1:], 8
	}
	if len(w) == 12 {
		if _, ok := parseMAC(w); ok {
			return t, nil // an Ethernet address without separators: too long for a number
		}
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return t, errorAt(src, off, w, "no octal, decimal or hexadecimal number of 32 bits")
	}
	t.kind, t.num = tokNumber, uint32(n)
	return t, nil
}

// isNumeral reports whether w has the form of a number.
func isNumeral(w string) bool {
	if len(w) > 2 && w[0] == '0' && (w[1] == 'x' || w[1] == 'X') {
		return strings.Trim(w[2:], "0123456789abcdefABCDEF") == ""
	}
	return strings.Trim(w, "0123456789") == ""
}

// isDotted reports whether w is two to four decimal numbers with dots.
func isDotted(w string) bool {
	parts := strings.Split(w, ".")
	if len(parts) < 2 || len(parts) > 4 {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
