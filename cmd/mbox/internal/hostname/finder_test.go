package hostname

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// look feeds a stream in pieces of the given size, 0 for all at once.
func look(text string, size int) (name string, done, bad bool) {
	var f Finder
	if size == 0 {
		size = max(len(text), 1)
	}
	for len(text) > 0 && !f.Feed([]byte(text[:min(size, len(text))])) {
		text = text[min(size, len(text)):]
	}
	return f.Name(), f.Done(), f.Bad()
}

// firstWrite is a connection that keeps what is written first.
type firstWrite struct {
	net.Conn
	text string
}

func (c *firstWrite) Write(b []byte) (int, error) {
	if c.text == "" {
		c.text = string(b)
	}
	return 0, net.ErrClosed
}
func (c *firstWrite) SetDeadline(time.Time) error { return nil }

// clientHello returns what Go's own client says first.
func clientHello(t testing.TB, name string, protocols ...string) string {
	t.Helper()
	var c firstWrite
	_ = tls.Client(&c, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: name == ""}).HandshakeContext(context.Background()) // it cannot succeed
	if c.text == "" {
		t.Fatal("nothing was said")
	}
	return c.text
}

// records spreads the handshake message of one record over many.
func records(hello string, size int) string {
	var b strings.Builder
	for text := hello[recordHeader:]; len(text) > 0; {
		n := min(size, len(text))
		fmt.Fprintf(&b, "%s%c%c%s", hello[:3], n>>8, n&255, text[:n])
		text = text[n:]
	}
	return b.String()
}

// each calls f with streams and what is to be found in them.
func each(t testing.TB, f func(what, text, name string, done, bad bool)) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct {
		text, name string
		done, bad  bool
	}{
		{"", "", false, false},
		{"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n", "www.example.org", true, false},
		{"GET / HTTP/1.1\nhOsT:WWW.Example.ORG.:8080\n", "www.example.org", true, false},
		{"\r\nPOST /a?b HTTP/1.0\r\nUser-Agent: x\r\nHOST:\t192.0.2.1 \r\n", "192.0.2.1", true, false},
		{"GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n", "[2001:db8::1]", true, false},
		{"GET / HTTP/1.1\r\nHost: a\r", "", false, false},
		{"GET / HTTP/1.1\r\nHost: a\r\n", "a", true, false},
		{"GET / HTTP/1.1\r\nX-Host: a\r\nHost : b\r\nCookie: Host: c\r\n\r\n", "", true, false},
		{"GET / HTTP/1.0\r\n\r\nHost: a\r\n", "", true, false},
		{"GET http://proxy.example/x HTTP/1.1\r\nHost: other\r\n", "proxy.example", true, false},
		{"GET http://user:pw@p.example:81?q HTTP/1.1\r\n", "p.example", true, false},
		{"GET /?u=http://no.example/ HTTP/1.1\r\nHost: yes.example\r\n", "yes.example", true, false},
		{"CONNECT t.example:443 HTTP/1.1\r\n", "t.example", true, false},
		{"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n", "239.255.255.250", true, false},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", true, false},
		{"GET /" + long + " HTTP/1.1\r\nX: " + long + "\r\nHost: a.b\r\n", "a.b", true, false},
		{"GET / HTTP/1.1\r\nHost: evil\x1b[2J\r\n", "", true, true},
		{"GET / HTTP/1.1\r\nHost: a b\r\n", "", true, true},
		{"GET / HTTP/1.1\r\nHost: ..\r\n", "", true, true},
		{"GET / HTTP/1.1\r\nHost: " + long + "\r\n", "", true, true},
		{"GET / HTTP/1.1\r\nHost: a:port\r\n", "", true, true},
		{"GET / HTTP/1.1\r\nHost: [::1%eth0]\r\n", "", true, true},
		{"GET / HTTP/1.1\r\nHost:\r\n", "", true, false},
		{"EHLO mail.example\r\nHost: x\r\n", "", true, false},
		{"SSH-2.0-OpenSSH\r\n", "", true, false},
		{"\x00\x01\x02", "", true, false},
		{"GET / HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", LookMax), "", true, false},
		{"\x16\x03\x01\x00\x00", "", true, false},
		{"\x16\x02\x01\x00\x05", "", true, false},
		{"\x16\x03\x01\xff\xff", "", true, false},
		{"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "", true, false},
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", "", true, false},
		{"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + strings.Repeat("\x16\x03\x01\x00\x01a", LookMax), "", true, false},
	} {
		f(fmt.Sprintf("%.40q", c.text), c.text, c.name, c.done, c.bad)
	}
	hello := clientHello(t, "secure.example.org", "h2", "http/1.1")
	f("TLS", hello, "secure.example.org", true, false)
	f("TLS, and more in the record", hello+"\x14\x03\x03\x00\x01\x01", "secure.example.org", true, false)
	f("TLS without its end", hello[:len(hello)-1], "", false, false)
	f("TLS without a name", clientHello(t, ""), "", true, false)
	for _, size := range []int{1, 3, 4, 5, 100} {
		f(fmt.Sprintf("TLS in records of %d", size), records(hello, size), "secure.example.org", true, false)
	}
	i := strings.Index(hello, "secure.example.org")
	f("TLS with a name that is none", hello[:i]+"\n"+hello[i+1:], "", true, true)
}

// TestAnySplit: what is found does not depend on the pieces.
func TestAnySplit(t *testing.T) {
	each(t, func(what, text, name string, done, bad bool) {
		for _, size := range []int{0, 1, 2, 3, 5, 7, 64, 1460} {
			if n, d, b := look(text, size); n != name || d != done || b != bad {
				t.Errorf("%s in pieces of %d: %q, done %v, bad %v; want %q, %v, %v", what, size, n, d, b, name, done, bad)
			}
		}
	})
}

// TestEverySplitInTwo goes through all places at which two segments may meet.
func TestEverySplitInTwo(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\nAccept: */*\r\nHost: two.example\r\n\r\n", clientHello(t, "two.example")} {
		for i := range text {
			var f Finder
			f.Feed([]byte(text[:i]))
			if f.Feed([]byte(text[i:])); f.Name() != "two.example" {
				t.Fatalf("split at %d: %q", i, f.Name())
			}
		}
	}
}

// TestKeepsLittle: whatever is said, what is kept has its bound.
func TestKeepsLittle(t *testing.T) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 10*LookMax),
		"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + strings.Repeat("z", 10*LookMax),
	} {
		var f Finder
		for i := 0; i < len(text) && !f.Feed([]byte(text[i:min(i+1000, len(text))])); i += 1000 {
			if len(f.held) > LookMax {
				t.Fatalf("%d octets are kept", len(f.held))
			}
		}
		if !f.Done() || f.Name() != "" {
			t.Errorf("%.20q: done %v, %q", text, f.Done(), f.Name())
		}
	}
}

// TestWholeIsNotKept: a name in one piece costs its own allocation only.
func TestWholeIsNotKept(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\nAccept: */*\r\nHost: www.example.org\r\n\r\n", clientHello(t, "www.example.org")} {
		b := []byte(text)
		var f Finder
		if n := testing.AllocsPerRun(100, func() { f.Reset(); f.Feed(b) }); n > 1 {
			t.Errorf("%.10q: %v allocations", text, n)
		}
	}
}

func FuzzSplits(f *testing.F) {
	each(f, func(_, text, _ string, _, _ bool) { f.Add([]byte(text), uint16(3)) })
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		name, done, bad := look(string(b), 0)
		n, d, x := look(string(b), int(size)+1)
		if n != name || d != done || x != bad {
			t.Errorf("in pieces of %d: %q %v %v; whole: %q %v %v", int(size)+1, n, d, x, name, done, bad)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' }) || len(name) > nameMax {
			t.Errorf("%q is no name", name)
		}
	})
}

func Example() {
	var f Finder
	f.Feed([]byte("GET /index.html HTTP/1.1\r\nUser-Agent: curl\r\nHo"))
	f.Feed([]byte("st: www.Example.org:8080\r\n"))
	fmt.Println(f.Name(), f.Done())
	// Output:
	// www.example.org true
}

func BenchmarkHello(b *testing.B) {
	hello := []byte(clientHello(b, "www.example.org", "h2"))
	var f Finder
	for b.Loop() {
		f.Reset()
		f.Feed(hello)
	}
}
