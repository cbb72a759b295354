package traffic

import (
	"math/rand/v2"
	"strconv"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// The tables that bodies and cookies are cut from. A power of two, large enough
// that two pieces of one connection are never the same by chance.
const (
	tableOctets = 1 << 16
	tableMask   = tableOctets - 1
)

// headMax is the most octets a head can have: behind it only the table counts,
// so that most segments are made without formatting.
const headMax = 256

// library holds the octets that connections exchange: HTTP messages with text
// cut from two tables, so that every octet follows from seed, connection,
// direction and offset. It does not change once made.
type library struct {
	seed  uint64
	size  [2]uint64 // octets of each message, by direction
	table [2][]byte // cookies of requests, bodies of responses
}

// words make the bodies.
var words = [...]string{
	"<p>", "</p>\n", "<li>", "</li>\n", "<b>", "</b>", "<a href=\"/a\">", "</a>", "the ", "of ", "stream ", "segment ", "middle ", "box ",
	"octet ", "window ", "state ", "timer ", "handler ", "event ", "reads ", "writes ", "before ", "after ", "never ", "always ", "server ", "client ",
}

const tokenDigits = "0123456789abcdef"

// newLibrary returns the library of a seed, for messages of the given sizes.
func newLibrary(seed, requestOctets, responseOctets uint64) *library {
	r := rand.New(rand.NewPCG(seed, 'h'<<8|'t'))
	l := &library{seed: seed, size: [2]uint64{requestOctets, responseOctets}}
	for len(l.table[wire.ToClient]) < tableOctets {
		l.table[wire.ToClient] = append(l.table[wire.ToClient], words[r.IntN(len(words))]...)
	}
	l.table[wire.ToClient] = l.table[wire.ToClient][:tableOctets]
	for range tableOctets {
		l.table[wire.ToServer] = append(l.table[wire.ToServer], tokenDigits[r.IntN(len(tokenDigits))])
	}
	return l
}

// connTexts are the streams of one connection of a library.
type connTexts struct {
	*library
	conn uint64
}

// appendText implements texts.
func (t connTexts) appendText(dst []byte, d wire.Dir, off, n uint64) []byte {
	for n > 0 {
		m := message{conn: t.conn, ordinal: off / t.size[d], dir: d}
		at := off % t.size[d]
		piece := min(n, t.size[d]-at)
		dst = t.appendMessage(dst, m, at, at+piece)
		off, n = off+piece, n-piece
	}
	return dst
}

// message names one request or response.
type message struct {
	conn    uint64
	ordinal uint64 // of the exchange within the connection
	dir     wire.Dir
}

// appendMessage appends octets [from, to) of a message: a head, what the table
// has, and the end of the head where that comes last.
func (l *library) appendMessage(dst []byte, m message, from, to uint64) []byte {
	size, table := l.size[m.dir], l.table[m.dir]
	base := mix(l.seed, m.conn<<24|m.ordinal<<1|uint64(m.dir))
	start := len(dst)
	for at := from; at < to; {
		i := (base + at) & tableMask
		n := min(to-at, tableOctets-i)
		dst = append(dst, table[i:i+n]...)
		at += n
	}
	out := dst[start:]
	if from < headMax {
		var buf [headMax]byte
		overlay(out, from, l.appendHead(buf[:0], m), 0)
	}
	if m.dir == wire.ToServer && size > uint64(len(requestEnd)) && to > size-uint64(len(requestEnd)) {
		overlay(out, from, []byte(requestEnd), size-uint64(len(requestEnd)))
	}
	return dst
}

// overlay writes text, which begins at offset textAt of a message, over the
// part of it in out, which begins at offset outAt.
func overlay(out []byte, outAt uint64, text []byte, textAt uint64) {
	if textAt >= outAt {
		if skip := textAt - outAt; skip < uint64(len(out)) {
			copy(out[skip:], text)
		}
		return
	}
	if skip := outAt - textAt; skip < uint64(len(text)) {
		copy(out, text[skip:])
	}
}

// requestEnd closes the cookie that fills a request up to its size, and the head.
const requestEnd = "\r\n\r\n"

// appendHead appends what a message begins with. A message smaller than its
// head is cut.
func (l *library) appendHead(dst []byte, m message) []byte {
	if m.dir == wire.ToServer {
		dst = append(dst, "GET /site/"...)
		dst = strconv.AppendUint(dst, m.conn, 10)
		dst = append(dst, "/page"...)
		dst = strconv.AppendUint(dst, m.ordinal, 10)
		dst = append(dst, ".html HTTP/1.1\r\nHost: www.example\r\nUser-Agent: traffic/1\r\nAccept: text/html\r\nCookie: id="...)
	} else {
		dst = append(dst, "HTTP/1.1 200 OK\r\nServer: traffic\r\nContent-Type: text/html\r\nETag: \""...)
		dst = strconv.AppendUint(dst, m.conn, 10)
		dst = append(dst, '-')
		dst = strconv.AppendUint(dst, m.ordinal, 10)
		dst = append(dst, "\"\r\nContent-Length: "...)
		dst = appendLength(dst, l.size[m.dir])
	}
	assert.That(len(dst) <= headMax, "a head is shorter than headMax")
	return dst
}

// appendLength appends the body's length and the end of the head, so that both
// together have size octets. Where the number's own length makes that
// impossible a space precedes it, as RFC 9110 §5.5 allows.
func appendLength(dst []byte, size uint64) []byte {
	fixed := uint64(len(dst) + len(requestEnd))
	for width := uint64(1); ; width++ {
		body := size - min(size, fixed+width)
		var digits [20]byte
		number := strconv.AppendUint(digits[:0], body, 10)
		if uint64(len(number)) > width {
			continue
		}
		for range width - uint64(len(number)) {
			dst = append(dst, ' ')
		}
		return append(append(dst, number...), requestEnd...)
	}
}

// mix returns a hash of two numbers (the finaliser of SplitMix64, twice).
func mix(a, b uint64) uint64 {
	for range 2 {
		a += 0x9e3779b97f4a7c15 + b
		a = (a ^ a>>30) * 0xbf58476d1ce4e5b9
		a = (a ^ a>>27) * 0x94d049bb133111eb
		a ^= a >> 31
	}
	return a
}
