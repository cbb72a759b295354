package hostname

import "bytes"

// LookMax is how many octets of a stream are looked at. Browsers' ClientHellos
// with post-quantum keys take two kilobytes, and the Host field stands in front
// of cookies; servers refuse heads of more than 8 to 16 KiB.
const LookMax = 16 << 10

// keepMax bounds what is kept of a line of a request: what follows cannot belong
// to a name, the longest of which has 253 octets.
const keepMax = 1024

// Finder looks for a name in a stream. The zero value is ready for the first
// octets; a Finder belongs to one goroutine.
type Finder struct {
	name  string
	kind  kind
	bad   bool               // there was a name that is none
	lines bool               // the request line has been read
	seen  int                // octets so far
	left  int                // octets of the TLS record under way that have not come
	held  []byte             // HTTP: the line under way; TLS: the handshake message
	head  [recordHeader]byte // TLS: the header of the record under way
	heads int                // octets of it
}

// kind is what a stream turned out to be.
type kind uint8

const (
	undecided kind = iota
	isHTTP
	isTLS
	over
)

// Name returns the name that was found, in lower case, without port: "" if there
// is none.
func (f *Finder) Name() string { return f.name }

// Bad reports that there was a name with octets that no name has.
func (f *Finder) Bad() bool { return f.bad }

// Done reports whether there is nothing more to be found.
func (f *Finder) Done() bool { return f.kind == over }

// Reset makes the Finder ready for another stream.
func (f *Finder) Reset() {
	*f = Finder{held: f.held[:0]}
}

// Feed takes the next octets of the stream, which are not kept, and reports
// whether there is nothing more to be found.
func (f *Finder) Feed(b []byte) bool {
	if room := LookMax - f.seen; len(b) > room {
		b = b[:room]
	}
	f.seen += len(b)
	for len(b) > 0 && f.kind != over {
		switch f.kind {
		case undecided:
			f.kind = kindOf(b[0])
		case isHTTP:
			b = f.line(b)
		case isTLS:
			b = f.record(b)
		}
	}
	if f.seen >= LookMax {
		f.end("")
	}
	return f.kind == over
}

// kindOf says what a stream is by its first octet.
func kindOf(c byte) kind {
	switch {
	case c == recordHandshake:
		return isTLS
	case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '\r' || c == '\n': // RFC 9112 §2.2: empty lines in front
		return isHTTP
	}
	return over
}

// end ends the search. text is the name as the client gave it.
func (f *Finder) end(text string) {
	if f.kind == over {
		return
	}
	f.kind = over
	f.held = f.held[:0]
	f.name = normal(text)
	f.bad = text != "" && f.name == ""
}

// line takes octets of a request up to the end of a line, and returns the rest.
func (f *Finder) line(b []byte) (rest []byte) {
	piece, rest, whole := bytes.Cut(b, []byte("\n"))
	if whole && len(f.held) == 0 {
		f.field(piece) // as it lies there
		return rest
	}
	f.held = append(f.held, piece[:min(len(piece), keepMax-len(f.held))]...)
	if whole {
		line := f.held
		f.held = f.held[:0]
		f.field(line)
	}
	return rest
}

// field reads a line of a request.
func (f *Finder) field(line []byte) {
	line = bytes.TrimSuffix(line[:min(len(line), keepMax)], []byte("\r"))
	switch {
	case !f.lines && len(line) == 0:
	case !f.lines:
		f.lines = true
		f.request(line)
	case len(line) == 0:
		f.end("") // RFC 9112 §3.2 wants a Host; HTTP/1.0 has none
	default:
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && len(name) == 4 && bytes.EqualFold(name, []byte("host")) {
			f.end(string(bytes.Trim(value, " \t")))
		}
	}
}

// request reads the first line of a request: method, target, version. A target
// with a host overrides the field (RFC 9112 §3.2.2).
func (f *Finder) request(line []byte) {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	cut := len(line) == keepMax // its end has not been kept
	if !ok || !token(method) || !cut && !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		f.end("")
		return
	}
	if bytes.Equal(method, []byte("CONNECT")) {
		f.end(string(target))
		return
	}
	scheme, authority, ok := bytes.Cut(target, []byte("://"))
	if !ok || bytes.IndexByte(scheme, '/') >= 0 {
		return
	}
	if i := bytes.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	authority = authority[bytes.LastIndexByte(authority, '@')+1:]
	f.end(string(authority))
}

// token reports whether a method is one: short, and of letters.
func token(method []byte) bool {
	for _, c := range method {
		if (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' {
			return false
		}
	}
	return len(method) > 0 && len(method) <= 32
}
