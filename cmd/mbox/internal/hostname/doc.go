// Package hostname finds the name of the host that a client asks for in the
// first octets that it sends: the Host field or the absolute target of an HTTP
// request (RFC 9112 §3.2), or the server name of a TLS ClientHello (RFC 6066 §3).
//
//	stream, in pieces of any size ──Feed──▶ Finder ──▶ name
//
// Nothing of what comes in is believed: no more than a few kilobytes are looked
// at, less than a line or one handshake message is kept, each octet is handled
// once, and a name is one only if it consists of what host names consist of.
package hostname
