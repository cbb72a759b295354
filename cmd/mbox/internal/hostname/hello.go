package hostname

// Of the record and handshake protocols, RFC 8446 §4 and §5.1.
const (
	recordHandshake  = 22
	recordHeader     = 5
	recordMax        = 1<<14 + 256
	handshakeHello   = 1
	handshakeHeader  = 4
	extServerName    = 0
	serverNameOfHost = 0
)

// record takes octets of TLS records up to the end of one, and returns the rest.
// A message may be spread over records, and a record over pieces.
func (f *Finder) record(b []byte) (rest []byte) {
	if f.left == 0 {
		n := copy(f.head[f.heads:], b)
		b = b[n:]
		if f.heads += n; f.heads < recordHeader {
			return b
		}
		h := f.head
		f.left, f.heads = int(h[3])<<8|int(h[4]), 0
		if h[0] != recordHandshake || h[1] != 3 || f.left == 0 || f.left > recordMax {
			f.end("")
		}
		return b
	}
	n := min(f.left, len(b))
	f.left -= n
	if len(f.held) == 0 {
		if m, whole := message(b[:n]); whole { // as it lies there
			f.hello(m)
			return nil
		}
	}
	f.held = append(f.held, b[:n]...)
	if len(f.held) > 0 && f.held[0] != handshakeHello {
		f.end("")
		return nil
	}
	if m, whole := message(f.held); whole {
		f.hello(m)
	}
	return b[n:]
}

// message returns the body of the handshake message that b begins with, once it
// is whole.
func message(b []byte) (body []byte, whole bool) {
	if len(b) < handshakeHeader || b[0] != handshakeHello {
		return nil, false
	}
	n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if len(b)-handshakeHeader < n {
		return nil, false
	}
	return b[handshakeHeader : handshakeHeader+n], true
}

// hello reads a ClientHello (RFC 8446 §4.1.2).
func (f *Finder) hello(b []byte) {
	r := reader(b)
	r.skip(2 + 32)    // legacy_version, random
	r.skip(r.uint(1)) // legacy_session_id
	r.skip(r.uint(2)) // cipher_suites
	r.skip(r.uint(1)) // legacy_compression_methods
	exts := r.part(2) // extensions
	for len(exts) > 0 {
		typ := exts.uint(2)
		ext := exts.part(2)
		if typ != extServerName {
			continue
		}
		names := ext.part(2)
		for len(names) > 0 { // RFC 6066 §3: one of a type, and there is but one type
			typ := names.uint(1)
			name := names.part(2)
			if typ == serverNameOfHost {
				f.end(string(name))
				return
			}
		}
	}
	f.end("")
}

// reader is what is left of a message. What reaches beyond its end empties it.
type reader []byte

func (r *reader) skip(n int) {
	*r = (*r)[min(n, len(*r)):]
}

// uint takes a number of so many octets; 0 where there are not as many.
func (r *reader) uint(octets int) (n int) {
	if len(*r) < octets {
		*r = nil
		return 0
	}
	for _, c := range (*r)[:octets] {
		n = n<<8 | int(c)
	}
	r.skip(octets)
	return n
}

// part takes what a length of so many octets stands in front of.
func (r *reader) part(octets int) reader {
	n := min(r.uint(octets), len(*r))
	p := (*r)[:n:n]
	r.skip(n)
	return p
}
